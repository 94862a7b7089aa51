# SPDX-License-Identifier: GPL-2.0-only
"""The driver leaves and comes back: the counts stay right, what the host holds stays held."""

import re

import pytest

from lab.figures import (assert_no_underflow, assert_not_less_free, ballooned_mib, free_mib, reach,
                         total_mib)
from lab.memhog import Memhog
from lab.memory import MIB
from lab.real_guest import HOST_DELAY

ROUNDS = 10
SMALL = 700  # MiB
LARGE = 4096        # MiB
HALVES = 3700       # MiB that a program touches before it gives every second page back
OUT = 1024          # MiB
LIMIT = 600         # seconds for that much in single pages
RANGES = re.compile(r"incoming balloon response \d+, ranges (\d+)")
MANY = 10000        # of them: far more than one message has


def reload(guest, parameters=""):
    """Unload and load the module."""
    guest.unload()
    guest.load(parameters)


def rebind(guest):
    """Unbind and bind the device."""
    devices = guest.driver_folder
    device = guest.run(f"ls {devices} | grep -E '^[0-9a-f]+-'").strip()
    guest.run(f"echo {device} >{devices}/unbind; echo {device} >{devices}/bind", limit=120)


WAYS = (reload, rebind)


@pytest.mark.parametrize("leave_and_return", WAYS)
def test_ten_rounds_idle(boot, leave_and_return):
    """Nothing is ballooned: totals and free memory are what they were."""
    with boot(startup=1024) as guest:
        guest.load()
        before = (total_mib(guest), free_mib(guest))
        for _ in range(ROUNDS):
            leave_and_return(guest)
            assert_no_underflow(guest)
        assert total_mib(guest) == before[0]
        assert_not_less_free(guest, before[1])


def test_ten_rounds_with_memory_ballooned(boot):
    """What is ballooned stays so, is found again each time, and is said in one line."""
    with boot(startup=1024) as guest:
        guest.load()
        reach(guest, SMALL, startup=1024)
        before = (total_mib(guest), ballooned_mib(guest), free_mib(guest))
        for leave_and_return in WAYS * ROUNDS:
            guest.run("dmesg -c >/dev/null")
            leave_and_return(guest)
            assert_no_underflow(guest)
            pages = int(before[1] * MIB)
            assert guest.run("dmesg").count(f"left {pages} pages") == 1
        assert (total_mib(guest), ballooned_mib(guest)) == before[:2]
        assert_not_less_free(guest, before[2])


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
        assert_not_less_free(guest, before[1])


def all_answered(guest):
    """Tell whether the guest has answered the host's last message that returns pages."""
    trace = guest.trace()
    return trace.rfind("incoming unballoon") > trace.rfind("posting unballoon")


def test_the_driver_of_the_kernel_comes_after_us(boot):
    """On the channel that was ours it reads all messages: memory in many ranges goes and returns."""
    with boot(startup=LARGE) as guest:
        guest.load()
        for size in (LARGE - SMALL, LARGE):
            reach(guest, size, startup=LARGE)
        guest.unload()
        hog = Memhog(guest, HALVES, "--small-pages --quick")
        hog.thin()
        before = free_mib(guest)
        seen = len(guest.trace())
        guest.load(intree=True)
        for size in (LARGE - OUT, LARGE):
            guest.set_target(size)
            guest.wait_actual(size, LIMIT + HOST_DELAY)
        guest.wait(lambda: all_answered(guest), LIMIT, lambda: "a message was not answered")
        assert sum(map(int, RANGES.findall(guest.trace()[seen:]))) > MANY
        assert_not_less_free(guest, before)
        hog.stop()
