# SPDX-License-Identifier: GPL-2.0-only
"""Warnings in a kernel log: any of these in a guest's log fails the run."""

import itertools
import re
from pathlib import Path

IGNORED = Path(__file__).with_name("kernlog-ignore.txt")

WARNING = re.compile(
    r"WARNING:|BUG:|kernel BUG|Call Trace|Oops|[Bb]ad page|general protection fault"
    r"|refcount_t:|UBSAN|KASAN|KCSAN|possible (circular|recursive) locking|INFO: task .* blocked"
    r"|rcu.*stall|soft lockup|hard LOCKUP|page allocation failure|Kernel panic|unable to handle"
    r"|underflow|sysfs: cannot create duplicate")

# The kernel says for which allocation it kills a program.
KILLED = re.compile(r"^\S+ invoked oom-killer:", re.DOTALL)

# A stack trace, what the kernel prints before it about the machine's state, and its end.
TRACE = re.compile(r"Call Trace:")
STATE = re.compile(r"(CPU|RIP|Code|RSP|R[A-DS][IXP]|R\d\d|FS|CS|CR\d|DR\d|PKRU|Hardware name"
                   r"|Workqueue|Modules linked in|Tainted|Stopper)\b")
TRACE_END = re.compile(r"</TASK>")
STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")


def warnings(text: str, killed: bool = False) -> list[str]:
    """Return the lines of a kernel log that must not be there.

    `killed`: that the kernel kills programs for want of memory is expected.
    """
    lines = [STAMP.sub("", line) for line in text.splitlines()]
    known = _known(lines, [*_ignored(), *([KILLED] if killed else [])])
    return [line for number, line in enumerate(text.splitlines())
            if WARNING.search(line) and number not in known]


def _known(lines, ignored):
    """Return the numbers of the lines that match, alone or with the stack trace they are part of.

    With its trace a warning can be recognised by the function that it comes from. Its first line
    is the last one before the trace that tells nothing of the machine's state.
    """
    pieces = [(number, number + 1) for number in range(len(lines))]
    pieces += [_around(lines, number) for number, line in enumerate(lines) if TRACE.search(line)]
    return set(itertools.chain.from_iterable(
        range(start, end) for start, end in pieces
        if any(known.search("\n".join(lines[start:end])) for known in ignored)))


def _around(lines, trace):
    """Return the first line of the warning that the trace belongs to, and the one behind both."""
    start, end = trace, trace + 1
    while start > 0 and (start == trace or STATE.match(lines[start])):
        start -= 1
    while end < len(lines) and not (TRACE_END.search(lines[end]) or WARNING.search(lines[end])):
        end += 1
    return start, end


def _ignored():
    lines = IGNORED.read_text(encoding="utf-8").splitlines()
    return [re.compile(line, re.DOTALL) for line in lines if line and not line.startswith("#")]
