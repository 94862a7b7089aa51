# SPDX-License-Identifier: GPL-2.0-only
"""Warnings in a kernel log: any of these in a guest's log fails the run."""

import re
from pathlib import Path

IGNORED = Path(__file__).resolve().parents[1] / "kernlog-ignore.txt"

WARNING = re.compile(
    r"WARNING:|BUG:|kernel BUG|Call Trace|Oops|[Bb]ad page|general protection fault"
    r"|refcount_t:|UBSAN|KASAN|KCSAN|possible (circular|recursive) locking|INFO: task .* blocked"
    r"|rcu.*stall|soft lockup|hard LOCKUP|page allocation failure|Kernel panic|unable to handle"
    r"|underflow|sysfs: cannot create duplicate")


def warnings(text):
    """Return the lines of a kernel log that must not be there."""
    ignored = _ignored()
    return [line for line in text.splitlines()
            if WARNING.search(line) and not any(known.search(line) for known in ignored)]


def _ignored():
    lines = IGNORED.read_text(encoding="utf-8").splitlines()
    return [re.compile(line) for line in lines if line and not line.startswith("#")]
