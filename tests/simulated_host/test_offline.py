# SPDX-License-Identifier: GPL-2.0-only
"""Memory blocks that the administrator takes offline, also such of which the host has a part.

A block that is onlined as "movable" is for programs only: the balloon takes of it first.
"""

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .balance import assert_counts, give_back
from .guest_memory import available, spare
from .keeper import loaded_again, own_keeper
from .machine import GUEST_MIB
from .memory_blocks import BLOCK, BLOCKS_FOLDER, change, folder_of, going_offline, is_online
from .ranges import halves, inside, outside
from .wire import ALL, DONE, STEP


def assert_blocks(guest, offline):
    """The driver knows how much of what it added is offline and not the host's."""
    figures = guest.status()
    assert figures["pages_hot_added_offline"] == offline
    assert figures["pages_hot_added_online"] == figures["pages_hot_added"] - offline

fixture_keeper = own_keeper()


@pytest.fixture
def block(running, nobody_onlines, blocks):
    """A block that was added and is online, for programs only: nothing else keeps it there."""
    first = next(blocks)
    assert running.host.add(first, BLOCK) == (BLOCK, DONE)
    change(running, first, "online_movable")
    return first


def take(guest, block):
    """Let the host take so much that it has a part of the block, and return both parts."""
    ranges, _ = guest.host.inflate(available(guest) - guest.total() // 3)
    assert inside(ranges, block)
    return inside(ranges, block), list(outside(ranges, block))


def test_block_of_boot_memory(running):
    """What was not hot-added may go offline as well, if only the host has a part of it."""
    whole, added = running.total(), running.status()["pages_hot_added"]
    ranges, _ = running.host.inflate(400 * MIB)
    kept, first = [], None
    for first in range(0, GUEST_MIB * MIB, BLOCK):
        kept = inside(ranges, first)
        if kept and not running.call(f"echo offline >{folder_of(first)}/state").status:
            break
    assert not is_online(running, first)
    assert running.total() == whole - BLOCK
    change(running, first, "online")
    out = wire.total(kept)
    assert running.total() == whole - out
    assert_counts(running, 400 * MIB)

    with going_offline(running, first, "refuse-offline"):
        running.host.deflate(kept[:1])
    out -= kept[0][1]
    assert running.total() == whole - out
    change(running, first, "offline")
    change(running, first, "online")
    assert running.total() == whole - out
    assert_blocks(running, 0)
    assert running.status()["pages_hot_added"] == added

    loaded_again(running)
    assert running.status()["pages_ballooned"] == 400 * MIB - kept[0][1]
    loaded_again(running, "reclaim=1")
    assert running.status()["pages_ballooned"] == 0
    assert running.total() == whole
    assert running.status()["pages_hot_added"] == added


@pytest.mark.usefixtures("nobody_onlines")
def test_memory_for_programs_is_taken_first(running, blocks):
    """What the kernel cannot use for itself; of the other it is asked only for the rest."""
    first = next(blocks)
    second = next(blocks)
    for one in (first, second):
        assert running.host.add(one, BLOCK) == (BLOCK, DONE)
        change(running, one, "online_movable")
    ranges, _ = running.host.inflate(200 * MIB)
    assert wire.total(inside(ranges, first) + inside(ranges, second)) == 200 * MIB
    more, _ = running.host.inflate(100 * MIB)
    assert wire.total(more) == 100 * MIB
    left = 2 * BLOCK - 200 * MIB
    assert left // 2 <= wire.total(inside(more, first) + inside(more, second)) <= left
    running.host.deflate(ranges)
    running.host.deflate(more)
    assert_counts(running, 0)


@pytest.mark.usefixtures("nobody_onlines")
def test_memory_for_programs_in_pieces(running, blocks):
    """Where the kernel can spare nothing of its own, single pages of programs' memory serve."""
    first = next(blocks)
    assert running.host.add(first, BLOCK) == (BLOCK, DONE)
    change(running, first, "online_movable")
    kept, others = take(running, first)
    others += running.host.inflate(ALL)[0]
    single = [(start + page, 1) for start, count in kept for page in range(0, count, 2)]
    running.host.deflate(single)
    assert_counts(running, wire.total(kept) + wire.total(others) - len(single))
    again, _ = running.host.inflate(len(single))
    assert wire.total(again) <= len(single)
    rest = [(start + page, 1) for start, count in kept for page in range(1, count, 2)]
    give_back(running, others + rest + again)


def test_goes_offline_with_ballooned_pages(running, block):
    """The host keeps what it has; online again, the guest has all but that, then all."""
    with_block = running.total()
    kept, others = take(running, block)
    out = wire.total(kept) + wire.total(others)
    change(running, block, "offline")
    assert running.total() == with_block - BLOCK
    assert_counts(running, out)
    assert_blocks(running, BLOCK - wire.total(kept))

    first, second = halves(kept)
    running.host.deflate(first)
    out -= wire.total(first)
    assert_counts(running, out)
    assert running.total() == with_block - BLOCK
    assert_blocks(running, BLOCK - wire.total(second))

    change(running, block, "online")
    assert running.total() == with_block - wire.total(second)
    assert_blocks(running, 0)
    running.host.deflate(second)
    assert running.total() == with_block
    assert_counts(running, wire.total(others))
    running.host.deflate(others)
    assert_counts(running, 0)
    # The memory is there, and programs can use it.
    hog = Memhog(running, spare(running) - 32)
    hog.stop()


def test_goes_offline_again_and_again(running, block):
    """While the host has a part of it, which it gets once and gives back once."""
    with_block = running.total()
    kept, others = take(running, block)
    for _ in range(3):
        change(running, block, "offline")
        change(running, block, "online_movable")
        assert running.total() == with_block - wire.total(kept)
        assert_counts(running, wire.total(kept) + wire.total(others))
    running.host.deflate(kept + others)
    assert running.total() == with_block
    assert_counts(running, 0)
    change(running, block, "offline")
    assert running.total() == with_block - BLOCK
    change(running, block, "online")
    assert running.total() == with_block


@pytest.fixture
def referenced(running):
    """A reference is held to a page of a block that goes offline, before the driver is told."""
    running.run("insmod /lab/ref/sim_ref.ko")
    yield lambda name: running.run(f"cat /sys/module/sim_ref/parameters/{name}").strip()
    running.run("rmmod sim_ref")


def wait_dropped(guest):
    """Wait until the reference is given back, or is gone."""
    guest.run("cd /sys/module/sim_ref/parameters;"
              " until [ $(($(cat dropped) + $(cat lost))) = 1 ]; do sleep 0.1; done", limit=120)


@pytest.mark.parametrize("held_ms", [20, 20000])
def test_page_is_referenced_for_a_moment(running, block, referenced, held_ms):
    """By who walks through all pages: it goes when that reference is dropped, or not at all."""
    with_block = running.total()
    kept, others = take(running, block)
    running.run(f"echo {held_ms} >/sys/module/sim_ref/parameters/ms")
    went = not running.call(f"echo offline >{folder_of(block)}/state").status
    assert went == (held_ms == 20)
    wait_dropped(running)
    assert (referenced("held"), referenced("lost")) == ("1", "0")
    if not went:
        assert running.total() == with_block - wire.total(kept)
        running.run("echo 20 >/sys/module/sim_ref/parameters/ms")
        change(running, block, "offline")
    change(running, block, "online_movable")
    assert running.total() == with_block - wire.total(kept)
    running.host.deflate(kept + others)
    assert running.total() == with_block
    assert_counts(running, 0)


def test_hot_add_of_what_the_host_has(running, block):
    """It is not added a second time: the host has to return it."""
    with_block = running.total()
    kept, others = take(running, block)
    change(running, block, "offline")
    change(running, block, "online")
    assert running.host.add(block, BLOCK) == (0, 0)
    assert running.total() == with_block - wire.total(kept)
    running.host.deflate(kept + others)
    running.host.deflate(kept[:1])
    assert running.status()["foreign_ranges"] == 1
    assert running.total() == with_block
    assert_counts(running, 0)


@pytest.mark.parametrize("end", ["let-offline", "refuse-offline"])
def test_host_returns_it_while_it_goes(running, block, end):
    """No page may change under the kernel then; in the end the guest has all that came back."""
    with_block = running.total()
    kept, others = take(running, block)
    first, second = halves(kept)
    with going_offline(running, block, end):
        running.host.deflate(first)
        assert_counts(running, wire.total(second) + wire.total(others))
    assert is_online(running, block) == (end == "refuse-offline")
    if end == "let-offline":
        assert running.total() == with_block - BLOCK
        change(running, block, "online")
    assert running.total() == with_block - wire.total(second)
    assert_blocks(running, 0)
    running.host.deflate(second + others)
    assert running.total() == with_block
    assert_counts(running, 0)


def test_offline_block_goes_at_unload(running, block):
    """Else anybody could online pages that the host has. The rest of the balloon stays."""
    kept, others = take(running, block)
    change(running, block, "offline")
    loaded_again(running)
    assert running.status()["pages_ballooned"] == wire.total(others)
    running.run(f"test ! -d {folder_of(block)}")
    running.host.deflate(kept[:1])
    assert running.status()["foreign_ranges"] == 1
    give_back_to_the_next(running, others)


def give_back_to_the_next(guest, ranges):
    """Return what an earlier load gave; the map of this one has the half only."""
    guest.host.deflate(ranges)
    assert guest.status()["pages_ballooned"] == 0


@pytest.mark.parametrize("reclaim", [0, 1])
def test_reload_after_it_was_offline(running, block, reclaim):
    """The next load knows what the host has of a block that came back, and takes it if it may."""
    with_block = running.total()
    kept, others = take(running, block)
    change(running, block, "offline")
    change(running, block, "online")
    loaded_again(running, f"reclaim={reclaim}")
    out = 0 if reclaim else wire.total(kept) + wire.total(others)
    assert running.status()["pages_ballooned"] == out
    if not reclaim:
        give_back_to_the_next(running, kept + others)
    assert running.total() == with_block


def test_mode_that_hides(running, block):
    """With accounting=shrink the block's pages are out of the total before and after."""
    loaded_again(running, "accounting=shrink")
    with_block = running.total()
    kept, others = take(running, block)
    out = wire.total(kept) + wire.total(others)
    assert running.total() == with_block - out
    change(running, block, "offline")
    assert running.total() == with_block - BLOCK - wire.total(others)
    change(running, block, "online")
    assert running.total() == with_block - out
    running.host.deflate(kept + others)
    assert running.total() == with_block


# Blocks that the host gave in parts


@pytest.mark.usefixtures("nobody_onlines")
def test_block_that_came_in_steps(running, blocks):
    """It may go and come back with its gap, or filled in between, as one."""
    one, before, half = next(blocks), running.total(), BLOCK // 2
    assert running.host.add(one, half) == (half, DONE)
    change(running, one, "online_movable")
    change(running, one, "offline")
    assert running.total() == before
    assert_blocks(running, half)
    change(running, one, "online_movable")
    assert running.total() == before + half
    assert_blocks(running, 0)

    assert running.host.add(one + half, STEP) == (STEP, DONE)
    change(running, one, "offline")
    rest = half - STEP
    assert running.host.add(one + half + STEP, rest) == (rest, DONE)
    assert running.total() == before
    assert_blocks(running, BLOCK)
    change(running, one, "online")
    assert running.total() == before + BLOCK
    assert_blocks(running, 0)


@pytest.mark.usefixtures("nobody_onlines")
@pytest.mark.parametrize("end", ["let-offline", "refuse-offline"])
def test_gap_filled_while_it_goes(running, blocks, end):
    """As with what the host returns."""
    one, before, half = next(blocks), running.total(), BLOCK // 2
    assert running.host.add(one, half) == (half, DONE)
    change(running, one, "online_movable")
    with going_offline(running, one, end):
        assert running.host.add(one + half, STEP) == (STEP, DONE)
    if end == "let-offline":
        change(running, one, "online_movable")
    assert running.total() == before + half + STEP
    assert running.host.add(one + half + STEP, half - STEP) == (half - STEP, DONE)
    assert running.total() == before + BLOCK


OFFLINER = """
( while [ ! -e /tmp/enough ]; do
    for block in {blocks}; do
        echo offline >{folder}/memory$block/state
        sleep 0.1
    done
done; rm /tmp/enough ) 2>/dev/null &
"""


def test_blocks_offline_in_the_middle_of_a_hot_add(running, blocks):
    """Somebody takes each block away as soon as it is there: the hot-add goes on to its end."""
    count = 3
    first, before = blocks.row(count), running.total()
    numbers = range(first // BLOCK, first // BLOCK + count)
    running.run(OFFLINER.format(folder=BLOCKS_FOLDER, blocks=" ".join(map(str, numbers))))
    assert running.host.add(first, count * BLOCK) == (count * BLOCK, DONE)
    running.run("touch /tmp/enough; while [ -e /tmp/enough ]; do sleep 0.1; done")
    offline = sum(not is_online(running, number * BLOCK) for number in numbers)
    assert running.total() == before + (count - offline) * BLOCK
    assert_blocks(running, offline * BLOCK)
    for number in numbers:
        running.call(f"echo online >{folder_of(number * BLOCK)}/state")
    assert running.total() == before + count * BLOCK
    assert_blocks(running, 0)
