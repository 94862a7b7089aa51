# SPDX-License-Identifier: GPL-2.0-only
"""What helps to find a fault: blocks, regions, times and messages in debugfs."""

import re

from lab.memory import MIB

from . import wire
from .memory_blocks import BLOCK, change, onlined

FOLDER = "/sys/kernel/debug/hv_balloon"
MESSAGE = re.compile(r" *\d+\.\d{6} (in |out) (.*)")


def table(guest, name):
    """Return the rows of a file, its heading left out, numbers as int."""
    heading, *lines = guest.run(f"cat {FOLDER}/{name}").splitlines()
    assert not any(word.isdigit() for word in heading.split())
    return [tuple(int(word, 0) if word[0].isdigit() else word for word in line.split())
            for line in lines]


def messages(guest):
    """Return the last messages: (in or out, text)."""
    lines = guest.run(f"cat {FOLDER}/messages").splitlines()
    found = [MESSAGE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [(match[1].strip(), match[2]) for match in found]


def test_nobody_can_write(running):
    """Such a file would lock all of debugfs in a kernel that is locked down."""
    modes = dict(line.split()[::-1] for line in running.run(
        f"cd {FOLDER} && stat -c '%a %n' * ../hv-balloon").splitlines())
    assert modes == {"status": "444", "blocks": "444", "balloon": "444", "latency": "444",
                     "regions": "400", "messages": "400", "../hv-balloon": "444"}


def test_blocks(running):
    """The blocks that are out, by size, are the pages that are out, also when one was split."""
    ranges, _ = running.host.inflate(100 * MIB + 5)
    rows = table(running, "balloon")
    assert [row[0] for row in rows] == list(range(10))
    assert sum(pages for _, _, pages in rows) == 100 * MIB + 5
    assert all(pages == blocks << order for order, blocks, pages in rows)
    taken = table(running, "blocks")
    assert [(order, blocks) for order, blocks, _ in rows] == [row[:2] for row in taken]
    largest = next(one for one in ranges if one[1] >= 1024)
    running.host.deflate([(largest[0], 1)])
    split = {order: blocks for order, blocks, _ in table(running, "balloon")}
    assert sum(blocks << order for order, blocks in split.items()) == 100 * MIB + 4
    assert split[0] >= 511 and split[9] == rows[9][1] - 1
    assert table(running, "blocks") == taken
    running.reload("pressure_report_delay=3600")
    running.host.negotiate()
    running.wait_for("state", "running")
    assert {order: blocks for order, blocks, _ in table(running, "balloon")} == split
    running.host.deflate([(largest[0] + 1, largest[1] - 1),
                          *(one for one in ranges if one != largest)])
    assert not any(blocks for _, blocks, _ in table(running, "balloon"))


def test_regions(running, blocks):
    """A block with a gap at each end."""
    block = next(blocks)
    assert running.host.add(block + 512, 1024) == (1024, 1)
    rows = table(running, "regions")
    assert ("gap", block, block + 512, 512) in rows
    assert ("gap", block + 1536, block + BLOCK, BLOCK - 1536) in rows
    regions = [row for row in rows if row[0] in ("region", "online")]
    assert {row[0] for row in regions if row[1] <= block and block + BLOCK <= row[2]} == {
        "region", "online"}
    backed = sum(row[3] if row[0] == "region" else -row[3] for row in rows
                 if row[0] in ("region", "gap"))
    assert backed == running.status()["pages_hot_added"]


def test_latency(running, blocks):
    """Each operation is in one bucket, and no time is longer than the longest."""
    for _ in range(3):
        running.host.deflate(running.host.inflate(2 * MIB)[0])
    running.host.add(next(blocks), BLOCK)
    text = running.run(f"cat {FOLDER}/latency")
    found = re.findall(r"^(\S+): (\d+) times, (\d+) us in all, (\d+) us at most\n((?:  .*\n)*)",
                       text, re.MULTILINE)
    assert [(name, int(times)) for name, times, *_ in found] == [
        ("inflate", 3), ("deflate", 3), ("hot-add", 1)]
    for _, times, total, longest, lines in found:
        buckets = [tuple(map(int, re.findall(r"\d+", line))) for line in lines.splitlines()]
        assert sum(count for _, count in buckets) == int(times)
        assert sum(start * count for start, count in buckets) <= int(total)
        assert max(start for start, _ in buckets) <= int(longest) < 2 * max(
            start for start, _ in buckets)


def test_messages(running, blocks):
    """What was said, in words, both ways, in order."""
    block = next(blocks)
    ranges, _ = running.host.inflate(1000)
    running.host.deflate(ranges)
    running.host.add(block, BLOCK, (block, BLOCK))
    running.host.send(wire.info_max_pages(123456))
    running.host.send(wire.message(99, b"abcdefgh"))
    running.wait_for("messages_rejected", 1)
    said = messages(running)
    assert [text for way, text in said if way == "in"] == [
        "version response 7 accepted",
        "capabilities response 7 accepted",
        "balloon request 7 1000 pages",
        f"unballoon request 7 1000 pages in {len(ranges)} ranges",
        f"hot-add request 7 {BLOCK} pages from PFN {block:#x}, "
        f"in a region of {BLOCK} pages from {block:#x}",
        "information message 7 of type 0: at most 123456 pages",
        "rejected, unexpected type: 16 bytes, 63 00 10 00 07 00 00 00 61 62 63 64 65 66 67"
        " 68",
    ]
    assert [text for way, text in said if way == "out"] == [
        "version request 1 2.0",
        "capabilities report 2 balloon hot-add, in steps of 128 MiB",
        f"balloon response 3 1000 pages in {len(ranges)} ranges",
        "unballoon response 4",
        f"hot-add response 5 {BLOCK} pages, done",
    ]


def test_sizes_that_lie_are_shown(running):
    """One sees which messages are counted as having a wrong size."""
    running.host.send(wire.message(wire.BALLOON_REQUEST, bytes(8), 0))
    running.host.expect(wire.BALLOON_RESPONSE)
    running.host.send(wire.message(wire.UNBALLOON_REQUEST, bytes(8), 4096))
    running.host.expect(wire.UNBALLOON_RESPONSE)
    assert [text for way, text in messages(running) if way == "in"][-2:] == [
        "balloon request 7 0 pages; 0 bytes declared, 16 received",
        "unballoon request 7 0 pages in 0 ranges; 4096 bytes declared, 16 received"]


def test_old_messages_are_forgotten(running):
    """The last 64 each way, the newest at the end."""
    for count in range(1, 101):
        running.host.deflate(running.host.inflate(count)[0])
    said = [text for way, text in messages(running) if way == "in"]
    assert len(said) == 64
    assert said[-2] == "balloon request 7 100 pages"
    assert said[0] == "balloon request 7 69 pages"


def legacy(guest):
    """Return what the file says that the driver in the kernel tree has, in its order."""
    lines = guest.run("cat /sys/kernel/debug/hv-balloon").splitlines()
    assert all(line[22:23] == ":" for line in lines), lines
    return {line[:22].strip(): line[24:] for line in lines}


def test_the_file_that_scripts_know(running, blocks):
    """Its lines, their order and their numbers."""
    before = legacy(running)
    assert list(before) == ["host_version", "capabilities", "state", "page_size", "pages_added",
                            "pages_onlined", "pages_ballooned", "total_pages_committed",
                            "max_dynamic_page_count"]
    assert before["host_version"] == "2.0" and before["capabilities"] == "enabled hot_add"
    assert before["state"] == "1 (Initialized)" and before["page_size"] == "4096"
    ranges, _ = running.host.inflate(1000)
    block = next(blocks)
    with onlined(running, "online_movable"):
        running.host.add(block, BLOCK)
    running.host.send(wire.info_max_pages(9999))
    running.wait_for("pages_max", 9999)
    after = legacy(running)
    assert after["pages_ballooned"] == "1000"
    for name in ("pages_added", "pages_onlined"):
        assert int(after[name]) == int(before[name]) + BLOCK
    assert after["max_dynamic_page_count"] == "9999"
    assert int(after["total_pages_committed"]) > int(before["total_pages_committed"])
    change(running, block, "offline")
    offline = legacy(running)
    assert [int(after[name]) - int(offline[name]) for name in ("pages_added", "pages_onlined")] == [
        0, BLOCK]
    change(running, block, "online_movable")
    running.host.deflate(ranges)
