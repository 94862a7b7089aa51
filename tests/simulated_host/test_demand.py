# SPDX-License-Identifier: GPL-2.0-only
"""What the guest reports that it needs, and when."""

import contextlib
import time

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from .guest_memory import available
from .keeper import agreed
from .sysfs import FILES

NOISE = 32 * MIB    # what other programs of the guest begin and end to use
MAPPED_MIB = 400
SETTLED = 30    # seconds in which reports come once a second again


@pytest.fixture
def reporting(guest):
    """A guest that reports."""
    return agreed(guest, "pressure_report_delay=0")


def committed(guest, limit=5):
    """Return what the next report says that the guest needs."""
    guest.host.reports()
    return guest.host.committed(limit)


def wait_committed(guest, holds, limit=10):
    """Wait until a report says that the guest needs what is expected; return the seconds."""
    start = time.monotonic()
    while not holds(found := committed(guest)):
        assert time.monotonic() - start < limit * guest.patience, f"{found // MIB} MiB"
    return time.monotonic() - start


@contextlib.contextmanager
def mapping(guest):
    """A program has memory that it does not touch: the buffer for what it never reads."""
    guest.run(f"(sleep 600 & echo $! >/tmp/sleep; wait) | dd bs={MAPPED_MIB}M of=/dev/null &")
    yield
    guest.run("kill $(cat /tmp/sleep)")


def test_mapping_that_is_not_touched(reporting):
    """By the commit charge it counts as needed, by use it does not for long."""
    guest = reporting
    by_charge = committed(guest)
    guest.run(f"echo used >{guest.parameters}/demand")
    by_use = committed(guest)
    with mapping(guest):
        time.sleep(2)
        wait_committed(guest, lambda now: now < by_use + NOISE, 30)
        guest.run(f"echo committed >{guest.parameters}/demand")
        wait_committed(guest, lambda now: now > by_charge + MAPPED_MIB * MIB - NOISE)


def test_growth_leads(reporting):
    """While a program grows the guest asks for more than it uses, and after that it does not."""
    guest = reporting
    guest.run(f"echo used >{guest.parameters}/demand")
    hog = Memhog(guest, 0, "--quick")
    piece = available(guest) // MIB // 12
    for _ in range(6):
        hog.grow(piece)
        time.sleep(0.5)
    lead = guest.status()["pages_demand_lead"]
    assert lead > piece * MIB // 2
    end = time.monotonic() + 60 * guest.patience
    while guest.status()["pages_demand_lead"] > lead // 8:
        assert time.monotonic() < end
        time.sleep(1)
    hog.stop()


def busiest_second(times):
    """Return the most reports that came within a second."""
    return max(sum(start <= one < start + 1 for one in times) for start in times)


def reports_in(guest, seconds):
    """Return how many reports come within so many seconds."""
    before = len(guest.host.reported)
    time.sleep(seconds)
    return len(guest.host.reported) - before


def test_reports_come_faster_while_the_demand_rises(reporting):
    """And once a second when it has settled."""
    guest = reporting
    hog = Memhog(guest, 0, "--quick")
    for _ in range(8):
        hog.grow(available(guest) // MIB // 8)
    time.sleep(2)
    assert 3 < busiest_second(guest.host.reported) < 15
    hog.stop()
    end = time.monotonic() + SETTLED
    while reports_in(guest, 4) > 5:
        assert time.monotonic() < end


def test_program_asks_for_more(reporting):
    """For as long as it says, and no longer."""
    guest = reporting
    before = committed(guest)
    guest.run(f"echo {256 << 10} 15 >{FILES}/extra_demand_kb")
    wait_committed(guest, lambda now: now > before + 256 * MIB - NOISE, 4)
    assert guest.run(f"cat {FILES}/extra_demand_kb").strip() == str(256 << 10)
    wait_committed(guest, lambda now: now < before + NOISE, 30)
    assert guest.run(f"cat {FILES}/extra_demand_kb").strip() == "0"
    guest.run(f"echo {256 << 10} >{FILES}/extra_demand_kb")
    wait_committed(guest, lambda now: now > before + 256 * MIB - NOISE)
    guest.run(f"echo 0 >{FILES}/extra_demand_kb")
    wait_committed(guest, lambda now: now < before + NOISE)


@pytest.mark.parametrize("text", ["", "x", "-1", "1 x", "1 2 3", "1 3601", "99999999999999"])
def test_bad_request_of_a_program(reporting, text):
    """It is refused, and the log says what would be right."""
    result = reporting.call(f"echo '{text}' >{FILES}/extra_demand_kb")
    assert result.status
    assert "extra_demand_kb:" in reporting.run("dmesg | tail -n 1")
    assert reporting.run(f"cat {FILES}/extra_demand_kb").strip() == "0"


@pytest.mark.parametrize("name, text", [("demand", "all"), ("demand", ""), ("oom_wait", "61"),
                                        ("oom_wait", "-1"), ("oom_wait", "x")])
def test_bad_parameter(running, name, text):
    """It keeps its value, and the log says what would be right."""
    before = running.run(f"cat {running.parameters}/{name}")
    assert running.call(f"echo '{text}' >{running.parameters}/{name}").status
    assert f"parameter {name}:" in running.run("dmesg | tail -n 1")
    assert running.run(f"cat {running.parameters}/{name}") == before
