# SPDX-License-Identifier: GPL-2.0-only
"""The balance of a guest's memory: what a case took from it must be there again at its end."""

import dataclasses
import time
import weakref
from collections.abc import MutableMapping

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


# What is neither free nor in a cache that can go, memory blocks, pages of boot memory that are
# marked as ballooned. MemAvailable is no measure of the first: it leaves out what the kernel keeps
# free, and that grows with the first huge page and with a zone's first memory.
FIGURES = f"""
{memory.DROP_CACHES}
{memory.FREE_PAGES}
awk '/MemTotal/ {{ print int($2 / 4) }}' /proc/meminfo
ls -d /sys/devices/system/memory/memory* | wc -l
"""
MARKED = f"memlayout | awk '$1 < {GUEST_MIB} {{ pages += $4 }} END {{ print pages + 0 }}'"


class Balance:
    """The figures of a guest in which no driver is loaded."""

    def __init__(self, guest: Simulator) -> None:
        self._before = _figures(guest)

    def assert_balanced(self, guest: Simulator) -> None:
        """Compare with the guest of now, in which again no driver is loaded."""
        tolerance, cost = ((DEBUG_TOLERANCE_MIB, DEBUG_BLOCK_COST_MIB) if guest.is_debug()
                           else (TOLERANCE_MIB, BLOCK_COST_MIB))
        deadline = time.monotonic() + PATIENCE
        while True:
            now = _read(guest)
            assert now.marked == self._before.marked, "pages stay ballooned"
            grown = now.used_mib - self._before.used_mib
            if grown < tolerance + cost * (now.blocks - self._before.blocks):
                return
            assert time.monotonic() < deadline, f"{grown} MiB more are in use than before"
            time.sleep(1)


@dataclasses.dataclass(frozen=True)
class _Figures:
    used_mib: int
    blocks: int
    marked: int | None


# Those that were read last, and after how many commands in all: while none was run since, the end
# of a case is the start of the next one.
_last: MutableMapping[Simulator, tuple[int, _Figures]] = weakref.WeakKeyDictionary()


def _figures(guest):
    """Return the figures of now."""
    commands, figures = _last.get(guest, (0, None))
    return figures if figures and commands == guest.commands() else _read(guest)


def _read(guest):
    """Return the figures of now. The marks are left out in the debug kernel, where that is slow."""
    wanted = FIGURES if guest.is_debug() else FIGURES + MARKED
    free, total, blocks, *marked = map(int, guest.run(wanted, limit=120).split())
    figures = _Figures((total - free) // MIB, blocks, marked[0] if marked else None)
    _last[guest] = guest.commands(), figures
    return figures


def marked_pages(guest: Simulator) -> int:
    """Return how many pages of boot memory are marked as ballooned.

    Hot-added memory is left out: gaps keep their mark there. Slow in the debug kernel.
    """
    return int(guest.run(MARKED, limit=120))


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
