# SPDX-License-Identifier: GPL-2.0-only
"""The model of the work items is of this driver, and the planted bugs are of its text."""

import re

import pytest

from lab import PROJECT
from mutants import guest_files, pure_files, table
from proof import planted

SETTERS = (("enum hvb_state", "device.h", "hvb_state_moves", "negotiate.c", "state"),
           ("enum hvb_hot_add_state", "hot_add.h", "hvb_hot_add_moves", "hot_add.c", "offer"))
MUTANTS = (*pure_files.FAULTS, *guest_files.FAULTS)
PLANTED = (*MUTANTS, *planted.MODEL)
# Those that no mutant can be tried in: of its own in the simulated host, and without a function.
WITHOUT = {"hypercall.c", "trace.c"}


def driver(name):
    """Return the text of a file of the driver."""
    return (PROJECT / name).read_text(encoding="ascii")


@pytest.mark.parametrize("enum, header, table, file, variable", SETTERS)
def test_states(enum, header, table, file, variable):
    """The model has the states of the driver, and allows the same moves."""
    model = driver("tests/proof/pump.pml")
    names = re.search(enum + r" \{(.*?)\};", driver(header), re.DOTALL).group(1)
    states = {name for name in re.findall(r"HVB_\w+", names) if not name.endswith("STATES")}
    ours = re.search(rf"mtype:{variable} = \{{(.*?)\}};", model, re.DOTALL).group(1)
    assert set(re.findall(r"HVB_\w+", ours)) == states

    moves = re.search(table + r"\[\w+\] = \{(.*?)\};", driver(file), re.DOTALL).group(1)
    pairs = {(old, new) for old, to in re.findall(r"\[(\w+)\]\s*=([^[]*)", moves)
             for new in re.findall(r"BIT\((\w+)\)", to)}
    assert pairs
    assert pairs == set(re.findall(rf"MOVE\({variable}, new, (\w+), (\w+)\)", model))


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_bug_can_be_planted(fault):
    """Its place is there, once, and another one would be something else."""
    assert driver(fault.file).count(fault.old) == 1 and fault.old != fault.new


def test_mutants_are_of_each_file():
    """That has code of the driver; each by a name of its own."""
    files = {str(path.relative_to(PROJECT)) for pattern in ("*.c", "lib/*.c")
             for path in PROJECT.glob(pattern) if not path.name.endswith(".mod.c")}
    assert files - {fault.file for fault in MUTANTS} == WITHOUT
    assert len({fault.name for fault in MUTANTS}) == len(MUTANTS)


def test_page_has_each_mutant():
    """And none that is gone; those that were not found are known to be open."""
    known = table.known()
    assert list(known) == [fault.name for fault in MUTANTS]
    assert {name for name, how in known.items() if how in table.BAD} == set(guest_files.OPEN)
