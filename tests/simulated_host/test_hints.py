# SPDX-License-Identifier: GPL-2.0-only
"""Free page reporting with a hypervisor that the test plays: no host that runs here offers it."""

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from .keeper import agreed, cleaned
from .simulator import CONTROL
from .sysfs import figures

ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
LARGE = 9   # of what is reported unless the administrator says else
PAUSE = 30  # seconds, the first one
POISONS = ("page_poison=1", "init_on_free=1")


def start(guest, host):
    """Load the driver in a guest whose host takes hints in that way."""
    guest.run(f"dmesg -c >/dev/null; echo {host} >{CONTROL}")
    return agreed(guest)


@pytest.fixture
def hinting(guest):
    """Starts a driver on a host that takes hints, or says so; in the end it takes none."""
    if any(poison in guest.run("cat /proc/cmdline") for poison in POISONS):
        pytest.skip("the driver gives no hints in a kernel that relies on free memory")
    yield lambda host: start(guest, host)
    guest.run(f"echo no-hints >{CONTROL}; echo {LARGE} >{ORDER}")


def report_blocks_of(guest, order):
    """Have the kernel report blocks of that order too; 6.1 forgets it when a driver registers."""
    guest.run(f"echo {order} >{ORDER}")


def free_some(guest):
    """Let the kernel have free memory to report: it looks a moment after large blocks came back."""
    hog = Memhog(guest, 200)
    hog.kill()


def wait_until(guest, condition, limit=120):
    """Wait until a shell condition on the driver's figures holds."""
    guest.run(f"cd /sys/kernel/debug; until {condition}; do sleep 0.2; done", limit=limit)


def wait_hinted(guest, pages):
    """Wait until the host was given hints at so many pages."""
    wait_until(guest, "[ $(sed -n 's/^pages_hinted_free: //p' hv_balloon/status)"
                      f" -gt {pages} ]")


def let_it_give_up(guest):
    """Free memory until the driver leaves the host alone."""
    for _ in range(6):
        free_some(guest)
        guest.run("sleep 2.5")
        if not figures(guest)["page_reporting"]:
            break
    assert guest.status()["hints_failed"] == 3


def nobody_reports(guest):
    """Tell whether no driver is registered for the kernel's free page reporting."""
    return guest.call(f"echo try-reporting >{CONTROL}").status == 0


def test_free_memory_is_hinted(hinting):
    """All that is free, in ranges that are free memory; nothing that the host has already."""
    guest = hinting("hints")
    before = guest.counters()
    assert figures(guest)["page_reporting"] == 1
    ranges, _ = guest.host.inflate(100 * MIB)
    free_some(guest)
    wait_hinted(guest, 100 * MIB)
    guest.reload("pressure_report_delay=3600")
    after = guest.counters()
    assert after["wrong_hints"] == 0
    assert after["hinted"] - before["hinted"] > 100 * MIB
    guest.host.negotiate()
    guest.wait_for("state", "running")
    guest.host.deflate(ranges)


def test_small_blocks_are_hinted(hinting):
    """Where the administrator has them reported and the host takes them."""
    guest = hinting("hints")
    before = guest.counters()
    report_blocks_of(guest, 5)
    free_some(guest)
    wait_hinted(guest, 100 * MIB)
    after = guest.counters()
    assert after["small_hints"] > before["small_hints"]
    assert after["wrong_hints"] == before["wrong_hints"]


def test_host_that_refuses_small_blocks_gets_large_ones(hinting):
    """It is asked once, which is said once; what is small is left out from then on."""
    guest = hinting("refuse-small-hints")
    report_blocks_of(guest, 5)
    before = guest.counters()
    for _ in range(3):
        free_some(guest)
        guest.run("sleep 3")
    wait_hinted(guest, 100 * MIB)
    after = guest.counters()
    assert after["refused_hints"] - before["refused_hints"] == 1
    assert after["small_hints"] == before["small_hints"]
    assert guest.status()["hints_failed"] == 1
    assert figures(guest)["page_reporting"] == 1
    assert guest.run("dmesg").count("in blocks of 2 MiB only") == 1


def test_host_stops_taking_hints_and_takes_them_again(hinting):
    """The driver gives none for a pause, nor lets the kernel prepare any; says so once each way."""
    guest = hinting("fail-hints")
    let_it_give_up(guest)
    wait_until(guest, f"echo try-reporting >{CONTROL}")
    free_some(guest)
    guest.run("sleep 3")
    assert guest.status()["hints_failed"] == 3
    guest.host.deflate(guest.host.inflate(1000)[0])
    guest.run(f"echo hints >{CONTROL}")
    wait_until(guest, "grep -q 1 /sys/bus/vmbus/devices/*/dynamic_memory/page_reporting")
    free_some(guest)
    wait_hinted(guest, 100 * MIB)
    said = guest.run("dmesg")
    assert said.count("free page reporting failed (status 0xb)") == 1
    assert said.count("free page reporting works again") == 1


def test_each_pause_is_longer(hinting):
    """One failure is enough to begin the next, of which nothing is said."""
    guest = hinting("fail-hints")
    let_it_give_up(guest)
    wait_until(guest, "grep -q '^hints_failed: 4$' hv_balloon/status", limit=3 * PAUSE)
    wait_until(guest, f"echo try-reporting >{CONTROL}")
    guest.run(f"sleep {PAUSE + 10}", limit=2 * PAUSE)
    assert nobody_reports(guest) and guest.status()["hints_failed"] == 4
    wait_until(guest, "grep -q '^hints_failed: 5$' hv_balloon/status")
    assert guest.run("dmesg").count("free page reporting failed") == 1


def test_unload_in_a_pause(hinting):
    """Nothing stays registered, and no timer waits for a driver that is gone."""
    guest = hinting("fail-hints")
    let_it_give_up(guest)
    guest.unload()
    assert nobody_reports(guest)
    guest.run(f"sleep {PAUSE + 5}", limit=2 * PAUSE)
    assert nobody_reports(guest)


def test_unload_while_hints_fail(hinting):
    """At whatever moment of the report, or of the work that ends reporting."""
    guest = hinting("fail-hints")
    guest.unload()
    guest.call(f"echo rescind >{CONTROL}")
    for tenths in range(16, 28, 2):
        agreed(guest)
        guest.run(f"sleep {tenths / 10}")
        guest.unload()
        assert nobody_reports(guest)
        guest.rescind()


@pytest.mark.parametrize("poison", POISONS)
def test_no_hints_where_the_kernel_relies_on_free_memory(keeper, request, poison):
    """What the host makes of hinted pages would read as corruption, or is taken for zeroes."""
    with keeper.new(append=poison) as simulator:
        request.node.simulator = simulator
        with cleaned(simulator, request.node):
            guest = start(simulator, "discard-hints")
            free_some(guest)
            guest.run("sleep 5")
            Memhog(guest, 600).kill()
            assert "pagealloc: memory corruption" not in guest.run("dmesg")
            assert figures(guest)["page_reporting"] == 0
            assert guest.run("dmesg").count("free page reporting disabled") == 1
            assert nobody_reports(guest) and guest.counters()["hinted"] == 0


def test_host_without_hints(running):
    """Nothing is said, and nothing is done."""
    assert figures(running)["page_reporting"] == 0
    assert running.status()["pages_hinted_free"] == 0
