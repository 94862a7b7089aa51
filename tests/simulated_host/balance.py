# SPDX-License-Identifier: GPL-2.0-only
"""The balance of a guest's memory: what a case took from it must be there again at its end."""

import time

from lab import memory
from lab.memory import MIB

from .machine import GUEST_MIB
from .simulator import Simulator
from .wire import Ranges

# What programs, caches and slab hold moves by itself. Pages that are lost in small numbers are
# found by their mark and by kmemleak, not by this.
TOLERANCE_MIB = 24
DEBUG_TOLERANCE_MIB = 64    # KASAN keeps what was freed for a while, a 32nd of the memory
# A memory block costs its memory map, and with KASAN the shadow of its memory.
BLOCK_COST_MIB = 2
DEBUG_BLOCK_COST_MIB = 24
PATIENCE = 20   # seconds in which the memory of a program that was ended must be free again


class Balance:
    """The figures of a guest in which no driver is loaded."""

    def __init__(self, guest: Simulator) -> None:
        self._marked = None if guest.is_debug() else marked_pages(guest)
        self._used, self._blocks = _used_mib(guest), _blocks(guest)

    def assert_balanced(self, guest: Simulator) -> None:
        """Compare with the guest of now, in which again no driver is loaded."""
        if self._marked is not None:
            assert marked_pages(guest) == self._marked, "pages stay ballooned"
        tolerance, cost = ((DEBUG_TOLERANCE_MIB, DEBUG_BLOCK_COST_MIB) if guest.is_debug()
                           else (TOLERANCE_MIB, BLOCK_COST_MIB))
        allowed = tolerance + cost * (_blocks(guest) - self._blocks)
        deadline = time.monotonic() + PATIENCE
        while (grown := _used_mib(guest) - self._used) >= allowed:
            assert time.monotonic() < deadline, f"{grown} MiB more are in use than before"
            time.sleep(1)


def marked_pages(guest: Simulator) -> int:
    """Return how many pages of boot memory are marked as ballooned.

    Hot-added memory is left out: gaps keep their mark there. Slow in the debug kernel.
    """
    output = guest.run("memlayout", limit=120)
    pieces = (map(int, line.split()) for line in output.splitlines())
    return sum(ballooned for address, _, _, ballooned in pieces if address < GUEST_MIB)


def _used_mib(guest):
    """Return what is neither free nor in a cache that can go.

    MemAvailable is no measure of it: it leaves out what the kernel keeps free, and that grows with
    the first huge page and with a zone's first memory.
    """
    return (guest.total() - memory.free_pages(guest)) // MIB


def _blocks(guest):
    return int(guest.run("ls -d /sys/devices/system/memory/memory* | wc -l"))


def assert_no_leaks(guest: Simulator) -> None:
    """Ask kmemleak, where there is one; takes a minute."""
    if guest.is_debug():
        # What was allocated a moment ago is not reported by the first scan.
        leaks = guest.run("cd /sys/kernel/debug && echo scan >kmemleak && sleep 5 &&"
                          " echo scan >kmemleak && cat kmemleak", limit=300)
        assert not leaks, f"kmemleak has found:\n{leaks}"


def assert_counts(guest: Simulator, ballooned: int) -> None:
    """Every page that was asked for was given or refused; what is out is what was not returned."""
    figures = guest.status()
    assert figures["balloon_pages_requested"] == (figures["balloon_pages_given"]
                                                + figures["balloon_pages_refused"])
    assert figures["pages_ballooned"] == ballooned
    assert figures["balloon_pages_given"] - figures["balloon_pages_returned"] == ballooned


def give_back(guest: Simulator, ranges: Ranges) -> None:
    """Give everything back."""
    guest.host.deflate(ranges)
    assert_counts(guest, 0)
