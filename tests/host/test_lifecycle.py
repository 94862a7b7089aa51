# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that go, come back, or do not listen; drivers that are unbound meanwhile."""

import time

import simulator  # noqa: F401  (makes the lab known)
import wire
from lab.memhog import Memhog

MIB = 256  # pages


def test_host_goes_in_every_state(guest):
    """The device vanishes while the driver waits for an answer, and comes back."""
    guest.load("pressure_report_delay=3600")
    for answers in range(3):
        guest.offer()
        guest.host.expect(wire.VERSION_REQUEST)
        if answers > 0:
            guest.host.send(wire.version_response(True))
            guest.host.expect(wire.CAPABILITIES_REPORT)
        if answers > 1:
            guest.host.send(wire.capabilities_response(True))
            guest.wait_for("state", "running")
        guest.rescind()
    counters = guest.counters()
    assert counters["opens"] == counters["closes"]


def test_host_goes_while_it_takes_memory(running):
    """What it was told of stays out, all else is the guest's again, and the next load knows."""
    running.host.send(wire.balloon(400 * MIB))
    time.sleep(0.3)
    running.rescind()
    time.sleep(0.5)
    told = sum(wire.total(wire.ranges_of(one)[1]) for one in waiting(running.host)
               if one.type == wire.BALLOON_RESPONSE)
    running.offer()
    running.host.negotiate()
    running.wait_for("state", "running")
    assert running.status()["pages_ballooned"] >= told
    running.unload()
    running.load("pressure_report_delay=3600 reclaim=1")


def waiting(host):
    """Return all messages that have arrived."""
    found = []
    while not host._messages.empty():  # pylint: disable=protected-access
        found.append(host._messages.get())  # pylint: disable=protected-access
    return found


def test_unbound_while_the_ring_is_full(running):
    """The driver does not wait for a host that does not listen."""
    running.host.pause()
    for _ in range(700):
        running.host.send(wire.unballoon([]))
    start = time.monotonic()
    running.unload()
    assert time.monotonic() - start < 10
    running.host.resume()
    waiting(running.host)


def test_memory_in_use_is_never_freed(running):
    """A program holds a pattern in most of the memory while the host returns all of it."""
    pages = running.total()
    hog = Memhog(running, pages // MIB * 2 // 3)
    for first in range(0, pages + 64 * MIB, 512):
        running.host.deflate([(first, 512)])
    assert running.status()["balloon_pages_returned"] == 0
    hog.stop()
