# SPDX-License-Identifier: GPL-2.0-only
"""Requests for pages, and what comes back, in every grouping and from every page frame."""

import random
import time

import pytest

from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .guest_memory import available
from .keeper import agreed
from .memory_blocks import BLOCK


def test_whole_blocks_come_first_and_merged(running):
    """Memory is mostly free: few ranges, in one message, no page twice."""
    ranges, messages = running.host.inflate(200 * MIB)
    assert wire.total(ranges) == 200 * MIB and messages == 1
    assert len(ranges) <= 20
    assert sorted(ranges) == ranges
    assert all(one[0] + one[1] <= two[0] for one, two in zip(ranges, ranges[1:]))
    assert merged(ranges)
    assert_counts(running, 200 * MIB)
    running.host.deflate(ranges)
    assert_counts(running, 0)


def joined(ranges):
    """Return the ranges with those that touch made one."""
    runs = []
    for start, count in sorted(ranges):
        if runs and sum(runs[-1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + count)
        else:
            runs.append((start, count))
    return runs


def longest(ranges):
    """Return the number of pages of the longest range."""
    return max(count for _, count in ranges)


def merged(ranges):
    """Tell whether ranges that touch do so at the end of a memory block only."""
    ends = {start + count for start, count in ranges}
    return all(start % BLOCK == 0 for start, _ in ranges if start in ends)


def in_memory_blocks(ranges):
    """Tell whether no range goes over the end of a memory block."""
    return all(start // BLOCK == (start + count - 1) // BLOCK for start, count in ranges)


def test_no_range_crosses_a_memory_block(running):
    """Though there is memory in one piece on both sides; the host may return it in one, too."""
    ranges, _ = running.host.inflate(2 ** 32 - 1)
    assert in_memory_blocks(ranges)
    runs = joined(ranges)
    assert not in_memory_blocks(runs)
    running.host.deflate(runs)
    assert_counts(running, 0)


@pytest.mark.parametrize("mib", [2, 6, 64])
def test_administrator_limits_ranges(guest, mib):
    """For hosts that take no long ones: at load, and from the next operation when written."""
    agreed(guest, f"max_range_mib={mib}")
    ranges, _ = guest.host.inflate(200 * MIB)
    assert longest(joined(ranges)) > mib * MIB
    # Two ranges that would be too long together stay as they are.
    assert mib * MIB // 2 <= longest(ranges) <= mib * MIB and in_memory_blocks(ranges)
    guest.host.deflate(ranges)
    guest.run(f"echo 0 >{guest.parameters}/max_range_mib")
    ranges, _ = guest.host.inflate(200 * MIB)
    # How long they can be is the allocator's luck: none is shorter than it could be.
    assert merged(ranges) and in_memory_blocks(ranges)
    guest.host.deflate(ranges)
    assert_counts(guest, 0)


@pytest.mark.parametrize("value", ["1", "65536", "-1", "all"])
def test_limits_that_make_no_sense(running, value):
    """Less than a block, more than a range can be, no number: refused, and the log says why."""
    file = f"{running.parameters}/max_range_mib"
    assert running.call(f"echo {value} >{file}").status != 0
    assert running.run(f"cat {file}").strip() == "0"
    assert running.has_said(f'parameter max_range_mib: "{value}" is not')


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1000, 12345])
def test_just_what_was_asked_for(running, count):
    """Requests that are no whole number of blocks."""
    ranges, _ = running.host.inflate(count)
    assert wire.total(ranges) == count
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_answer_of_many_messages(running):
    """The guest has few blocks and many single pages: each message names its own ranges."""
    out, _ = running.host.inflate(wire.ALL)
    pages = [(start + page, 1) for start, count in out for page in range(count)]
    holes = pages[:640 * MIB:2]
    running.host.deflate(holes)
    again, messages = running.host.inflate(260 * MIB)
    assert messages > 2 and wire.total(again) == 260 * MIB
    running.host.deflate(again + joined(set(pages) - set(holes)))
    assert_counts(running, 0)


def test_nothing_asked_for(running):
    """A request for no pages is answered."""
    assert running.host.inflate(0) == ([], 1)


def test_more_than_the_guest_has(running):
    """The guest keeps its floor, again and again, and returns to where it was."""
    before = running.total()
    ranges, _ = running.host.inflate(2 ** 32 - 1)
    for _ in range(20):
        ranges += running.host.inflate(2 ** 32 - 1)[0]
    floor = running.status()["pages_floor"]
    running.run("udevadm settle", limit=120)
    end = time.monotonic() + 60 * running.patience
    while not floor * 0.9 < available(running) < floor * 1.2:
        assert time.monotonic() < end, f"{available(running)} pages available, floor {floor}"
        time.sleep(1)
    assert running.total() == before
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_floor_of_the_administrator(running):
    """More is left than by the guest's size, from the moment it is written; the files say why."""
    wish = 600 * MIB
    rule = "cat /sys/bus/vmbus/devices/dynamic-memory/dynamic_memory/floor_rule"
    assert running.floor() < wish and running.run(rule) == "size\n"
    running.run(f"echo {wish // MIB} >{running.parameters}/floor_mib")
    assert running.floor() == wish and running.run(rule) == "floor_mib\n"
    ranges, _ = running.host.inflate(2 ** 32 - 1)
    free = int(running.run("grep MemAvailable /proc/meminfo").split()[1]) // 4
    assert ranges and wish * 0.95 < free
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_returned_in_single_pages_and_in_any_order(running):
    """The host may split what was reported."""
    ranges, _ = running.host.inflate(8 * MIB)
    single = [(start + i, 1) for start, count in ranges for i in range(count)]
    random.Random(1).shuffle(single)
    running.host.deflate(single)
    assert_counts(running, 0)


def test_returned_across_blocks(running):
    """Ranges that begin and end in the middle of blocks."""
    ranges, _ = running.host.inflate(16 * MIB)
    pieces = [(at, min(700, start + count - at))
              for start, count in ranges for at in range(start, start + count, 700)]
    running.host.deflate(pieces)
    assert_counts(running, 0)


def foreign_ranges(ours):
    """Ranges of which at least one page was never given to the host."""
    start, count = ours
    return {
        "page frame 0": (0, 1),
        "kernel text": (0x1000000 >> 12, 512),
        "first half of memory": (0, 100 * MIB),
        "a hole": (700 * 1024 * MIB, 512),
        "the last page frame": (2 ** 40 - 1, 1),
        "as long as can be": (0, 2 ** 24 - 1),
        "partly ours, at the end": (start + count - 1, 2),
        "partly ours, at the start": (start - 1, 2),
    }


def test_pages_that_the_host_never_had(running):
    """Such a range is ignored as a whole, counted, and the host gets its answer."""
    ranges, _ = running.host.inflate(4 * MIB)
    foreign = foreign_ranges(ranges[0])
    for number, one in enumerate(foreign.values(), 1):
        running.host.deflate([one])
        assert running.status()["foreign_ranges"] == number
    assert_counts(running, 4 * MIB)
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_returned_twice(running):
    """In two messages, in one message, and overlapping: only the first counts."""
    ranges, _ = running.host.inflate(4 * MIB)
    start, count = ranges[0]
    running.host.deflate([(start, 100), (start, 100), (start + 50, 100)])
    assert running.status()["foreign_ranges"] == 2
    running.host.deflate([(start, 100)])
    assert running.status()["foreign_ranges"] == 3
    running.host.deflate([(start + 100, count - 100), *ranges[1:]])
    assert_counts(running, 0)


def test_several_messages_one_answer(running):
    """Only the last message of an operation is answered."""
    ranges, _ = running.host.inflate(4 * MIB)
    start, count = ranges[0]
    running.host.send(wire.unballoon([(start, 1)], more=True))
    assert running.host.silent()
    running.host.send(wire.unballoon([(start + 1, count - 1), *ranges[1:]]))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    assert_counts(running, 0)


def test_request_during_a_request(running):
    """The first operation ends, then the second runs: two ends, no page lost."""
    running.host.send(wire.balloon(300 * MIB))
    running.host.send(wire.balloon(10 * MIB))
    ranges, ends = [], 0
    while ends < 2:
        more, some = wire.ranges_of(running.host.expect(wire.BALLOON_RESPONSE))
        ranges += some
        ends += not more
    assert 10 * MIB <= wire.total(ranges) <= 310 * MIB
    assert_counts(running, wire.total(ranges))
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_unload_and_load_with_pages_out(running):
    """The next load counts what its predecessor left, and frees what the host returns."""
    ranges, _ = running.host.inflate(64 * MIB + 7)
    ranges.sort(key=lambda one: one[1])
    start, count = ranges.pop()
    running.host.deflate([(start + count - 3, 3)])
    running.reload("pressure_report_delay=3600")
    running.host.negotiate()
    running.wait_for("pages_ballooned", 64 * MIB + 4)
    running.host.deflate([*ranges, (start, count - 3)])
    running.wait_for("pages_ballooned", 0)
