# SPDX-License-Identifier: GPL-2.0-only
"""A guest to work in: lines from stdin run in the guest, lines with ! ask its host."""

import sys
import time
from typing import TYPE_CHECKING, Any

from . import LabError, cache
from .guest import Guest
from .real_guest import HOST_DELAY, RealGuest

if TYPE_CHECKING:
    import pytest   # the prompt is also there without it

HELP = """\
COMMAND         run in the guest; a status other than 0 is shown
!target MIB     ask the host for that size (does not wait)
!wait MIB [S]   wait until the host counts that size, at most S seconds (default 120)
!sleep S        wait
!actual         the size that the host counts
!status         the guest's last report
!insmod [PARAM] load the module under test
!intree [PARAM] load the distribution's own hv_balloon
!rmmod          unload hv_balloon
!log            the guest's console log
!trace [N]      the last N lines of the host's trace (default: all)
!warnings       lines of the guest's log that look like a kernel warning
!quit           end; the guest is stopped"""


class Prompt:
    """Reads commands until the end of the input: for the guest, or after ! for something else."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def run(self) -> int:
        """Execute stdin line by line; return the exit status."""
        prompt = "guest# " if sys.stdin.isatty() else ""
        while True:
            print(prompt, end="", flush=True)
            line = sys.stdin.readline()
            if not line or line.strip() == "!quit":
                return 0
            self._execute(line.strip())

    def _execute(self, line):
        if not sys.stdin.isatty():
            print(f"> {line}", flush=True)
        try:
            output = self._other(line[1:]) if line.startswith("!") else self._command(line)
        except LabError as error:
            output = f"error: {error}"
        if output is not None and output != "":
            print(str(output).rstrip("\n"), flush=True)

    def _command(self, line):
        if not line:
            return ""
        result = self._guest.call(line, limit=600)
        return result.output + (f"[status {result.status}]" if result.status else "")

    def _other(self, line: str) -> object:
        """Do what is asked after !; return what is to be printed."""
        raise NotImplementedError


class Session(Prompt):
    """The prompt of a guest of QEMU's host."""

    def __init__(self, guest: RealGuest) -> None:
        super().__init__(guest)
        self._real = guest
        self._commands = {
            "target": lambda mib: guest.set_target(int(mib)),
            "wait": self._wait,
            "sleep": lambda seconds: time.sleep(float(seconds)),
            "actual": lambda: f"{guest.actual()} MiB",
            "status": guest.report,
            "insmod": lambda *parameters: guest.load(" ".join(parameters)),
            "intree": lambda *parameters: guest.load(" ".join(parameters), intree=True),
            "rmmod": guest.unload,
            "log": guest.log,
            "trace": self._trace,
            "warnings": lambda: "\n".join(guest.warnings()) or "none",
            "help": lambda: HELP,
        }

    def run(self) -> int:
        """Say what there is, then execute stdin."""
        cache.say("the guest is up; !help lists the host's commands. The host waits "
                  f"{HOST_DELAY} s after the module's start before its first request")
        return super().run()

    def _other(self, line):
        name, *arguments = line.split() or ["help"]
        if name not in self._commands:
            return f"no such command: !{name}\n{HELP}"
        try:
            return self._commands[name](*arguments)
        except (TypeError, ValueError) as error:
            return f"error: !{name}: {error}"

    def _wait(self, mib, limit="120"):
        seconds = self._real.wait_actual(int(mib), float(limit))
        return f"{mib} MiB after {seconds:.1f} s"

    def _trace(self, count="0"):
        return "\n".join(self._real.trace().splitlines()[-int(count):])


def keep(config: "pytest.Config", what: str, prompt: Prompt) -> None:
    """Take commands for the guest of a case that has failed; pytest waits."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.suspend(in_=True)
    try:
        print(f"\n{what}\nThe guest is there until !quit; !help lists the commands.", flush=True)
        prompt.run()
    finally:
        capture.resume()
