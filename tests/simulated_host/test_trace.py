# SPDX-License-Identifier: GPL-2.0-only
"""The trace events, as an administrator enables and reads them."""

import re
import time

import pytest

from . import wire
from .memory_blocks import BLOCK
from .tracing import TRACING, cut_up, events_folder

EVENTS = {"balloon_status", "balloon_message_in", "balloon_message_out",
          "balloon_message_rejected", "balloon_operation_start", "balloon_operation_end",
          "balloon_order_down"}
LINE = re.compile(r"^[^#].*\d: (balloon_\w+): (.*)$", re.MULTILINE)


@pytest.fixture
def traced(running):
    """Switch all events on; returns what there was so far: (event, text)."""
    running.run(f"echo >{TRACING}/trace && echo 1 >{events_folder(running)}/enable")
    yield lambda: LINE.findall(running.run(f"cat {TRACING}/trace"))
    running.run(f"echo 0 >{events_folder(running)}/enable && echo >{TRACING}/trace")


def only(events, name):
    """Return the texts of one event."""
    return [text for event, text in events if event == name]


def test_all_are_there(running):
    """Under the system of the kernel's own Hyper-V events, with names that tools can resolve."""
    names = set(running.run(f"ls {events_folder(running)}").split())
    assert EVENTS <= names
    for name in EVENTS:
        text = running.run(f"cat {events_folder(running)}/{name}/format")
        assert "HVB_" not in text, text


def test_status_is_as_tools_know_it(running):
    """The fields and their types are those of the event of that name in the kernel tree."""
    text = running.run(f"cat {events_folder(running)}/balloon_status/format")
    fields = re.findall(r"field:(.*) (\w+);\toffset:(\d+);\tsize:(\d+);\tsigned:(\d);", text)
    assert [one for one in fields if not one[1].startswith("common_")] == [
        (kind, name, str(8 + 8 * number), "8", "0") for number, (kind, name) in enumerate((
            ("u64", "available"), ("u64", "committed"), ("unsigned long", "vm_memory_committed"),
            ("unsigned long", "pages_ballooned"), ("unsigned long", "pages_added"),
            ("unsigned long", "pages_onlined")))]
    printed = text.split("print fmt: ")[1].split('"')[1]
    assert printed == ("available=%llu committed=%llu vm_memory_committed=%lu pages_ballooned=%lu"
                       " pages_added=%lu pages_onlined=%lu")


def test_status_has_the_figures_of_the_report(guest):
    """Each in its field: what the host is told, and what of the guest that comes from."""
    guest.load("pressure_report_delay=0")
    guest.run(f"echo >{TRACING}/trace && echo 1 >{events_folder(guest)}/balloon_status/enable")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    ranges, _ = guest.host.inflate(1000)
    time.sleep(3)
    guest.run(f"echo 0 >{events_folder(guest)}/balloon_status/enable")
    line = only(LINE.findall(guest.run(f"cat {TRACING}/trace")), "balloon_status")[-1]
    traced_now = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
    figures = guest.status()
    assert (traced_now["available"], traced_now["committed"]) in [
        report.words(wire.STATUS)[:2] for report in guest.host.reports()]
    assert traced_now["pages_ballooned"] == figures["pages_ballooned"] == 1000
    assert traced_now["pages_added"] == figures["pages_hot_added"]
    assert traced_now["pages_onlined"] == figures["pages_hot_added_online"]
    assert traced_now["committed"] == (
        traced_now["vm_memory_committed"] + 1000 + traced_now["pages_added"]
        - traced_now["pages_onlined"] + figures["pages_floor"])
    guest.host.deflate(ranges)


def test_messages_and_operations(running, blocks, traced):
    """Each message each way, and each operation from its start to its end."""
    block = next(blocks)
    ranges, _ = running.host.inflate(1000)
    running.host.deflate(ranges)
    assert running.host.add(block, BLOCK) == (BLOCK, 1)
    events = traced()
    assert only(events, "balloon_message_in") == [
        "type=balloon_request id=7 size=16 pages=1000",
        f"type=unballoon_request id=7 size={16 + 8 * len(ranges)} pages=1000",
        f"type=hot_add_request id=7 size=16 pages={BLOCK}",
    ]
    assert only(events, "balloon_message_out") == [
        f"type=balloon_response id=3 size={16 + 8 * len(ranges)} pages=1000",
        "type=unballoon_response id=4 size=8 pages=0",
        f"type=hot_add_response id=5 size=16 pages={BLOCK}",
    ]
    assert only(events, "balloon_operation_start") == [
        "op=inflate pages=1000", "op=deflate pages=1000", f"op=hot_add pages={BLOCK}"]
    ends = only(events, "balloon_operation_end")
    assert [text.rsplit(" ", 1)[0] for text in ends] == [
        "op=inflate pages=1000", "op=deflate pages=1000", f"op=hot_add pages={BLOCK}"]
    assert all(re.search(r" us=\d+$", text) for text in ends)


def test_rejected(running, traced):
    """With the reason."""
    running.host.send(wire.message(99))
    running.host.send(wire.message(wire.BALLOON_REQUEST))
    running.wait_for("messages_rejected", 2)
    assert only(traced(), "balloon_message_rejected") == [
        "reason=type type=99 size=8", "reason=short type=6 size=8"]


def test_steps_down(running, traced):
    """Where the guest has no large blocks any more, one sees the step to smaller ones."""
    with cut_up(running):
        ranges, _ = running.host.inflate(running.total())
        events = only(traced(), "balloon_order_down")
        failures = [int(line.split()[2]) for line in
                    running.run("tail -n +2 /sys/kernel/debug/hv_balloon/blocks").splitlines()]
    running.host.deflate(ranges)
    seen = [re.fullmatch(r"order=(\d+) wanted=(\d+)", text) for text in events]
    assert all(seen) and sum(failures) == len(seen)
    assert [int(one[1]) for one in seen[:3]] == [9, 8, 7]
    assert all(int(one[2]) > 0 for one in seen)
