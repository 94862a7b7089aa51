# SPDX-License-Identifier: GPL-2.0-only
"""The command hvballoon in a guest: what it says agrees with the host; faults as they happen."""

import json
import time

import pytest

from lab.memory import KIB, MIB

from . import wire
from .in_tree import InTreeSimulator
from .memory_blocks import BLOCK
from .simulator import OURS


@pytest.fixture(autouse=True)
def ours_only(request):
    """The command is for this project's driver; it is tried on the other one below."""
    if request.config.getoption("--driver") != OURS:
        pytest.skip("needs this project's driver")


def ask(guest, command):
    """Return what the command says for programs."""
    return json.loads(guest.call(f"hvballoon {command} --json").output)


def problems(guest):
    """Return the names of the problems that the doctor finds; status must list the same."""
    names = [one["name"] for one in ask(guest, "doctor")["problems"]]
    assert ask(guest, "status")["problems"] == names
    assert guest.call("hvballoon doctor").status == bool(names)
    return names


class Watch:
    """The command, watching in the guest."""

    def __init__(self, guest):
        self._guest = guest
        guest.run("hvballoon watch --json --interval 1 >/tmp/watch 2>/tmp/watch.err &"
                  " echo $! >/tmp/watch.pid")

    def wait(self, limit=30, **figures):
        """Wait for a line with just these figures; return it."""
        deadline = time.monotonic() + limit * self._guest.patience
        while True:
            last = self._guest.run("tail -n 1 /tmp/watch").strip()
            seen = json.loads(last) if last.endswith("}") else {}
            if all(seen.get(name) == value for name, value in figures.items()):
                return seen
            assert time.monotonic() < deadline, f"{figures} not in: {last}"
            time.sleep(0.2)

    def end(self):
        """End it; it must have printed nothing but its lines."""
        self._guest.run("pid=$(cat /tmp/watch.pid); kill -TERM $pid;"
                        " until [ ! -d /proc/$pid ]; do sleep 0.1; done")
        assert self._guest.run("cat /tmp/watch.err") == ""
        lines = [json.loads(line) for line in self._guest.run("cat /tmp/watch").splitlines()]
        for line in lines:
            # A block is offline for a moment, before the kernel onlines it.
            assert line["problems"] == [] or (line["offline_kb"] > 0 and
                                              line["problems"] == ["blocks-offline"])
        assert lines[-1]["problems"] == []


def test_watch_a_whole_cycle(running, blocks):
    """Balloon up, hot-add, balloon down: each is seen, and agrees with what the host did."""
    watch = Watch(running)
    start = watch.wait(state="running", ballooned_kb=0)
    running.host.send(wire.info_max_pages(4096 * MIB))
    ranges, _ = running.host.inflate(200 * MIB)
    assert wire.total(ranges) == 200 * MIB
    small = watch.wait(ballooned_kb=200 * MIB * KIB, balloon_requests=1, max_kb=4096 * MIB * KIB)
    assert small["assigned_kb"] == start["assigned_kb"] - 200 * MIB * KIB

    assert running.host.add(next(blocks), BLOCK) == (BLOCK, 1)
    added = start["hot_added_online_kb"] + BLOCK * KIB
    large = watch.wait(hot_added_kb=added, hot_added_online_kb=added, offline_kb=0)
    assert large["assigned_kb"] == small["assigned_kb"] + BLOCK * KIB

    running.host.deflate(ranges)
    back = watch.wait(ballooned_kb=0, returned_kb=200 * MIB * KIB)
    assert back["assigned_kb"] == large["assigned_kb"] + 200 * MIB * KIB
    assert back["mem_total_kb"] == running.total() * KIB
    watch.end()


def test_status_agrees_with_the_driver(running):
    """The table has the driver's figures, in MiB; nothing is wrong."""
    ranges, _ = running.host.inflate(100 * MIB)
    rows = {line[2:24].strip(): line[24:].split()
            for line in running.run("hvballoon").splitlines() if line.startswith("  ")}
    figures = running.status()
    assert rows["ballooned"][0] == "100"
    assert rows["floor"][0] == str(figures["pages_floor"] // MIB)
    assert rows["hot-added"][0] == str(figures["pages_hot_added"] // MIB)
    assert rows["assigned by the host"][0] == str(running.total() // MIB - 100)
    assert rows["requests for memory"][0] == "1"
    assert rows["health"] == ["good"]
    assert problems(running) == []
    running.host.deflate(ranges)


def test_demand_is_what_was_reported(guest):
    """Demand is the last report, less what the host has."""
    guest.load("pressure_report_delay=1")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    ranges, _ = guest.host.inflate(100 * MIB)
    guest.run("sleep 3")
    seen = ask(guest, "status")
    reports = [report.words(wire.STATUS) for report in guest.host.reports()]
    assert seen["demand_kb"] in [(report[1] - 100 * MIB) * KIB for report in reports]
    assert seen["status_reports"] >= 2
    guest.host.deflate(ranges)


def test_faults_of_the_host(running):
    """What the host does wrong is counted, and said."""
    running.host.send(wire.message(99))
    running.host.deflate([(0, 1)])
    running.wait_for("messages_rejected", 1)
    assert problems(running) == ["foreign-ranges", "rejected-messages"]


def test_hot_add_is_off(running):
    """The parameter, as soon as it is written."""
    running.run(f"echo N >{running.parameters}/hot_add")
    assert problems(running) == ["hot-add-off"]


@pytest.mark.usefixtures("nobody_onlines")
def test_nobody_onlines(running, blocks):
    """First that nothing will online memory, then that it is offline; its advice helps."""
    assert problems(running) == ["no-onlining"]
    assert running.host.add(next(blocks), BLOCK) == (BLOCK, 1)
    assert problems(running) == ["blocks-offline", "no-onlining"]
    assert ask(running, "status")["offline_kb"] == BLOCK * KIB
    advice = next(one["do"] for one in ask(running, "doctor")["problems"]
                  if one["name"] == "blocks-offline")
    running.run(advice.split('"')[1])
    assert problems(running) == ["no-onlining"]
    assert ask(running, "status")["offline_kb"] == 0


def test_ballooned_by_an_earlier_load(running):
    """Before the driver is there again, and after."""
    ranges, _ = running.host.inflate(50 * MIB)
    running.unload()
    # Nor has this guest what one needs to build the driver.
    assert problems(running) == ["no-headers", "not-loaded", "earlier-balloon"]
    running.run(f"insmod {running.file} pressure_report_delay=3600 >/dev/null 2>&1 &")
    running.host.negotiate()
    running.wait_for("state", "running")
    assert problems(running) == ["earlier-balloon"]
    running.host.deflate(ranges)
    assert problems(running) == []


def test_host_refuses(guest):
    """The driver does not get the device then."""
    guest.load()
    guest.offer()
    for _ in range(3):
        guest.host.expect(wire.VERSION_REQUEST)
        guest.host.send(wire.version_response(False))
    guest.wait_unbound()
    assert problems(guest) == ["not-bound"]
    assert "Last in the log:" in guest.call("hvballoon doctor").output


def test_no_device(guest):
    """A driver without a device, and no driver."""
    assert problems(guest) == ["no-device"]
    assert "no driver" in guest.call("hvballoon").output


def test_can_hibernate(hibernating):
    """Such a guest refuses all."""
    assert problems(hibernating) == ["hibernation"]


def test_in_tree_driver(request):
    """The driver of the kernel: said to be that, with the figures that it has."""
    with InTreeSimulator(request.config.getoption("--kernel")) as guest:
        request.node.simulator = guest
        guest.load("pressure_report_delay=3600")
        guest.offer()
        guest.host.negotiate()
        ranges, _ = guest.host.inflate(100 * MIB)
        guest.run("sleep 1")
        assert "in-tree-driver" in problems(guest)
        seen = ask(guest, "status")
        assert (seen["driver"], seen["protocol_version"]) == ("in-tree", "2.0")
        assert seen["ballooned_kb"] == wire.total(ranges) * KIB == 100 * MIB * KIB
