# SPDX-License-Identifier: GPL-2.0-only
"""Guests in which one mutant after the other is tried, by runs of pytest in this process.

A guest is kept after a case has failed in it if it is as it was when it started. It gets each
mutant from a folder of this machine.
"""

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab import PROJECT, LabError, results
from simulated_host import balance, built, conftest
from simulated_host.keeper import Keeper
from simulated_host.simulator import Simulator

from .faults import Fault

SCRIPTS = PROJECT / "tests/simulated_host"
TAG, PLACE = "mutants", "/mutants"
ENTER = f"mkdir {PLACE} && mount -t 9p -o trans=virtio,cache=none,ro {TAG} {PLACE}"


class SharedKeeper(Keeper):
    """Keeps its guest over runs of pytest, and after a case that failed without a trace."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        share = f"local,path={folder},mount_tag={TAG},security_model=none,readonly=on"
        super().__init__(config, drivers=("9p", "9pnet_virtio"), devices=("-virtfs", share))
        self._as_it_was: balance.Balance | None = None
        self.boots = 0

    def begin(self, config: pytest.Config) -> "SharedKeeper":
        """Go on with the options of another run."""
        self._config = config
        return self

    def guest(self) -> Simulator:
        """Return the guest, with the mutant of this run."""
        before = self._simulator
        guest = super().guest()
        if guest is not before:
            guest.run(ENTER)
            self._as_it_was = balance.Balance(guest)
            self.boots += 1
        guest.file = f"{PLACE}/{Path(guest.file).name}"
        return guest

    def discard(self) -> None:
        """Stop the guest, unless it is as it was when it started."""
        if not self._is_as_it_was():
            super().discard()

    def _is_as_it_was(self):
        guest = self._simulator
        try:
            if not guest or guest.loaded() or guest.warnings() or guest.host.disorder:
                return False
            assert self._as_it_was
            self._as_it_was.assert_balanced(guest)
        except (LabError, AssertionError):
            return False
        return True


class Guests:
    """A plugin of pytest: what the runs of one kernel have in common."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keeper: SharedKeeper | None = None

    def keeper(self, config: pytest.Config) -> SharedKeeper:
        """Return the keeper, for a run."""
        self._keeper = self._keeper or SharedKeeper(config, self._folder)
        return self._keeper.begin(config)

    def try_out(self, fault: Fault) -> tuple[results.Results, str]:
        """Run the cases that should find a bug; return what they say, and their output."""
        shutil.copy2(built.driver(fault.kernel, mutant=fault.word), self._folder)
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        words: list[Any] = ["-p", "no:cacheprovider", "-v", "--tb=short", f"--junitxml={report}",
                            f"--kernel={fault.kernel}", "--slow", f"--mutant={fault.word}",
                            "-k", fault.kills, str(SCRIPTS / f"test_{fault.script}.py")]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = pytest.main(words, plugins=[_Named(self)])
        return results.read(report, int(status), may_be_empty=False), output.getvalue()

    def finish(self) -> None:
        """Stop the guest."""
        if self._keeper:
            Keeper.discard(self._keeper)


class _Named:
    """Registers a plugin under the name by which the scripts look for it."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests

    def pytest_configure(self, config: pytest.Config) -> None:
        """See pytest."""
        config.pluginmanager.register(self._guests, conftest.SHARED)
