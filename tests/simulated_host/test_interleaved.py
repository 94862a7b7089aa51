# SPDX-License-Identifier: GPL-2.0-only
"""Requests that come while others run, rings that are full, hosts that go at every step."""

import time

import pytest

from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .keeper import agreed
from .memory_blocks import BLOCK
from .sysfs import FILES
from .wire import STEP


def answers(host, ends):
    """Collect answers until so many of each type have ended; return ranges and hot-added pages.

    `ends` maps a type of answer to the number of operations that end with it.
    """
    ranges, added, left = [], 0, dict(ends)
    while any(left.values()):
        found = host.receive(120)
        more = 0
        if found.type == wire.BALLOON_RESPONSE:
            more, some = wire.ranges_of(found)
            ranges += some
        elif found.type == wire.HOT_ADD_RESPONSE:
            added += found.words("<II")[0]
        left[found.type] -= not more
        assert left[found.type] >= 0, f"an answer of type {found.type} without a request"
    return ranges, added


def test_deflate_during_inflate(running):
    """The host has changed its mind: the inflate ends with what it has, and all is answered."""
    ranges, _ = running.host.inflate(64 * MIB)
    running.host.send(wire.balloon(300 * MIB))
    running.host.send(wire.unballoon(ranges))
    goes_on, more = 1, []
    while goes_on:  # the inflate has its end before the deflate begins
        goes_on, some = wire.ranges_of(running.host.expect(wire.BALLOON_RESPONSE, 120))
        more += some
    running.host.expect(wire.UNBALLOON_RESPONSE, 120)
    assert wire.total(more) <= 300 * MIB
    assert_counts(running, wire.total(more))
    running.host.deflate(more)
    assert_counts(running, 0)


def test_deflate_of_what_an_inflate_has_just_given(running):
    """The host may give back the first part of an operation before its end."""
    running.host.send(wire.balloon(300 * MIB))
    goes_on, first = wire.ranges_of(running.host.expect(wire.BALLOON_RESPONSE))
    running.host.send(wire.unballoon(first))
    more, _ = answers(running.host, {wire.BALLOON_RESPONSE: goes_on, wire.UNBALLOON_RESPONSE: 1})
    assert_counts(running, wire.total(more))
    running.host.deflate(more)
    assert_counts(running, 0)


def test_hot_add_during_inflate_and_deflate(running, blocks):
    """Each gets its answer, the first offer perhaps a short one; the counts of each hold."""
    block, before = next(blocks), running.total()
    ranges, _ = running.host.inflate(32 * MIB)
    running.host.send(wire.balloon(200 * MIB))
    running.host.send(wire.hot_add(block, 8 * STEP, (block, 64 * MIB)))
    running.host.send(wire.unballoon(ranges))
    running.host.send(wire.hot_add(block + 16 * STEP, 4 * STEP, (block, 64 * MIB)))
    more, added = answers(running.host, {wire.BALLOON_RESPONSE: 1, wire.UNBALLOON_RESPONSE: 1,
                                         wire.HOT_ADD_RESPONSE: 2})
    assert wire.total(more) <= 200 * MIB and added in (4 * STEP, 12 * STEP)
    assert running.total() == before + added
    running.host.deflate(more)
    assert_counts(running, 0)


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_ring_full_in_mid_answer(running, seconds):
    """The host does not read for a while: the driver waits, loses nothing, and goes on."""
    ranges, _ = running.host.inflate(2000)
    single = [(start + i, 1) for start, count in ranges for i in range(count)]
    running.host.deflate(single[::2])
    running.host.pause()
    # Each is answered with a message of its own: the ring of 16 KiB holds some 500.
    for _ in range(700):
        running.host.send(wire.unballoon([]))
    time.sleep(seconds)
    running.host.resume()
    for _ in range(700):
        running.host.expect(wire.UNBALLOON_RESPONSE)
    running.host.deflate(single[1::2])
    assert_counts(running, 0)
    assert running.status()["send_failures"] == 0


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_ring_full_while_memory_is_taken(running, seconds):
    """Answers with ranges wait as well; no page is given that the host was not told of."""
    # Every second page of most memory is free: the answers are long.
    ranges, _ = running.host.inflate(360 * MIB)
    assert wire.total(ranges) == 360 * MIB
    single = [(at, 1) for start, count in ranges for at in range(start, start + count)]
    running.host.deflate(single[::2])
    running.host.pause()
    running.host.send(wire.balloon(250 * MIB))
    time.sleep(seconds)
    running.host.resume()
    more, _ = answers(running.host, {wire.BALLOON_RESPONSE: 1})
    assert_counts(running, 180 * MIB + wire.total(more))
    running.host.deflate(single[1::2])
    running.host.deflate(more)
    assert_counts(running, 0)


@pytest.mark.slow
def test_host_that_reads_nothing(running):
    """After a minute the driver gives up the answer, and says so; the next ones come."""
    running.host.pause()
    for _ in range(700):
        running.host.send(wire.unballoon([]))
    running.host.send(wire.balloon(10 * MIB))
    running.wait_for("send_failures", 1, 90)
    assert running.has_said("the host is not draining the ring", lines=40)
    running.host.resume()
    while (message := running.host.receive()).type != wire.BALLOON_RESPONSE:
        assert message.type == wire.UNBALLOON_RESPONSE
    _, ranges = wire.ranges_of(message)
    assert wire.total(ranges) == 10 * MIB
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_numbers_rise_while_an_answer_waits(guest):
    """A long answer finds no room, and status reports overtake it: numbers rise all the same."""
    agreed(guest, "max_range_mib=2")
    guest.host.pause()
    # The ring of 16 KiB has 1 KiB left then, and the answer to come has 1.2 KiB.
    for _ in range(480):
        guest.host.send(wire.unballoon([]))
    guest.host.send(wire.balloon(300 * MIB))
    guest.wait_for("pages_ballooned", 300 * MIB)
    # The first report comes at once then.
    guest.run(f"echo 0 >{FILES}/extra_demand_kb;"
              f" until [ $(cat {FILES}/status_reports) -ge 3 ]; do sleep 0.2; done", limit=120)
    before = len(guest.host.reported)
    guest.host.resume()
    for _ in range(480):
        guest.host.expect(wire.UNBALLOON_RESPONSE)
    ranges, _ = answers(guest.host, {wire.BALLOON_RESPONSE: 1})
    assert len(guest.host.reported) > before + 2, "no status report has overtaken the answer"
    assert not guest.host.disorder
    guest.host.deflate(ranges)
    assert_counts(guest, 0)


@pytest.mark.usefixtures("nobody_onlines")
def test_rejected_offer_during_an_offer(running, blocks):
    """The first answer is that of the first offer: a host takes answers in their order."""
    first = blocks.row(2)
    # Blocks of earlier cases may be offline, and are the driver's again.
    before = running.status()["pages_hot_added_offline"]
    running.host.send(wire.hot_add(first, 2 * BLOCK))
    # It waits for that to be onlined; a slow machine may see both blocks at once.
    while running.status()["pages_hot_added_offline"] < before + BLOCK:
        time.sleep(0.1)
    running.host.send(wire.message(wire.HOT_ADD_REQUEST, wire.pages(first, 1), size=12))
    added, done = running.host.expect(wire.HOT_ADD_RESPONSE).words("<II")
    assert (added % BLOCK, done) == (0, 1) and added
    assert running.host.expect(wire.HOT_ADD_RESPONSE).words("<II") == (0, 0)
    assert running.status()["pages_hot_added_offline"] == before + added


def test_reports_while_the_ring_is_full(guest):
    """A long answer waits for room, in which reports still fit: numbers rise all the same."""
    agreed(guest)
    guest.run(f"echo 0 >{guest.parameters}/pressure_report_delay")
    guest.rescind()
    guest.offer()
    guest.host.negotiate()
    ranges, _ = guest.host.inflate(360 * MIB)
    single = [(at, 1) for start, count in ranges for at in range(start, start + count)]
    guest.host.deflate(single[::2])
    guest.host.reports()
    guest.host.pause()
    guest.host.send(wire.balloon(150 * MIB))
    time.sleep(4)
    guest.host.resume()
    more, _ = answers(guest.host, {wire.BALLOON_RESPONSE: 1})
    assert guest.host.disorder == []
    guest.host.deflate(single[1::2])
    guest.host.deflate(more)
    assert_counts(guest, 0)


REQUESTS = {
    "balloon": lambda block: [wire.balloon(300 * MIB)],
    "unballoon": lambda block: [wire.unballoon([(i, 1) for i in range(510)])] * 8,
    "hot-add": lambda block: [wire.hot_add(block, 4 * STEP), wire.hot_add(block + 9 * STEP, STEP)],
    "everything": lambda block: [wire.balloon(100 * MIB), wire.hot_add(block, STEP),
                                 wire.unballoon([(5, 1)]), wire.info_max_pages(1 << 20)],
}


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("delay", [0, 0.05, 0.5], ids="{} s later".format)
def test_host_goes_in_the_middle(running, blocks, requests, delay):
    """The device vanishes while requests are served, and is offered again: all goes on."""
    block = next(blocks)
    for message in requests(block):
        running.host.send(message)
    time.sleep(delay)
    running.rescind()
    running.host.waiting()
    running.offer()
    running.host.negotiate()
    running.wait_for("state", "running")
    left = running.status()["pages_ballooned"]
    ranges, _ = running.host.inflate(1000)
    assert wire.total(ranges) == 1000
    running.host.deflate(ranges)
    assert running.status()["pages_ballooned"] == left
    running.reload("pressure_report_delay=3600 reclaim=1")
    running.host.negotiate()
    running.wait_for("pages_ballooned", 0)
