# SPDX-License-Identifier: GPL-2.0-only
"""Sleep, as far as the kernel can try it."""

import time

import pytest

from .simulator import Simulator

LIMIT = 120     # seconds
SLEEP = "echo {level} >/sys/power/pm_test && echo {state} >/sys/power/state"
SWAP = "/dev/$(grep -lx swap /sys/block/*/serial | cut -d/ -f4)"


def sleep(guest: Simulator, state: str, level: str, delay: int = 1) -> float:
    """Sleep until the kernel's test of that level ends, and wake up; return the seconds it took.

    The test lasts `delay` seconds.
    """
    prepare_to_sleep(guest, state, delay)
    return fall_asleep(guest, state, level)


def prepare_to_sleep(guest: Simulator, state: str, delay: int = 1) -> None:
    """Do what of sleep() can be done long before."""
    if state not in guest.run("cat /sys/power/state").split():
        pytest.skip("this kernel was built without that")
    guest.run(f"echo {delay} >/sys/module/suspend/parameters/pm_test_delay")


def fall_asleep(guest: Simulator, state: str, level: str) -> float:
    """Do the rest of it; return the seconds that it took."""
    started = time.monotonic()
    guest.run(SLEEP.format(level=level, state=state), LIMIT)
    slept = time.monotonic() - started
    guest.run("echo none >/sys/power/pm_test")
    return slept
