# SPDX-License-Identifier: GPL-2.0-only
"""docs/mutants.md: the mutants, and what has killed each when it was run last."""

import re
from collections.abc import Iterable

from lab import PROJECT

from .faults import Fault

PAGE = PROJECT / "docs/mutants.md"
HEAD = """\
# Mutants

Bugs of one or two lines, each planted in a copy of the driver that has no other, and what failed
then. `make mutants` runs them and writes this table; `make mutants T=NAME` those with that word in
their names or files. Those of `lib/` run in the program of the layer `unit`, all others in a guest
of the simulated host with kernel 6.1: the cases that should find the bug, no others. The bugs are in
`tests/mutants/`.

Not among them: `hypercall.c`, which the simulated host replaces by its own. Survivors are named with
a reason in `tests/mutants/guest_files.py`.

{counts}

| mutant | file | killed by |
| --- | --- | --- |
"""
ROW = re.compile(r"^\| (.*?) \| (\S+) \| (.*) \|$", re.MULTILINE)
NOT_RUN = "not run"
SURVIVED = "**survived**"
BROKEN = "**does not build, or no case ran**"
BAD = (SURVIVED, BROKEN)


def known() -> dict[str, str]:
    """Return what killed each mutant, by its name, as the page has it."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return {name: how for name, _, how in ROW.findall(text) if not name.startswith(("mutant", "-"))}


def write(faults: Iterable[Fault], found: dict[str, str]) -> None:
    """Write the page, with how many were killed; those that were not run keep their row."""
    rows = known() | found
    hows = {one.name: rows.get(one.name, NOT_RUN) for one in faults}
    lines = [f"| {one.name} | {one.file} | {hows[one.name]} |" for one in faults]
    missing = list(hows.values()).count(NOT_RUN)
    bad = sum(how in BAD for how in hows.values())
    counts = f"{len(hows) - missing - bad} killed, {bad} not, {missing} not run."
    PAGE.write_text(HEAD.format(counts=counts) + "\n".join(lines) + "\n", encoding="utf-8")
