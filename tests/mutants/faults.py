# SPDX-License-Identifier: GPL-2.0-only
"""Bugs of one or two lines: text of a file that is replaced, and what must find it."""

import dataclasses
from pathlib import Path

from lab import LabError


@dataclasses.dataclass(frozen=True)
class Planted:
    """A bug of a file."""

    name: str
    file: str
    old: str
    new: str


@dataclasses.dataclass(frozen=True)
class Fault(Planted):
    """A bug, and the cases of a script that find it, as for pytest -k, on a kernel."""

    script: str = ""
    kills: str = ""
    kernel: str = "6.1"

    @property
    def word(self) -> str:
        """Return its name as an option can have it."""
        return self.name.replace(" ", "-")


def plant(fault: Planted, folder: Path) -> None:
    """Plant a bug in a copy of its file."""
    path = folder / fault.file
    text = path.read_text(encoding="ascii")
    if text.count(fault.old) != 1:
        raise LabError(f"{fault.name}: {fault.file} has {text.count(fault.old)} such places")
    path.write_text(text.replace(fault.old, fault.new), encoding="ascii")
