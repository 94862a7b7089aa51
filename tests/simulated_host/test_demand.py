# SPDX-License-Identifier: GPL-2.0-only
"""What the guest reports that it needs, and when."""

import contextlib
import re
import time

import pytest

from lab.guest import STATUS
from lab.memhog import Memhog
from lab.memory import MIB

from .guest_memory import available
from .keeper import agreed
from .sysfs import FILES
from .tracing import TRACING, events_folder

NOISE = 32 * MIB    # what other programs of the guest begin and end to use
MAPPED_MIB = 400
SETTLED = 60    # seconds in which reports come once a second again
LIMIT = 60      # seconds, for a report and for a demand
# The lead while a program grows, with the guest's own time.
SAMPLER = f"""
while [ ! -e /tmp/enough ]; do
    echo $(cut -d ' ' -f 1 /proc/uptime) $(sed -n 's/^pages_demand_lead: //p' {STATUS})
    sleep 0.1
done >/tmp/leads
"""


@pytest.fixture
def reporting(guest):
    """A guest that reports."""
    return agreed(guest, "pressure_report_delay=0")


def committed(guest):
    """Return what the next report says that the guest needs."""
    guest.host.reports()
    return guest.host.committed()


def wait_committed(guest, holds, limit=LIMIT):
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
        wait_committed(guest, lambda now: now < by_use + NOISE)
        guest.run(f"echo committed >{guest.parameters}/demand")
        wait_committed(guest, lambda now: now > by_charge + MAPPED_MIB * MIB - NOISE)


def test_growth_leads(reporting):
    """While a program grows the guest asks for more than it uses, and after that it does not."""
    guest = reporting
    guest.run(f"echo used >{guest.parameters}/demand")
    hog = Memhog(guest, 0, "--quick")
    piece = available(guest) // MIB // 12
    guest.run(f"rm -f /tmp/enough; cat >/tmp/sampler <<'END'\n{SAMPLER}END\n"
              "sh /tmp/sampler & until [ -s /tmp/leads ]; do sleep 0.1; done")
    for _ in range(6):
        hog.grow(piece)
        time.sleep(0.5)
    guest.run("touch /tmp/enough")
    samples = [line.split() for line in guest.run("cat /tmp/leads").splitlines()]
    seconds = float(samples[-1][0]) - float(samples[0][0])
    lead = max(int(one[1]) for one in samples)
    assert lead > 1.5 * 6 * piece * MIB / seconds
    end = time.monotonic() + 60 * guest.patience
    while guest.status()["pages_demand_lead"] > lead // 8:
        assert time.monotonic() < end
        time.sleep(1)
    hog.stop()


def busiest_second(times):
    """Return the most reports that came within a second."""
    return max(sum(start <= one < start + 1 for one in times) for start in times)


def once_a_second(times):
    """Tell whether the last four gaps are of a second or more."""
    return times[-1] - times[-5] > 3.9


@pytest.fixture
def report_times(reporting):
    """What returns when status reports were sent, in seconds of the guest."""
    event = f"{events_folder(reporting)}/balloon_status/enable"
    clock = f"{TRACING}/trace_clock"
    reporting.run(f"echo mono >{clock}; echo >{TRACING}/trace; echo 1 >{event}")
    yield lambda: [float(when) for when in re.findall(
        r" (\d+\.\d+): balloon_status:", reporting.run(f"cat {TRACING}/trace"))]
    reporting.run(f"echo 0 >{event}; echo local >{clock}")


def test_reports_come_faster_while_the_demand_rises(reporting, report_times):
    """And once a second when it has settled."""
    guest = reporting
    hog = Memhog(guest, 0, "--quick")
    for _ in range(8):
        hog.grow(available(guest) // MIB // 8)
    time.sleep(2)
    assert 3 < busiest_second(report_times()) < 15
    hog.stop()
    end = time.monotonic() + SETTLED * guest.patience
    while not once_a_second(report_times()):
        assert time.monotonic() < end
        time.sleep(1)


def test_program_asks_for_more(reporting):
    """For as long as it says, and no longer."""
    guest = reporting
    before = committed(guest)
    guest.run(f"echo {256 << 10} 3600 >{FILES}/extra_demand_kb")
    wait_committed(guest, lambda now: now > before + 256 * MIB - NOISE)
    assert guest.run(f"cat {FILES}/extra_demand_kb").strip() == str(256 << 10)
    guest.run(f"echo {256 << 10} 5 >{FILES}/extra_demand_kb")
    wait_committed(guest, lambda now: now < before + NOISE)
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
