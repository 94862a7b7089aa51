# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that go, come back, or do not listen; drivers that are unbound in between."""

import time

import pytest

from lab import memory
from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .memory_blocks import BLOCK

PARAMETERS = "pressure_report_delay=3600"


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
    told = sum(wire.total(wire.ranges_of(one)[1]) for one in running.host.waiting()
               if one.type == wire.BALLOON_RESPONSE)
    running.offer()
    running.host.negotiate()
    running.wait_for("state", "running")
    assert running.status()["pages_ballooned"] >= told
    running.unload()
    running.load("pressure_report_delay=3600 reclaim=1")


def test_unbound_while_the_ring_is_full(running):
    """The driver does not wait for a host that does not listen."""
    running.host.pause()
    for _ in range(700):
        running.host.send(wire.unballoon([]))
    start = time.monotonic()
    running.unload()
    assert time.monotonic() - start < 50
    running.host.resume()
    running.host.waiting()


def test_memory_in_use_is_never_freed(running):
    """A program holds a pattern in most of the memory while the host returns all of it."""
    pages = running.total()
    hog = Memhog(running, pages // MIB * 2 // 3)
    for first in range(0, pages + 64 * MIB, 512):
        running.host.deflate([(first, 512)])
    assert running.status()["balloon_pages_returned"] == 0
    hog.stop()


def start(guest, accounting):
    """Load the driver and agree with it."""
    guest.load(f"{PARAMETERS} accounting={accounting}")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")


def reload(guest, accounting):
    """Unload the driver, load it again, agree with it."""
    guest.reload(f"{PARAMETERS} accounting={accounting}")
    guest.host.negotiate()
    guest.wait_for("state", "running")


def marked(guest):
    """Return how many pages of the guest are marked as not to be touched."""
    lines = guest.run("memlayout", 120).splitlines()
    return sum(int(line.split()[3]) for line in lines)


def assert_no_underflow(guest):
    """No figure of the kernel's memory is below zero."""
    assert not [name for name, value in memory.vmstat(guest).items() if value > 1 << 50]


@pytest.mark.parametrize("accounting", ["keep", "shrink"])
def test_parameters_can_be_read(guest, accounting):
    """As they were given."""
    guest.load(f"accounting={accounting} demand=used oom_wait=7 floor_mib=99 max_range_mib=6")
    seen = guest.run(f"cd {guest.parameters} && cat accounting demand oom_wait floor_mib"
                     " max_range_mib")
    assert seen.split() == [accounting, "used", "7", "99", "6"]


@pytest.mark.parametrize("before, after", [("keep", "shrink"), ("shrink", "keep"),
                                           ("shrink", "shrink")])
def test_reload_in_an_accounting_mode(guest, before, after):
    """Each page leaves the balloon in the mode in which it came; the log says how many wait."""
    total, gaps = guest.total(), marked(guest)
    hidden = {"keep": 0, "shrink": 1}
    start(guest, before)
    first, _ = guest.host.inflate(100 * MIB + 3)
    guest.run("dmesg -c >/dev/null")
    reload(guest, after)
    assert marked(guest) - gaps == 100 * MIB + 3
    log = guest.run("dmesg")
    assert log.count("100 MiB are still ballooned and stay out of use") == 1
    assert log.count(f"left {100 * MIB + 3} pages (100 MiB) ballooned") == 1
    assert guest.status()["pages_hidden"] == hidden[before] * (100 * MIB + 3)

    second, _ = guest.host.inflate(50 * MIB)
    assert_no_underflow(guest)
    assert guest.total() == total - (hidden[before] * (100 * MIB + 3) + hidden[after] * 50 * MIB)
    guest.host.deflate(first)
    assert guest.total() == total - hidden[after] * 50 * MIB
    assert guest.status()["pages_ballooned"] == 50 * MIB
    guest.host.deflate(second)
    assert guest.total() == total
    assert marked(guest) == gaps
    status = guest.status()
    assert (status["pages_ballooned"], status["pages_hidden"]) == (0, 0)
    assert status["balloon_pages_returned"] == 150 * MIB + 3
    assert_no_underflow(guest)


def test_reclaim_in_the_other_accounting_mode(guest):
    """What left the guest's total comes back into it."""
    total = guest.total()
    start(guest, "shrink")
    guest.host.inflate(100 * MIB)
    reload(guest, "keep reclaim=1")
    assert guest.has_said("reclaimed (reclaim=1)")
    assert guest.total() == total
    assert_counts(guest, 0)


@pytest.mark.parametrize("accounting", ["keep", "shrink"])
def test_unbind_and_bind(guest, accounting):
    """The same without another load: the device is found with all that is out."""
    total = guest.total()
    start(guest, accounting)
    ranges, _ = guest.host.inflate(64 * MIB)
    for _ in range(3):
        guest.run(f"echo dynamic-memory >{guest.driver_folder}/unbind")
        assert not guest.bound()
        guest.run(f"(echo dynamic-memory >{guest.driver_folder}/bind) >/dev/null 2>&1 &")
        guest.host.negotiate()
        guest.wait_for("pages_ballooned", 64 * MIB)
    guest.host.deflate(ranges)
    assert guest.status()["pages_ballooned"] == 0
    assert guest.total() == total
    assert_no_underflow(guest)


def test_gaps_in_two_blocks_and_two_reloads(running, blocks):
    """Gaps keep their mark until they are filled, however often the driver changes."""
    total, gaps = running.total(), marked(running)
    first = blocks.row(2)
    second = first + BLOCK
    step, most = 512, BLOCK - 512
    assert running.host.add(first + most, 2 * step) == (2 * step, 1)
    for _ in range(2):
        reload(running, "keep")
        assert marked(running) == gaps + 2 * most
        assert running.total() == total + 2 * step
    # What is there is not added twice.
    assert running.host.add(first + most, 2 * step) == (0, 0)
    assert running.host.add(second, BLOCK) == (most, 1)
    reload(running, "keep")
    assert running.host.add(first, most) == (most, 1)
    assert running.total() == total + 2 * BLOCK
    assert marked(running) == gaps


@pytest.mark.usefixtures("nobody_onlines")
def test_offline_blocks_over_a_reload(running, blocks):
    """The partial one goes and can be added again; the whole one stays and can be onlined."""
    total = running.total()
    partial = blocks.row(2)
    whole = partial + BLOCK
    block, step = BLOCK, 512
    assert running.host.add(partial + step, step) == (step, 1)
    assert running.host.add(whole, block) == (block, 1)
    reload(running, "keep")
    states = "/sys/devices/system/memory/memory{}/state"
    assert running.call(f"test -e {states.format(partial // block)}").status == 1
    running.run(f"echo online >{states.format(whole // block)}")
    assert running.total() == total + block
    assert running.host.add(partial, 3 * step) == (3 * step, 1)
    running.run(f"echo online >{states.format(partial // block)}")
    assert running.total() == total + block + 3 * step
