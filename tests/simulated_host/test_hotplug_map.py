# SPDX-License-Identifier: GPL-2.0-only
"""The hotplug map, read by one task while another one writes them."""

import time

import pytest

from . import wire
from .keeper import own_keeper
from .memory_blocks import BLOCK, add_foreign, change, folder_of
from .ranges import inside, outside

ROUNDS = 5
DELAY = 0.5     # seconds; a block in thousands of pieces takes some to go

fixture_keeper = own_keeper()


def every_second_page(ranges):
    """Return the pages at odd places of the ranges, one by one."""
    return [(start + page, 1) for start, count in ranges for page in range(1, count, 2)]


def taken(guest):
    """Return the pages that the map has as taken."""
    program = "/^taken/ { pages += $4 } END { print pages + 0 }"
    return int(guest.run(f"awk '{program}' /sys/kernel/debug/hv_balloon/regions"))


def comes_and_goes(guest, block, last):
    """Let the block go offline and offer memory that the guest has; return what it says."""
    guest.run(f"(echo offline >{folder_of(block)}/state; echo $? >/tmp/went) 2>/dev/null &")
    time.sleep(DELAY)
    added, _ = guest.host.add(last, wire.LARGE)
    guest.run("until [ -s /tmp/went ]; do sleep 0.1; done; rm /tmp/went", limit=120)
    change(guest, block, "online_movable")
    return added


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_onlines")
def test_offer_while_the_map_changes(running, blocks):
    """An offer of memory that the guest has, while a block goes offline in many pieces.

    The driver has the last block only as one gap, above thousands of others, that move in the map
    with each piece. It must find it each time, or it takes the block for one to be added, fails,
    and forgets what the host has of it.
    """
    low = blocks.row(3)
    middle, high = low + BLOCK, low + 2 * BLOCK
    # Blocks of others are not in the map.
    for one in (low, middle, high):
        add_foreign(running, one)
        change(running, one, "online_movable")
    whole = running.total()
    ranges, _ = running.host.inflate(3 * BLOCK - 4 * wire.LARGE)
    in_low, in_middle, in_high = (inside(ranges, one) for one in (low, middle, high))
    others = ranges
    for one in (low, middle, high):
        others = [part for some in others for part in outside([some], one)]
    running.host.deflate(others + in_low + every_second_page(in_middle))
    for one in (high, middle):
        change(running, one, "offline")
        change(running, one, "online_movable")
    out = wire.total(in_high) + wire.total(in_middle) - len(every_second_page(in_middle))
    assert taken(running) == running.status()["pages_ballooned"] == out

    last = in_high[-1][0] + in_high[-1][1] - wire.LARGE
    for _ in range(ROUNDS):
        ranges, _ = running.host.inflate(wire.total(in_low))
        pieces = inside(ranges, low)
        assert wire.total(pieces) > BLOCK // 2
        running.host.deflate(list(outside(ranges, low)) + every_second_page(pieces))
        assert comes_and_goes(running, low, last) == 0
        left = every_second_page([(start - 1, count + 1) for start, count in pieces])
        assert taken(running) == running.status()["pages_ballooned"] == out + len(left)
        running.host.deflate(left)
    assert running.status()["foreign_ranges"] == 0
    left = every_second_page([(start - 1, count + 1) for start, count in in_middle])
    running.host.deflate(left + in_high)
    assert running.status()["pages_ballooned"] == taken(running) == 0
    assert running.total() == whole
