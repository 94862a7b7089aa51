# SPDX-License-Identifier: GPL-2.0-only
"""What a driver finds of its predecessor: each page of it once, and with little to look at.

In guests of their own: what other cases leave would be looked at as well.
"""

import pytest

from lab import HV_DYNMEM, memory
from lab.memory import MIB

from . import wire
from .keeper import OwnGuest, agreed, cleaned, loaded_again
from .memory_blocks import BLOCK, change, folder_of
from .ranges import halves, inside
from .wire import ALL, DONE, STEP

LARGE_MIB = 65536
# In a guest that has nothing to do: its memory map, and what else is in use.
LARGE_SHARE = 25    # one page of so many is looked at


@pytest.fixture(scope="module")
def own_guest(keeper):
    """A guest of its own."""
    own = OwnGuest(keeper.new)
    yield own
    own.discard()


def looked_at(guest):
    """Return how many pages the driver has looked at since it was loaded."""
    return guest.status()["pages_looked_at"]


def assert_no_walk(guest):
    """It has looked at no page; hv_dynmem at hot-added memory only, where a gap of the in-tree driver
    may be."""
    most = guest.status()["pages_hot_added_online"] if guest.module == HV_DYNMEM else 0
    assert looked_at(guest) <= most


def counted(guest):
    """Return the pages that drivers have taken and not given back, as the kernel counts."""
    figures = memory.vmstat(guest)
    return figures["balloon_inflate"] - figures["balloon_deflate"]


def pages_between(ranges, first_mib, last_mib):
    """Return how many pages of the ranges lie between two addresses."""
    first, last = first_mib * MIB, last_mib * MIB
    return sum(max(0, min(start + count, last) - max(start, first)) for start, count in ranges)


def assert_found(guest, ranges):
    """The next load finds just these pages, and gives all of them back."""
    out = wire.total(ranges)
    whole = guest.total() + guest.status()["pages_hidden"]
    loaded_again(guest)
    assert guest.status()["pages_ballooned"] == out
    assert counted(guest) == out
    guest.host.deflate(ranges)
    assert guest.status()["pages_ballooned"] == 0
    assert counted(guest) == 0
    assert guest.total() == whole


def test_first_load_looks_at_no_page(running):
    """There was no driver before."""
    assert looked_at(running) == 0


def test_what_was_returned_is_not_looked_for(running):
    """The host has had pages and gave them back, some in parts of a block."""
    first, second = halves(running.host.inflate(100 * MIB)[0])
    loaded_again(running)
    assert looked_at(running) > 0
    running.host.deflate(first)
    running.host.deflate(second)
    loaded_again(running)
    assert_no_walk(running)


@pytest.mark.usefixtures("nobody_onlines")
def test_events_are_what_the_host_has(running, blocks):
    """Also while the block is offline in which it has a part; then there is nothing to look for."""
    block = next(blocks)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    change(running, block, "online_movable")
    ranges, _ = running.host.inflate(100 * MIB)
    kept = inside(ranges, block)
    assert kept == ranges
    assert counted(running) == 100 * MIB
    change(running, block, "offline")
    assert counted(running) == 100 * MIB
    first, second = halves(kept)
    running.host.deflate(first)
    assert counted(running) == running.status()["pages_ballooned"] == wire.total(second)
    change(running, block, "online_movable")
    assert counted(running) == wire.total(second)
    assert_found(running, second)
    change(running, block, "offline")
    loaded_again(running)
    assert_no_walk(running)
    change(running, block, "online")


@pytest.mark.usefixtures("nobody_onlines")
@pytest.mark.parametrize("end", [0, 1], ids=["returned", "taken back"])
def test_taken_pages_are_counted_to_their_end(running, blocks, end):
    """What lies in a block that went offline and came back: the host returns it, or reclaim=1."""
    block = next(blocks)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    change(running, block, "online_movable")
    ranges, _ = running.host.inflate(100 * MIB)
    assert inside(ranges, block) == ranges
    change(running, block, "offline")
    change(running, block, "online")
    if end:
        loaded_again(running, "reclaim=1")
    else:
        running.host.deflate(ranges)
    assert counted(running) == running.status()["pages_ballooned"] == 0
    loaded_again(running)
    assert_no_walk(running)


@pytest.mark.usefixtures("nobody_onlines")
def test_hot_added_stays_counted(running, blocks):
    """Whole blocks, online or not, and one in part: the next load has the same figures, and knows
    that one comes online."""
    names = ("pages_hot_added", "pages_hot_added_online", "pages_hot_added_offline")
    block = blocks.row(3)
    assert running.host.add(block, 2 * BLOCK + STEP) == (2 * BLOCK + STEP, DONE)
    change(running, block, "online")
    change(running, block + 2 * BLOCK, "online")
    before = {name: running.status()[name] for name in names}
    assert before["pages_hot_added_offline"] >= BLOCK
    loaded_again(running)
    assert {name: running.status()[name] for name in names} == before
    change(running, block + BLOCK, "online")
    assert running.status()["pages_hot_added_online"] == before["pages_hot_added_online"] + BLOCK


def test_gaps_are_looked_for_where_they_can_be(running, blocks):
    """In the block that the host has given in part, not in the one that it gave whole."""
    block = blocks.row(2)
    assert running.host.add(block, BLOCK + STEP) == (BLOCK + STEP, DONE)
    loaded_again(running)
    assert 0 < looked_at(running) <= BLOCK
    gap = BLOCK - STEP
    assert f"gap {hex(block + BLOCK + STEP)} {hex(block + 2 * BLOCK)} {gap}" in running.run(
        "cat /sys/kernel/debug/hv_balloon/regions")
    assert running.host.add(block + BLOCK, BLOCK) == (gap, DONE)
    assert running.run(f"cat {folder_of(block + BLOCK)}/state").strip() == "online"


def served(simulator, node):
    """Load the driver in a guest of a case's own; a generator, for a fixture."""
    node.simulator = simulator
    with cleaned(simulator, node):
        yield agreed(simulator)


@pytest.fixture(name="overlapping")
def fixture_overlapping(keeper, request):
    """A guest of which node 0 has memory below node 1 and above it."""
    far = ("-object", "memory-backend-ram,id=far,size=256M",
           "-device", "pc-dimm,memdev=far,node=0")
    with keeper.new(nodes=(512, 512), told=0, room=256, devices=far) as simulator:
        yield from served(simulator, request.node)


def blocks_of_node(guest, node):
    """Return the numbers of the memory blocks of a node, in order."""
    names = guest.run(f"cd /sys/devices/system/node/node{node}; ls -d memory[0-9]*").split()
    return sorted(int(name.removeprefix("memory")) for name in names)


def test_overlapping_nodes(overlapping):
    """What lies between two parts of another node is found once."""
    outer, inner = (blocks_of_node(overlapping, node) for node in (0, 1))
    assert outer[0] < inner[0] and inner[-1] < outer[-1]
    ranges, _ = overlapping.host.inflate(ALL)
    assert pages_between(ranges, 512, 1024) > 10 * MIB
    assert_found(overlapping, ranges)


@pytest.fixture(name="with_device")
def fixture_with_device(keeper, request):
    """A guest in whose memory a device's pages lie, in the middle of a section."""
    with keeper.new(nodes=(1024,), told=0, drivers=("nd_e820", "nd_pmem"),
                    append="memmap=16M!528M") as simulator:
        simulator.run("modprobe nd_e820; modprobe nd_pmem;"
                      " until [ -e /sys/block/pmem0 ]; do sleep 0.1; done")
        yield from served(simulator, request.node)


def test_memory_around_a_device_of_its_own(with_device):
    """The rest of the section is memory like any other, and what the host has of it is found."""
    ranges, _ = with_device.host.inflate(ALL)
    assert pages_between(ranges, 544, 640) > 10 * MIB
    assert_found(with_device, ranges)


@pytest.fixture(name="large")
def fixture_large(keeper, request):
    """A guest with more memory than this machine may have: it touches little of it."""
    with keeper.new(nodes=(LARGE_MIB,), told=0, sparse=True,
                    append="init_on_alloc=0") as simulator:
        yield from served(simulator, request.node)


@pytest.mark.slow
def test_large_guest(large):
    """Where something is to be found, what is free is passed over in large steps."""
    assert looked_at(large) == 0
    ranges, _ = large.host.inflate(300 * MIB)
    loaded_again(large)
    print(f"{looked_at(large)} looks in {LARGE_MIB} MiB")
    assert large.status()["pages_ballooned"] == 300 * MIB
    assert looked_at(large) < LARGE_MIB * MIB // LARGE_SHARE
    large.host.deflate(ranges)
    assert large.status()["pages_ballooned"] == counted(large) == 0
