# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator and programs see: the files of sysfs, those that wake, memory events."""

import time

import pytest

from lab.memory import KIB, MIB

from . import wire
from .memory_blocks import BLOCK, change
from .sysfs import FILES, figures

NAMES = {
    "state", "protocol_version", "hibernation", "hot_add", "ballooned_kb", "hidden_kb",
    "hot_added_kb", "hot_added_online_kb", "new_blocks", "max_kb", "floor_kb", "reported_available_kb",
    "reported_committed_kb", "page_reporting", "balloon_requests", "balloon_refused_kb",
    "returned_kb", "hot_add_requests", "hot_add_refused_kb", "rejected_messages", "foreign_ranges",
    "status_reports", "send_failures", "event_step_kb", "events", "floor_rule", "demand_used_kb",
    "demand_cache_kb", "demand_lead_kb", "demand_emergency_kb", "extra_demand_kb",
}
# A busybox shell that reads each file again and again without a process for each.
READER = f"""
while [ ! -e /tmp/stop ]; do
    for file in {FILES}/*; do read -r value <$file; done
done 2>/dev/null
"""


def changed(guest, before, **expected):
    """Return the figures, of which just those must have changed, to just that."""
    after = figures(guest)
    moving = {"reported_available_kb", "reported_committed_kb", "status_reports", "floor_kb",
              "demand_used_kb", "demand_cache_kb", "demand_lead_kb"}
    seen = {name: value for name, value in after.items()
            if value != before[name] and name not in moving}
    assert seen == expected
    return after


def grown(before, pages):
    """Return what is hot-added and online once so much was added; earlier cases have left some."""
    return {name: before[name] + pages * KIB for name in ("hot_added_kb", "hot_added_online_kb")}


def test_names_and_modes(running):
    """Just the files that are described, for everybody to read, two of them to be written."""
    found = figures(running)
    assert set(found) == NAMES
    modes = running.run(f"stat -c '%a %n' {FILES}/*").splitlines()
    writable = [line.split("/")[-1] for line in modes if not line.startswith("444 ")]
    assert sorted(writable) == ["event_step_kb", "extra_demand_kb"]
    assert running.run(f"stat -c %a {FILES}/event_step_kb").strip() == "644"


def test_a_whole_cycle(running, blocks):
    """Balloon up, refused, down, foreign; hot-add, refused; what the host says is what one sees."""
    figures_at_start = figures(running)
    total = running.total()
    assert figures_at_start["state"] == "running"
    assert figures_at_start["protocol_version"] == "2.0"
    assert (figures_at_start["hibernation"], figures_at_start["hot_add"]) == (0, 1)
    assert {figures_at_start[name]
            for name in ("ballooned_kb", "max_kb", "events", "page_reporting", "event_step_kb",
                         "returned_kb")} == {0}

    ranges, _ = running.host.inflate(100 * MIB)
    seen = changed(running, figures_at_start, balloon_requests=1, ballooned_kb=100 * MIB * KIB)

    more, _ = running.host.inflate(2 * total)
    given = wire.total(more)
    seen = changed(running, seen, balloon_requests=2, ballooned_kb=(100 * MIB + given) * KIB,
                   balloon_refused_kb=(2 * total - given) * KIB)
    assert given < total

    running.host.deflate(more)
    seen = changed(running, seen, ballooned_kb=100 * MIB * KIB, returned_kb=given * KIB)
    running.host.deflate([(0, 1)])
    seen = changed(running, seen, foreign_ranges=1)
    running.host.deflate(ranges)
    seen = changed(running, seen, ballooned_kb=0, returned_kb=(given + 100 * MIB) * KIB)

    running.host.send(wire.message(99))
    running.host.send(wire.info_max_pages(5000 * MIB))
    running.wait_for("pages_max", 5000 * MIB)
    seen = changed(running, seen, rejected_messages=1, max_kb=5000 * MIB * KIB)

    block = next(blocks)
    assert running.host.add(block, 3 * MIB) == (3 * MIB, 1)
    seen = changed(running, seen, hot_add_requests=1, **grown(seen, 3 * MIB))
    assert running.host.add(block, 3 * MIB) == (0, 0)
    seen = changed(running, seen, hot_add_requests=2, hot_add_refused_kb=3 * MIB * KIB)
    running.run(f"echo N >{running.parameters}/hot_add")
    assert running.host.add(block, BLOCK) == (0, 1)
    changed(running, seen, hot_add_requests=3, hot_add=0,
            hot_add_refused_kb=(BLOCK + 3 * MIB) * KIB)


def test_maximum_in_words_that_tools_know(running):
    """As the driver in the kernel tree says it, but once for each value that the host tells."""
    def said():
        return running.run(f"dmesg | grep -o '{running.module}: Max. dynamic memory size: .*'"
                           " || true").splitlines()
    before = len(said())
    for mib in (5000, 5000, 6000, 6000, 5000, 7000):
        running.host.send(wire.info_max_pages(mib * MIB + MIB // 2))
    running.wait_for("pages_max", 7000 * MIB + MIB // 2)
    assert said()[before:] == [f"{running.module}: Max. dynamic memory size: {mib} MB"
                               for mib in (5000, 6000, 5000, 7000)]


@pytest.mark.usefixtures("nobody_onlines")
def test_blocks_that_stay_offline(running, blocks):
    """What was added and what of it can be used are two figures."""
    before = figures(running)
    first = blocks.row(2)
    assert running.host.add(first, 2 * BLOCK) == (2 * BLOCK, 1)
    number = first // BLOCK
    seen = changed(running, before, hot_add_requests=1, new_blocks=f"{number} {number + 1}",
                   hot_added_kb=before["hot_added_kb"] + 2 * BLOCK * KIB)
    change(running, first, "online_movable")
    seen = changed(running, seen, new_blocks=number + 1,
                   hot_added_online_kb=seen["hot_added_online_kb"] + BLOCK * KIB)
    assert seen["floor_kb"] == running.status()["pages_floor"] * KIB > before["floor_kb"]
    change(running, first, "offline")
    assert figures(running)["new_blocks"] == number + 1


def test_what_the_host_was_told(guest):
    """Available and committed memory are those of the last report; 0 before the first."""
    guest.load("pressure_report_delay=3")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    early = figures(guest)
    assert {early[name] for name in ("status_reports", "reported_available_kb",
                                     "reported_committed_kb")} == {0}
    deadline = time.monotonic() + 20
    while not (reports := guest.host.reports()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    # The next report is a second away.
    seen = figures(guest)
    reports += guest.host.reports()
    said = [tuple(KIB * pages for pages in report.words(wire.STATUS)[:2]) for report in reports]
    assert seen["status_reports"] >= 1
    assert (seen["reported_available_kb"], seen["reported_committed_kb"]) in said


def test_says_that_it_can_hibernate(hibernating):
    """Such a guest refuses all, and one can see why."""
    hibernating.host.inflate(1000)
    hibernating.host.add(1 << 18, 512)
    seen = figures(hibernating)
    assert (seen["hibernation"], seen["hot_add"]) == (1, 0)
    assert (seen["balloon_refused_kb"], seen["hot_add_refused_kb"]) == (4000, 2048)


def poll(guest, name, seconds=30):
    """Begin to wait for a file to change."""
    guest.run(f"pollfile {FILES}/{name} {seconds} >/tmp/poll.{name} 2>&1 &")
    guest.run(f"until [ -s /tmp/poll.{name} ]; do sleep 0.1; done; sleep 0.2")


def polled(guest, name):
    """Return the values of a file before and after it woke the program that polls it."""
    guest.run(f"until [ $(wc -l </tmp/poll.{name}) -eq 2 ]; do sleep 0.1; done")
    return guest.run(f"cat /tmp/poll.{name}").split()


def test_ballooned_and_events_wake(running):
    """A program that polls them wakes when the host takes pages, and for no other reason."""
    step = 16 * MIB * KIB
    running.run(f"echo {step} >{FILES}/event_step_kb")
    poll(running, "ballooned_kb")
    poll(running, "events")
    ranges, _ = running.host.inflate(20 * MIB)
    assert polled(running, "ballooned_kb") == ["0", str(20 * MIB * KIB)]
    assert polled(running, "events") == ["0", "1"]
    assert running.call(f"pollfile {FILES}/ballooned_kb 2").status == 1
    running.host.deflate(ranges)


def test_state_wakes(running):
    """The channel is closed and opened again, as when the guest hibernates."""
    poll(running, "state", 60)
    running.run("echo core >/sys/power/pm_test; echo disk >/sys/power/state; "
                "echo none >/sys/power/pm_test", limit=120)
    running.host.negotiate()
    running.wait_for("state", "running")
    before, after = polled(running, "state")
    assert before == "running" and after in ("closed", "opened", "version", "capabilities",
                                             "running")


@pytest.fixture
def heard(running):
    """What udev hears of the device: returns the memory events so far, as dictionaries."""
    running.run("udevadm monitor --kernel --property --subsystem-match=vmbus >/tmp/events 2>&1 & "
                "echo $! >/tmp/events.pid; until grep -q KERNEL /tmp/events; do sleep 0.1; done")

    def events():
        blocks = running.run("cat /tmp/events").split("\n\n")
        found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
                 for block in blocks if "DYNAMIC_MEMORY_EVENT" in block]
        return [(one["DYNAMIC_MEMORY_EVENT"], int(one["DYNAMIC_MEMORY_CHANGE_KB"]),
                 int(one["DYNAMIC_MEMORY_BALLOONED_KB"]), int(one["DYNAMIC_MEMORY_HOT_ADDED_KB"]))
                for one in found]

    yield events
    running.run("kill $(cat /tmp/events.pid)")


def wait_heard(events, count):
    """Return the events once there are so many, and no more a moment later."""
    deadline = time.monotonic() + 20
    while len(events()) < count:
        assert time.monotonic() < deadline, events()
        time.sleep(0.2)
    time.sleep(1)
    return events()


def test_memory_events(running, heard, blocks):
    """Taken, given back, added; below the step nothing, until it adds up."""
    added = figures(running)["hot_added_kb"]
    running.run(f"echo {10 * MIB * KIB} >{FILES}/event_step_kb")
    first, _ = running.host.inflate(9 * MIB)
    time.sleep(1)
    assert heard() == [] and figures(running)["events"] == 0
    second, _ = running.host.inflate(MIB)
    expected = [("taken", 10 * MIB * KIB, 10 * MIB * KIB, added)]
    assert wait_heard(heard, 1) == expected
    running.host.deflate(first + second)
    expected += [("given", 10 * MIB * KIB, 0, added)]
    assert wait_heard(heard, 2) == expected
    assert running.host.add(next(blocks), BLOCK) == (BLOCK, 1)
    expected += [("given", BLOCK * KIB, 0, added + BLOCK * KIB)]
    assert wait_heard(heard, 3) == expected
    assert figures(running)["events"] == 3


def test_no_flood_and_no_loss(running, heard):
    """Many small changes in a row: few events, which add up to where the guest is in the end."""
    running.run(f"echo 4 >{FILES}/event_step_kb")
    start, ranges = time.monotonic(), []
    for _ in range(150):
        ranges += running.host.inflate(5)[0]
    running.host.deflate(ranges[:100])
    seconds = time.monotonic() - start
    left = wire.total(ranges[100:]) * KIB
    end = time.monotonic() + 30 * running.patience
    while not (events := heard()) or events[-1][2] != left:
        assert time.monotonic() < end, events
        time.sleep(0.1)
    assert 1 <= len(events) <= 4 * seconds + 2
    assert sum(change if kind == "taken" else -change for kind, change, *_ in events) == left
    running.host.deflate(ranges[100:])


def test_no_events_unless_asked_for(running, heard):
    """Off at first, and off again; what changed before the step was set does not count."""
    ranges, _ = running.host.inflate(64 * MIB)
    running.run(f"echo {32 << 10} >{FILES}/event_step_kb")
    more, _ = running.host.inflate(4 * MIB)
    time.sleep(1)
    assert heard() == []
    running.run(f"echo 0 >{FILES}/event_step_kb")
    running.host.deflate(ranges + more)
    time.sleep(1)
    assert heard() == [] and figures(running)["events"] == 0


def test_steps(running):
    """What makes no sense is refused, with a reason in the log, and the old step stays."""
    running.run(f"echo 1024 >{FILES}/event_step_kb")
    for value in ("x", "-1", "1.5", "10M", "''", "68719476737", "99999999999999999999"):
        running.run("dmesg -c >/dev/null")
        assert running.call(f"echo {value} >{FILES}/event_step_kb").status != 0
        assert figures(running)["event_step_kb"] == 1024
        assert running.has_said("is not a number of KiB from 0 to 68719476736")
    running.run(f"echo 68719476736 >{FILES}/event_step_kb")
    assert figures(running)["event_step_kb"] == 68719476736


def test_read_all_the_time(guest):
    """Four programs read all files, and one polls, while the balloon moves and the driver goes."""
    guest.run(f"rm -f /tmp/stop; echo '{READER}' >/tmp/reader")
    guest.run("for i in 1 2 3 4; do sh /tmp/reader >/dev/null 2>&1 & echo $!; done >/tmp/readers")
    try:
        for _ in range(3):
            guest.load("pressure_report_delay=0")
            guest.offer()
            guest.host.negotiate()
            guest.wait_for("state", "running")
            guest.run(f"echo 4 >{FILES}/event_step_kb")
            guest.run(f"pollfile {FILES}/events 60 >/dev/null 2>&1 &")
            for _ in range(3):
                ranges, _ = guest.host.inflate(100 * MIB)
                guest.host.deflate(ranges)
            guest.host.send(wire.balloon(300 * MIB))
            guest.host.expect(wire.BALLOON_RESPONSE)
            guest.run(f"echo dynamic-memory >{guest.driver_folder}/unbind")
            assert guest.call(f"test -e {FILES}").status == 1
            guest.leave()
            guest.host.reports()
            guest.load("reclaim=1")
            guest.offer()
            guest.host.negotiate()
            guest.wait_for("state", "running")
            assert figures(guest)["ballooned_kb"] == 0
            guest.leave()
            guest.host.reports()
    finally:
        guest.run("touch /tmp/stop; killall pollfile 2>/dev/null; for pid in $(cat /tmp/readers);"
                  " do while kill -0 $pid 2>/dev/null; do sleep 0.1; done; done; rm /tmp/stop")
