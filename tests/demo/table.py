# SPDX-License-Identifier: GPL-2.0-only
"""The live table: one line per look, plain text where the output is no terminal."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from .story import Sample, Step

QUIET_SECONDS = 10  # a line that repeats the one before is shown this often
COLOURS = {"OK": "32", "Low": "33", "Warning": "31", "bold": "1", "faint": "2"}
HEADER = ("                 host                    guest (free -m)                program\n"
          "  time  assigned demand status    total   used   free  avail     holds   the host")


class Table:
    """Prints what is observed."""

    def __init__(self, steps: int, stream: TextIO = sys.stdout) -> None:
        self._steps = steps
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ
        self._last: Sample | None = None

    def say(self, text: str, style: str = "bold") -> None:
        """Print one line of text."""
        print(self._styled(text, style), file=self._stream, flush=True)

    def begin(self, index: int, step: "Step") -> None:
        """Announce a step."""
        self.say(f"\nStep {index + 1} of {self._steps}: {step.title}")
        self.say(f"until {step.condition}", "faint")
        self.say(HEADER, "faint")
        self._last = None

    def show(self, sample: "Sample") -> None:
        """Print a sample, unless it repeats the last line shown."""
        if not self._is_news(sample):
            return
        self._last = sample
        status = self._styled(f"{sample.status:<8}", sample.status)
        print(f"{sample.seconds:5.0f} s {sample.assigned:8} {sample.demand:6} {status}"
              f" {sample.total:6} {sample.used:6} {sample.free:6} {sample.available:6}"
              f" {sample.held:9}   {sample.action}", file=self._stream, flush=True)

    def end(self, step: "Step", free: str) -> None:
        """Show the guest's own view at the end of a step."""
        self.say(f"reached: {step.condition}. The guest's own view:", "OK")
        print("# free -m\n" + free.rstrip("\n"), file=self._stream, flush=True)

    def _is_news(self, sample):
        last = self._last
        if last is None or sample.action or sample.seconds - last.seconds >= QUIET_SECONDS:
            return True
        return (sample.assigned, sample.status, sample.held) != (last.assigned, last.status,
                                                                 last.held)

    def _styled(self, text, style):
        return f"\033[{COLOURS[style]}m{text}\033[0m" if self._coloured else text
