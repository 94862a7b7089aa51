# SPDX-License-Identifier: GPL-2.0-only
"""What each guest offers, whatever plays its host."""

import contextlib
import re
from typing import Any

from . import HV_BALLOON, LabError, kernlog
from .carrier import Carrier
from .shell import Result, Shell

CONSOLE = "guest.log"
STATUS = "/sys/kernel/debug/hv_balloon/status"
LIMIT = 60  # seconds for a command in the guest, unless said


class Guest:
    """A running guest. Use it as a context manager, so that it never stays behind.

    Who starts it sets _carrier, which has the outputs, and _shell.
    """

    module = HV_BALLOON  # the name under which the driver is loaded
    patience: float = 1  # how much longer than in a stock kernel commands may take
    kills_expected = False  # that the kernel kills a program is no fault of the driver
    _carrier: Carrier
    _shell: Shell

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Stop the guest."""
        self._stack.close()

    def run(self, command: str, limit: float = LIMIT) -> str:
        """Run a shell command in the guest and return its output; it must succeed."""
        with self._explained():
            return self._shell.run(command, limit * self.patience)

    def call(self, command: str, limit: float = LIMIT) -> Result:
        """Run a shell command in the guest and return its Result."""
        with self._explained():
            return self._shell.call(command, limit * self.patience)

    def post(self, command: str, limit: float = LIMIT) -> None:
        """Let a shell command run in the guest, as one after which it does not answer."""
        with self._explained():
            self._shell.post(command, limit * self.patience)

    def commands(self) -> int:
        """Return a number that differs once another command was run in the guest."""
        return self._shell.requests

    def _explained(self):
        """What holds while an answer is awaited: errors may be explained there."""
        return contextlib.nullcontext()

    def unload(self) -> None:
        """Unload the driver."""
        self.run(f"rmmod {self.module}", limit=120)

    @property
    def driver_folder(self) -> str:
        """Return the driver's folder in sysfs, with the files bind and unbind."""
        return f"/sys/bus/vmbus/drivers/{self.module}"

    @property
    def parameters(self) -> str:
        """Return the folder of the driver's parameters in sysfs."""
        return f"/sys/module/{self.module}/parameters"

    def status(self) -> dict[str, Any]:
        """Return the driver's own figures from debugfs, numbers as int."""
        return status_of(self.run(f"cat {STATUS}"))

    def alive(self) -> bool:
        """Tell whether the guest still answers."""
        try:
            return self.call("true").status == 0
        except LabError:
            return False

    def log(self) -> str:
        """Return the guest's console log."""
        return self._carrier.read(CONSOLE)

    def warnings(self) -> list[str]:
        """Return the lines of the guest's log that must not be there."""
        return kernlog.warnings(self.log(), self.kills_expected)


def status_of(text: str) -> dict[str, Any]:
    """Return the figures of the driver's file, numbers as int."""
    return {name: _number(value)
            for name, value in (line.split(": ", 1) for line in text.splitlines())}


def _number(text):
    return int(text) if re.fullmatch(r"-?\d+", text) else text
