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
from .balance import assert_counts
from .guest_memory import available, pages_in_blocks, spare
from .keeper import agreed, cleaned
from .memory_blocks import BLOCK, change, folder_of, going_offline
from .tracing import calls_counted

LEFT_MIB = 80   # what the program leaves before it gives every second page back
GUEST_MIB = 3072
LARGE_ORDER = 9
KEPT = 8        # one block is left free for so many that the host has
IN_LISTS = 2    # blocks that are free, but in the list of a processor
PATIENCE = 120  # seconds
TRIES = 3
PAUSE = 11      # seconds after which the driver tries anew to make blocks
FEW_MIB = 400   # of a program that keeps one page of EACH
EACH = 3
NEAR_MIB = 8    # what the host leaves of what can be spared
FLOOR_MIB = 32  # far less than what that program gives back
SCALE = "/proc/sys/vm/watermark_scale_factor"
HIGHEST_SCALE = 3000    # the low watermark is 30 % of all memory
# What empties a range of memory, by its name in one kernel or another.
RANGE_FUNCTIONS = ("alloc_contig_range_noprof", "alloc_contig_range")

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
    """The host gets whole blocks, named in one message, and returns them as such: but where a busy
    machine makes the guest so slow that the driver cannot wait for them."""
    for _ in range(TRIES):
        wanted = spare(running) * 2 // 3 * MIB
        ranges, messages = running.host.inflate(wanted)
        assert_counts(running, wire.total(ranges))
        running.host.deflate(ranges)
        assert_counts(running, 0)
        in_blocks = wire.in_large_blocks(ranges)
        if ((wire.total(ranges), messages) == (wanted, 1) and in_blocks > 0.9 * wanted
                and len(ranges) < wanted // wire.LARGE):
            return
        running.run(f"sleep {PAUSE}")
    pytest.fail(f"{wire.total(ranges)} of {wanted} pages in {messages} messages,"
                f" {in_blocks} in large blocks, {len(ranges)} ranges")


def pageblocks(guest, kind):
    """Return how many pageblocks are of a kind."""
    kinds = guest.run("grep -A99 '^Number of blocks' /proc/pagetypeinfo").splitlines()
    # The first line reads: Number of blocks type KIND KIND ...; the others: Node N, zone ZONE N N.
    column = kinds[0].split()[4:].index(kind) + 4
    return sum(int(line.split()[column]) for line in kinds[1:])


@pytest.mark.usefixtures("nobody_onlines")
def test_isolated_memory_is_not_evacuated(running, blocks):
    """A memory block is about to go offline, and the driver does not know it yet: the kernel would
    end the isolation of what cannot be evacuated, and never be done with the block."""
    stays = blocks.row(2)
    goes = stays + BLOCK
    assert running.host.add(stays, 2 * BLOCK) == (2 * BLOCK, wire.DONE)
    change(running, stays, "online_movable")
    change(running, goes, "online_movable")
    with every_second_page(running):
        with going_offline(running, goes, "let-isolated"):
            before = running.status()["blocks_cleared"]
            ranges, _ = running.host.inflate(spare(running) * 3 // 4 * MIB)
            assert running.status()["blocks_cleared"] > before
            assert pageblocks(running, "Isolate") == BLOCK // wire.LARGE
            running.host.deflate(ranges)
        assert running.run(f"cat {folder_of(goes)}/state").strip() == "offline"
    assert_counts(running, 0)
    # Later cases fill the memory with what does not go into ZONE_MOVABLE.
    change(running, stays, "offline")
    for block in (stays, goes):
        change(running, block, "online")


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
        assert_counts(larger, 0)



# Chunks that are no candidates


@pytest.fixture
def sparse(keeper, request):
    """A guest of its own in which a program has one page of eight in a part of memory, and none has a
    page of the rest. Some of these chunks are of the kind that a module of the lab makes, whose name
    is the parameter."""
    module, kind = f"sim_{request.param}", request.param
    with keeper.new() as simulator:
        request.node.simulator = simulator
        simulator.run("echo 0 >/proc/sys/vm/compaction_proactiveness")
        with cleaned(simulator, request.node):
            guest = agreed(simulator, f"floor_mib={FLOOR_MIB}")
            few = Memhog(guest, FEW_MIB, f"--small-pages --quick --each={EACH}", "few")
            rest = Memhog(guest, available(guest) // MIB - LEFT_MIB, "--small-pages --quick")
            few.thin()
            usual = guest.run(f"cat {SCALE}; echo {HIGHEST_SCALE} >{SCALE}").strip()
            guest.run(f"insmod /lab/{kind}/{module}.ko; echo {usual} >{SCALE}")
            rest.kill()
            yield guest
            guest.run(f"rmmod {module}")
            few.stop()


def pageblocks_for_atomic(guest):
    """Return how many pageblocks are of that kind, and for how many the zones account."""
    return (pageblocks(guest, "HighAtomic"),
            int(guest.run("cat /sys/module/sim_atomic/parameters/reserved")))


def nearly_all(guest):
    """Return nearly all pages that the guest can spare."""
    return (spare(guest) - NEAR_MIB) * MIB


@pytest.mark.parametrize("sparse", ["atomic"], indirect=True)
def test_pageblocks_for_atomic_allocations_stay(sparse):
    """Moving pages out of one would make it an ordinary one, which the zone counts as reserved for
    ever."""
    there, counted = pageblocks_for_atomic(sparse)
    assert there == counted > 0
    ranges, _ = sparse.host.inflate(nearly_all(sparse))
    evacuated = sparse.status()["blocks_cleared"]
    print(f"{wire.total(ranges) // MIB} MiB out, {evacuated} chunks evacuated, {there} pageblocks for"
          f" atomic allocations before, {pageblocks_for_atomic(sparse)} after")
    assert evacuated > FEW_MIB // 8
    sparse.host.deflate(ranges)
    there, counted = pageblocks_for_atomic(sparse)
    assert there == counted
    assert_counts(sparse, 0)


@pytest.mark.parametrize("sparse", ["slab"], indirect=True)
def test_slab_pages_without_a_reference_stay(sparse):
    """Newer kernels have these; nothing is moved from a chunk that has one, as it would not become
    free by that."""
    chunks = int(sparse.run("cat /sys/module/sim_slab/parameters/pages"))
    assert chunks > FEW_MIB // 4
    with calls_counted(sparse, *RANGE_FUNCTIONS) as calls:
        ranges, _ = sparse.host.inflate(nearly_all(sparse))
        tried = calls()
    evacuated = sparse.status()["blocks_cleared"]
    print(f"{chunks} chunks with such a page, {tried} tried, of these {evacuated} evacuated")
    # Some chunks have no such page; what is evacuated for the guest itself is not counted.
    assert tried - evacuated < chunks // 4
    sparse.host.deflate(ranges)
    assert_counts(sparse, 0)
