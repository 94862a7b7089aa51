# SPDX-License-Identifier: GPL-2.0-only
"""Memory in which every second page is in use: blocks of 2 MiB have to be made.

Whether the kernel's compaction makes them is a matter of luck: it looks at each 32nd page, and
in such memory all of these may be in use, or none. The driver must not depend on it.
"""

import contextlib
import time

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .books import assert_books
from .guest_memory import available, pages_in_blocks, spare
from .keeper import agreed, cleaned

LEFT_MIB = 80   # what the program leaves before it gives every second page back
GUEST_MIB = 3072
LARGE_ORDER = 9
KEPT = 8        # one block is left free for so many that the host has
IN_LISTS = 2    # blocks that are free, but in the list of a processor
PATIENCE = 20   # seconds

pytestmark = pytest.mark.usefixtures("no_program_is_killed")


@contextlib.contextmanager
def every_second_page(guest):
    """Let a program have every second page; none of them may move to its harm."""
    program = Memhog(guest, available(guest) // MIB - LEFT_MIB, "--small-pages --quick")
    program.thin()
    yield
    program.stop()


@pytest.fixture
def hog(running):
    """A program has every second page."""
    with every_second_page(running):
        yield


@pytest.mark.usefixtures("hog")
@pytest.mark.parametrize("attempt", range(3))
def test_every_second_page_in_use(running, attempt):
    """The host gets whole blocks, named in one message, and returns them as such."""
    wanted = spare(running) * 2 // 3 * MIB
    ranges, messages = running.host.inflate(wanted)
    assert (wire.total(ranges), messages) == (wanted, 1)
    assert wire.in_large_blocks(ranges) > 0.9 * wanted
    assert len(ranges) < wanted // wire.LARGE
    assert_books(running, wanted)
    running.host.deflate(ranges)
    assert_books(running, 0)


@pytest.fixture
def larger(keeper, request):
    """A guest of its own whose zone for DMA is kept for that, and whose kernel makes no large
    blocks in the background."""
    with keeper.new(nodes=(GUEST_MIB,), told=0) as simulator:
        request.node.simulator = simulator
        simulator.run("echo 0 >/proc/sys/vm/compaction_proactiveness")
        with cleaned(simulator, request.node):
            yield agreed(simulator)


def test_guest_keeps_large_blocks(larger):
    """What is left to the guest is not all in single pages."""
    with every_second_page(larger):
        wanted = spare(larger) * 2 // 3 * MIB
        halves = [larger.host.inflate(wanted // 2)[0] for _ in range(2)]
        least = (wanted // wire.LARGE // KEPT - IN_LISTS) * wire.LARGE
        deadline = time.monotonic() + PATIENCE * larger.patience
        while (kept := pages_in_blocks(larger, LARGE_ORDER, besides=["DMA"])) < least:
            assert time.monotonic() < deadline, f"{kept // MIB} MiB, not {least // MIB}"
            time.sleep(0.2)
        for ranges in halves:
            larger.host.deflate(ranges)
        assert_books(larger, 0)
