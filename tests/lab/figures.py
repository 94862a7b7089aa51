# SPDX-License-Identifier: GPL-2.0-only
"""What the scenarios compare: the host's count, the guest's totals, the driver's figures."""

from . import memory
from .real_guest import HOST_DELAY, RealGuest

SETTLE_LIMIT = 120  # seconds for one target, beside the host's first delay
SANE_LIMIT = 1 << 50  # no honest figure of a guest is that large, an underflow is

# Free memory moves by itself: helpers of udev that end, page tables and slab of programs. Eight
# lost blocks of 2 MiB would hide in it, so the driver's own count is compared exactly besides.
FREE_TOLERANCE_MIB = 16
FREE_LIMIT = 60     # seconds until what moves by itself is at rest


def total_mib(guest: RealGuest) -> float:
    """Return the guest's own total, in MiB."""
    return memory.meminfo(guest)["MemTotal"] / 1024


def free_mib(guest: RealGuest) -> float:
    """Return the guest's free memory without what caches hold, in MiB."""
    return memory.free_pages(guest) / memory.MIB


def ballooned_mib(guest: RealGuest) -> float:
    """Return what the driver counts as ballooned, in MiB."""
    return guest.status()["pages_ballooned"] / memory.MIB


def hot_added_mib(guest: RealGuest) -> float:
    """Return what the driver counts as hot-added and online, in MiB."""
    return guest.status()["pages_hot_added_online"] / memory.MIB


def driver_size_mib(guest: RealGuest, startup: int) -> float:
    """Return the guest's size as the driver's figures give it, in MiB."""
    return startup + hot_added_mib(guest) - ballooned_mib(guest)


def reach(guest: RealGuest, mib: int, startup: int) -> float:
    """Set a target and wait until host and driver both have it; return the seconds it took.

    The host counts memory as the guest's as soon as it has posted it: so the driver is asked too.
    """
    guest.set_target(mib)
    seconds = guest.wait_actual(mib, SETTLE_LIMIT + HOST_DELAY)
    return seconds + guest.wait(
        lambda: driver_size_mib(guest, startup) == mib, SETTLE_LIMIT,
        lambda: f"the driver's figures give {driver_size_mib(guest, startup)} MiB, not {mib}")


def assert_not_less_free(guest: RealGuest, expected: float) -> None:
    """Compare free memory, in MiB, again and again while programs may still be about to end.

    More is no loss: a balloon drives out what the guest held before.
    """
    guest.wait(lambda: free_mib(guest) >= expected - FREE_TOLERANCE_MIB, FREE_LIMIT,
               lambda: f"{free_mib(guest)} MiB are free, {expected} are expected", pause=2)


def assert_no_underflow(guest: RealGuest) -> None:
    """Check every figure of the guest and the driver for one below zero."""
    figures = {**memory.vmstat(guest), **memory.meminfo(guest)}
    del figures["VmallocTotal"]  # address space, not memory
    figures.update({name: value for name, value in guest.status().items()
                    if isinstance(value, int)})
    wrong = {name: value for name, value in figures.items() if not 0 <= value < SANE_LIMIT}
    assert not wrong, f"figures below zero: {wrong}"
