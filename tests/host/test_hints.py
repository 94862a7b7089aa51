# SPDX-License-Identifier: GPL-2.0-only
"""Free page reporting with a hypervisor that the test plays: no host that runs here offers it."""

import pytest

from lab.memhog import Memhog
from simulator import CONTROL
from test_sysfs import figures

MIB = 256  # pages


@pytest.fixture
def hinting(guest):
    """Starts a driver on a host that takes hints, or says so; in the end it takes none."""
    def start(host):
        guest.run(f"echo {host} >{CONTROL}")
        guest.load("pressure_report_delay=3600")
        guest.offer()
        guest.host.negotiate()
        guest.wait_for("state", "running")
        return guest

    yield start
    guest.run(f"echo no-hints >{CONTROL}")


def free_some(guest):
    """Let the kernel have free memory to report: it looks a moment after large blocks came back."""
    hog = Memhog(guest, 200)
    hog.kill()


def wait_until(guest, condition):
    """Wait until a shell condition on the driver's figures holds."""
    guest.run(f"cd /sys/kernel/debug; until {condition}; do sleep 0.2; done", limit=60)


def test_free_memory_is_hinted(hinting):
    """All that is free, in ranges that are free memory; nothing that the host has already."""
    guest = hinting("hints")
    before = guest.counters()
    assert figures(guest)["page_reporting"] == 1
    ranges, _ = guest.host.inflate(100 * MIB)
    free_some(guest)
    wait_until(guest, "[ $(sed -n 's/^pages_hinted_free: //p' hv_balloon/status)"
                      f" -gt {100 * MIB} ]")
    guest.reload("pressure_report_delay=3600")
    after = guest.counters()
    assert after["wrong_hints"] == 0
    assert after["hinted"] - before["hinted"] > 100 * MIB
    guest.host.negotiate()
    guest.wait_for("state", "running")
    guest.host.deflate(ranges)


def test_host_stops_taking_hints(hinting):
    """The driver gives up after a few, says so once, and does all else."""
    guest = hinting("fail-hints")
    for _ in range(3):
        free_some(guest)
        guest.run("sleep 3")
    wait_until(guest, "grep -q '^hints_failed: 3$' hv_balloon/status")
    free_some(guest)
    guest.run("sleep 3")
    assert figures(guest)["page_reporting"] == 0
    assert guest.status()["hints_failed"] == 3
    assert guest.run("dmesg").count("takes no hints at free memory any more") == 1
    guest.host.deflate(guest.host.inflate(1000)[0])


def test_host_without_hints(running):
    """Nothing is said, and nothing is done."""
    assert figures(running)["page_reporting"] == 0
    assert running.status()["pages_hinted_free"] == 0
