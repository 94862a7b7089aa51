# SPDX-License-Identifier: GPL-2.0-only
"""The driver leaves and comes back: the counts stay right, what the host holds stays held."""

import pytest

from lab.figures import (assert_no_underflow, assert_not_less, ballooned_mib, free_mib, reach,
                         total_mib)
from lab.memory import MIB

ROUNDS = 10
SMALL = 700  # MiB


def reload(guest, parameters=""):
    """Unload and load the module."""
    guest.unload()
    guest.load(parameters)


def rebind(guest):
    """Unbind and bind the device."""
    devices = guest.driver_folder
    device = guest.run(f"ls {devices} | grep -E '^[0-9a-f]+-'").strip()
    guest.run(f"echo {device} >{devices}/unbind; echo {device} >{devices}/bind", limit=120)


WAYS = pytest.mark.parametrize("leave_and_return", (reload, rebind))


@WAYS
def test_ten_rounds_idle(boot, leave_and_return):
    """Nothing is ballooned: totals and free memory are what they were."""
    with boot(startup=1024) as guest:
        guest.load()
        before = (total_mib(guest), free_mib(guest))
        for _ in range(ROUNDS):
            leave_and_return(guest)
            assert_no_underflow(guest)
        assert total_mib(guest) == before[0]
        assert_not_less(free_mib(guest), before[1])


@WAYS
def test_ten_rounds_with_memory_ballooned(boot, leave_and_return):
    """What is ballooned stays so, is found again each time, and is said in one line."""
    with boot(startup=1024) as guest:
        guest.load()
        reach(guest, SMALL, startup=1024)
        before = (total_mib(guest), ballooned_mib(guest), free_mib(guest))
        for _ in range(ROUNDS):
            guest.run("dmesg -c >/dev/null")
            leave_and_return(guest)
            assert_no_underflow(guest)
            pages = int(before[1] * MIB)
            assert guest.run("dmesg").count(f"left {pages} pages") == 1
        assert (total_mib(guest), ballooned_mib(guest)) == before[:2]
        assert_not_less(free_mib(guest), before[2])


def test_reclaim_brings_the_memory_back(boot):
    """With reclaim=1 at each load, free memory after ten rounds is what it was at first."""
    with boot(startup=1024) as guest:
        guest.load("reclaim=1")
        before = (total_mib(guest), free_mib(guest))
        reach(guest, SMALL, startup=1024)
        for _ in range(ROUNDS):
            reload(guest, "reclaim=1")
            assert_no_underflow(guest)
        assert (total_mib(guest), ballooned_mib(guest)) == (before[0], 0)
        assert_not_less(free_mib(guest), before[1])
