# SPDX-License-Identifier: GPL-2.0-only
"""The guest sleeps: frozen, suspended to idle, hibernated, also in the middle of something.

VMBus suspends a driver when the guest hibernates, not when it suspends to idle. The kernel's own
test levels (pm_test) end each of both early; "core" is the last one before the memory is saved.
"""

import time

import pytest

from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .keeper import udev_stopped
from .memory_blocks import BLOCK, coming_online, folder_of
from .power import SLEEP, SWAP, fall_asleep, prepare_to_sleep, sleep
from .simulator import CONTROL
from .wire import STEP

STATUS = "/sys/kernel/debug/hv_balloon/status"
LIMIT = 120
FROZEN = 2  # seconds that the kernel's test of freezing lasts
GOES_AFTER = 2  # seconds after the freeze begins, see sim_freeze.c
RING_LIMIT = 50     # seconds; the driver waits for room for 60
TIMED_OUT = "not draining the ring"
REPORT_LIMIT = 60


def assert_slept(guest):
    """Wait until the guest is awake again."""
    assert guest.run("until test -s /tmp/slept; do sleep 0.1; done; cat /tmp/slept").strip() == "0"


@pytest.fixture
def no_udev(guest):
    """No udev, whose look at a device that is being changed would keep tasks from freezing."""
    with udev_stopped(guest):
        yield


def test_frozen_while_it_gives_memory(running):
    """The operation rests, goes on after the thaw, and gives all; the next one as well."""
    # Single pages, of which two thirds are in use: more than fits into the ring.
    first, _ = running.host.inflate(300 * MIB)
    single = [(at, 1) for start, count in first for at in range(start, start + count)]
    running.host.deflate(single[::3])
    held, sent = running.status()["pages_ballooned"], running.counters()["sent_frozen"]
    asked = 200 * MIB
    running.run(f"echo busy-until-frozen >{CONTROL}")
    running.host.send(wire.balloon(asked))
    running.run(f"until ! grep -qx 'pages_ballooned: {held}' {STATUS}; do sleep 0.1; done")
    sleep(running, "freeze", "freezer", FROZEN)
    assert running.counters()["sent_frozen"] == sent
    ranges, _ = running.host.inflated()
    assert wire.total(ranges) == asked
    ranges += running.host.inflate(10 * MIB)[0]
    assert_counts(running, 300 * MIB - len(single[::3]) + asked + 10 * MIB)
    running.host.deflate(ranges)
    running.host.deflate(single[1::3] + single[2::3])
    assert_counts(running, 0)


@pytest.mark.usefixtures("no_udev")
def test_frozen_while_it_adds_memory(running, blocks):
    """The offer is taken whole, after the thaw: a host never asks again after a short answer."""
    first, before = blocks.row(4), running.total()
    with coming_online(running, wire.hot_add(first, 4 * BLOCK)):
        sleep(running, "freeze", "freezer", FROZEN)
    assert running.host.expect(wire.HOT_ADD_RESPONSE, LIMIT).words("<II") == (4 * BLOCK, 1)
    assert running.total() == before + 4 * BLOCK


def test_asked_while_it_is_frozen(running):
    """Requests wait for the thaw, and are served then, in their order."""
    ranges, _ = running.host.inflate(64 * MIB)
    running.run(f"echo {FROZEN} >/sys/module/suspend/parameters/pm_test_delay; rm -f /tmp/slept")
    running.run(f"(sleep 1; {SLEEP.format(level='freezer', state='freeze')}; echo $? >/tmp/slept)"
                " >/dev/null 2>&1 &")
    time.sleep(2 * running.patience)
    running.host.send(wire.unballoon(ranges))
    running.host.send(wire.balloon(32 * MIB))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    _, ranges = wire.ranges_of(running.host.expect(wire.BALLOON_RESPONSE))
    assert_slept(running)
    assert_counts(running, 32 * MIB)
    running.host.deflate(ranges)
    assert_counts(running, 0)


@pytest.mark.parametrize("level", [pytest.param("freezer", marks=pytest.mark.slow), "devices",
                                   pytest.param("platform", marks=pytest.mark.slow)])
def test_suspended_to_idle(running, level):
    """The channel stays as it is, and so does what the host has."""
    ranges, _ = running.host.inflate(64 * MIB)
    before = running.counters()
    sleep(running, "freeze", level)
    after = running.counters()
    assert (after["opens"], after["suspends"]) == (before["opens"], before["suspends"])
    assert running.status()["state"] == "running"
    assert_counts(running, 64 * MIB)
    running.host.deflate(ranges)
    assert_counts(running, 0)


def hibernate_for_a_test(guest, first=lambda: None):
    """Go as far as one can without a disk; the driver is suspended and resumed.

    What comes `first` happens just before.
    """
    before = guest.counters()
    prepare_to_sleep(guest, "disk")
    first()
    seconds = fall_asleep(guest, "disk", "core")
    after = guest.counters()
    assert (after["suspends"], after["resumes"]) == (before["suspends"] + 1, before["resumes"] + 1)
    return seconds


@pytest.mark.parametrize("accounting", ["keep", pytest.param("shrink", marks=pytest.mark.slow)])
def test_resumed_with_pages_out(guest, accounting):
    """The driver agrees with the host again, reports again, and still knows what is out."""
    guest.load(f"pressure_report_delay=0 accounting={accounting}")
    guest.offer()
    guest.host.negotiate()
    ranges, _ = guest.host.inflate(100 * MIB)
    total = guest.total()
    hibernate_for_a_test(guest)
    guest.host.negotiate()
    guest.wait_for("state", "running")
    assert guest.total() == total
    guest.host.reports()
    guest.host.committed(REPORT_LIMIT)
    assert_counts(guest, 100 * MIB)
    ranges += guest.host.inflate(MIB)[0]
    guest.host.deflate(ranges)
    assert_counts(guest, 0)


@pytest.mark.usefixtures("no_udev")
def test_hibernates_while_it_negotiates(guest):
    """The kernel waits for a probe without a limit, and the probe for a host that is silent."""
    guest.load("pressure_report_delay=3600")

    def negotiating():
        guest.offer()
        guest.host.expect(wire.VERSION_REQUEST)

    hibernate_for_a_test(guest, negotiating)
    guest.host.negotiate()
    guest.wait_for("state", "running")
    guest.host.deflate(guest.host.inflate(MIB)[0])
    assert_counts(guest, 0)


@pytest.mark.usefixtures("nobody_onlines")
@pytest.mark.parametrize("when", ["freezing", "frozen"])
def test_device_goes_while_the_guest_hibernates(running, blocks, when):
    """A part of a block was never given, and it is offline: it is removed all the same,
    though the kernel locks memory hotplug until the thaw. The guest hibernates nevertheless."""
    block = next(blocks)
    assert running.host.add(block, STEP) == (STEP, 1)
    running.run(f"echo rescind-{when} >{CONTROL}")
    sleep(running, "disk", "devices", GOES_AFTER + 4)
    # The clock of an emulated guest may stand while it is frozen: the device goes when it runs.
    running.run(f"while [ -e {running.driver_folder}/dynamic-memory ]; do sleep 0.1; done")
    running.run(f"while [ -e {folder_of(block)} ]; do sleep 0.1; done")
    running.offer()
    running.host.negotiate()
    running.wait_for("state", "running")


@pytest.mark.usefixtures("no_udev")
def test_probed_while_the_system_freezes(guest):
    """The device is offered when the kernel has told all drivers of the freeze: the kernel waits
    for the probe, which waits for nothing that is frozen."""
    guest.load("pressure_report_delay=3600")
    guest.run(f"echo offer-frozen >{CONTROL}")
    sleep(guest, "freeze", "devices")
    guest.wait_for("state", "running")
    guest.host.expect(wire.VERSION_REQUEST)
    guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.host.deflate(guest.host.inflate(MIB)[0])
    assert_counts(guest, 0)


def test_hibernates_while_the_ring_is_full(running):
    """No wait for a host that does not listen; what was not reported stays the guest's."""
    timed_out = running.run("dmesg").count(TIMED_OUT)
    running.host.pause()
    for _ in range(700):
        running.host.send(wire.unballoon([]))
    running.host.send(wire.balloon(50 * MIB))
    assert hibernate_for_a_test(running) < RING_LIMIT * running.patience
    assert running.run("dmesg").count(TIMED_OUT) == timed_out
    running.host.resume()
    running.host.negotiate()
    running.wait_for("state", "running")
    assert_counts(running, 0)


def test_channel_that_does_not_open_again(running):
    """The driver is without a host until the next resume, and touches no closed channel."""
    ranges, _ = running.host.inflate(64 * MIB)
    running.run(f"echo fail-open >{CONTROL}")
    hibernate_for_a_test(running)
    assert running.has_said("cannot open the channel", lines=50)
    assert running.status()["state"] == "closed"
    hibernate_for_a_test(running)
    running.host.negotiate()
    running.wait_for("state", "running")
    running.host.deflate(ranges)
    assert_counts(running, 0)


@pytest.mark.slow
def test_unloaded_after_a_channel_that_does_not_open_again(running):
    """There is nothing left to close."""
    running.run(f"echo fail-open >{CONTROL}")
    hibernate_for_a_test(running)
    running.unload()


def switch_off_and_on_again(guest, mode):
    """Save all memory on disk, switch off; boot another system, and let it load the image."""
    guest.run(f"mkswap {SWAP}; swapon {SWAP}; echo {mode} >/sys/power/disk")
    boot = guest.run("cat /proc/sys/kernel/random/boot_id")
    guest.post("echo disk >/sys/power/state", LIMIT)
    guest.wait_off()
    guest.power_on()
    assert guest.run("cat /proc/sys/kernel/random/boot_id") != boot
    guest.connect_host()
    guest.post(f"cat /sys/class/block/$(basename {SWAP})/dev >/sys/power/resume", LIMIT)
    guest.host.negotiate(limit=LIMIT)
    assert guest.run("cat /proc/sys/kernel/random/boot_id") == boot
    guest.wait_for("state", "running")


def test_refuses_and_hibernates(hibernating):
    """A guest that can hibernate gives no pages and takes no memory, and says why once."""
    for _ in range(3):
        assert hibernating.host.inflate(1000) == ([], 1)
        assert hibernating.host.add(1 << 18, 512) == (0, 1)
    hibernating.host.deflate([(1000, 10)])
    assert hibernating.status()["balloon_pages_refused"] == 3000
    assert hibernating.status()["hot_add_pages_added"] == 0
    assert hibernating.run("dmesg").count("can hibernate") == 1

    switch_off_and_on_again(hibernating, "platform")
    assert hibernating.host.inflate(1000) == ([], 1)
    assert hibernating.status()["balloon_pages_refused"] == 4000
    assert hibernating.run("dmesg").count("can hibernate") == 1


@pytest.mark.slow
def test_hibernates_with_pages_out(keeper, request):
    """Without ACPI S4, where nothing is refused: what is out is not saved, and stays out."""
    with keeper.new() as guest:
        request.node.simulator = guest
        guest.load("pressure_report_delay=3600")
        guest.offer()
        guest.host.negotiate()
        guest.wait_for("state", "running")
        ranges, _ = guest.host.inflate(100 * MIB)
        switch_off_and_on_again(guest, "shutdown")
        assert_counts(guest, 100 * MIB)
        guest.host.deflate(ranges)
        assert_counts(guest, 0)
        assert not guest.warnings()
