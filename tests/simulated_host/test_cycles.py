# SPDX-License-Identifier: GPL-2.0-only
"""Long runs: the balloon goes up and down again and again while processors come and go."""

import contextlib
import random
import time

import pytest

from lab.memory import MIB, free_pages

from . import wire
from .balance import assert_counts

LARGEST = 32 * MIB
TOLERANCE = 8 * MIB


@contextlib.contextmanager
def processors_come_and_go(guest):
    """Take the second processor away and bring it back, for as long as the block runs."""
    online = "/sys/devices/system/cpu/cpu1/online"
    guest.run("rm -f /tmp/hotplug*; touch /tmp/hotplug; (while test -e /tmp/hotplug; do"
              f" echo 0 >{online}; sleep 0.2; echo 1 >{online}; sleep 0.2; echo >>/tmp/hotplugs;"
              " done; touch /tmp/hotplug.end) 2>/tmp/hotplug.err &")
    yield
    guest.run("rm /tmp/hotplug; until test -e /tmp/hotplug.end; do sleep 0.1; done")
    assert int(guest.run("wc -l </tmp/hotplugs")) > 0
    assert guest.run(f"cat /tmp/hotplug.err {online}") == "1\n"


def returned(generator, ranges):
    """Return the ranges as a host may give them back: some in two pieces, in any order."""
    pieces = []
    for start, count in ranges:
        cut = generator.randrange(count)
        pieces += [(start, cut), (start + cut, count - cut)] if cut else [(start, count)]
    generator.shuffle(pieces)
    return pieces


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_up_and_down(running, cycles):
    """No page is lost, whatever its processor does at the same time."""
    generator = random.Random(cycles)
    running.host.deflate(running.host.inflate(LARGEST)[0])
    free, total = free_pages(running), running.total()
    with processors_come_and_go(running):
        for number in range(cycles):
            asked = generator.randrange(1, LARGEST)
            ranges, _ = running.host.inflate(asked)
            assert wire.total(ranges) == asked
            running.host.deflate(returned(generator, ranges))
            if number % 10 == 0:
                assert_counts(running, 0)
    assert_counts(running, 0)
    assert running.status()["balloon_requests"] == cycles + 1
    assert running.total() == total
    # Helpers of udev may still run.
    running.run("udevadm settle", limit=120)
    end = time.monotonic() + 60 * running.patience
    while free - free_pages(running) >= TOLERANCE:
        assert time.monotonic() < end, "less is free than before"
        time.sleep(1)
