# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that agree late, not at all, or twice."""

import statistics
import time

import pytest

from . import wire

REPORTS = 5


def start(guest):
    """Load the driver and let the device appear."""
    guest.load("pressure_report_delay=3600")
    guest.offer()


@pytest.mark.parametrize("version", [(2, 0), (1, 0), (0, 3)], ids="{0[0]}.{0[1]}".format)
def test_agrees_at_the_version_of_the_host(guest, version):
    """Proposes the newest first and goes down."""
    start(guest)
    report = guest.host.negotiate(version)
    guest.wait_for("state", "running")
    assert guest.status()["host_version"] == "{}.{}".format(*version)
    # Balloon, hot-add, alignment of 2^7 MiB; no least count, no highest page.
    assert report.words("<QQQ") == (0x1f, 0, 2 ** 64 - 1)


def test_host_refuses_every_version(guest):
    """Says so, closes the channel, lets go of the device."""
    start(guest)
    proposals = []
    while not proposals or not proposals[-1][1]:
        proposals.append(guest.host.expect(wire.VERSION_REQUEST).words("<II"))
        guest.host.send(wire.version_response(False))
    assert proposals == [(0x20000, 0), (0x10000, 0), (3, 1)]
    guest.wait_unbound()
    assert guest.has_said("accepts none of the protocol versions")


def test_host_refuses_the_capabilities(guest):
    """Says so, closes the channel, lets go of the device."""
    start(guest)
    guest.host.expect(wire.VERSION_REQUEST)
    guest.host.send(wire.version_response(True))
    guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.host.send(wire.capabilities_response(False))
    guest.wait_unbound()
    assert guest.has_said("refuses the capabilities")


@pytest.mark.parametrize("answers", [0, 1], ids=["from the start", "after the version"])
def test_host_is_silent(guest, answers):
    """Waits, says so, closes the channel, lets go of the device."""
    start(guest)
    guest.host.expect(wire.VERSION_REQUEST)
    if answers:
        guest.host.send(wire.version_response(True))
        guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.wait_unbound()
    assert guest.has_said("did not answer")


def test_requests_before_the_agreement_are_refused(guest):
    """No answer is expected, nothing is done."""
    start(guest)
    guest.host.expect(wire.VERSION_REQUEST)
    guest.host.send(wire.balloon(1000))
    assert wire.ranges_of(guest.host.expect(wire.BALLOON_RESPONSE)) == (0, [])
    assert guest.host.add(1 << 18, 512) == (0, 0)
    guest.host.send(wire.version_response(True))
    guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.host.send(wire.capabilities_response(True))
    guest.wait_for("state", "running")
    assert guest.status()["balloon_pages_given"] == 0


def test_answers_that_nobody_asked_for(running):
    """A late or repeated answer changes nothing, not even a refusal."""
    for answer in (wire.version_response(True), wire.version_response(False),
                   wire.capabilities_response(True), wire.capabilities_response(False, True)):
        running.host.send(answer)
    running.wait_for("messages_unexpected", 4)
    assert running.status()["state"] == "running"
    ranges, _ = running.host.inflate(512)
    running.host.deflate(ranges)


def test_host_wants_no_reports(guest):
    """Then it gets none."""
    guest.load("pressure_report_delay=0")
    guest.offer()
    guest.host.negotiate(no_reports=True)
    time.sleep(3)
    assert not guest.host.reports()


def moments(guest, text):
    """Return when such messages were sent, in seconds of the guest."""
    lines = guest.run("cat /sys/kernel/debug/hv_balloon/messages").splitlines()
    return [float(line.split()[0]) for line in lines if text in line]


def test_reports_come_every_second(guest):
    """From the delay on, with figures that make sense."""
    guest.load("pressure_report_delay=2")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    agreed, = moments(guest, "in  capabilities response")
    guest.run("until [ $(grep -c 'out status report' /sys/kernel/debug/hv_balloon/messages)"
              f" -ge {REPORTS} ]; do sleep 0.2; done", limit=120)
    sent = moments(guest, "out status report")
    gaps = [after - before for before, after in zip(sent, sent[1:])]
    assert sent[0] - agreed >= 1.98
    assert min(gaps) >= 0.98 and statistics.median(gaps) <= 1.5, gaps
    available, committed, *rest = guest.host.reports()[-1].words(wire.STATUS)
    assert rest == [0, 0, 0, 0]
    assert 0 < available < guest.total()
    assert committed >= guest.status()["pages_floor"]
