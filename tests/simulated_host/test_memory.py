# SPDX-License-Identifier: GPL-2.0-only
"""Requests to a guest whose memory is full."""

import time

import pytest

from lab import memory
from lab.guest import STATUS
from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .balance import assert_counts, give_back
from .guest_memory import available, blocks_sampled, floor, meminfo, pages_in_blocks, spare
from .memory_blocks import BLOCK
from .sysfs import FILES
from .wire import ALL, DONE

# The driver takes that much between two looks at the floor, and the guest's own demand moves.
FLOOR_SLACK = 40 * MIB
TIMES = 10      # that the host asks for the rest

CHUNK_ORDER = 9
USED = 250      # MiB that a program reads
FEW = 48        # MiB that are free in chunks
MORE = 40       # MiB that the host wants beyond these and all smaller blocks
BLOCKS_LEFT = 4 * MIB   # by the driver; some are split for single pages, for a moment most
# The kernel makes chunks and reclaims for them in the background; for allocations that
# cannot move it reclaims beyond the watermarks, also for the in-tree driver.
BACKGROUND = ("/proc/sys/vm/compaction_proactiveness", "/proc/sys/vm/watermark_boost_factor",
              "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag")

pytestmark = pytest.mark.usefixtures("no_program_is_killed")


def take_all(guest, seconds=600):
    """Ask for more than there is. The answer comes soon, and the guest keeps its floor."""
    start = time.monotonic()
    ranges, _ = guest.host.inflate(ALL)
    assert time.monotonic() - start < seconds
    assert available(guest) > guest.status()["pages_floor"] - FLOOR_SLACK
    assert_counts(guest, guest.status()["pages_ballooned"])
    return ranges


def take_all_until(guest, enough):
    """Do that until it is enough, as hosts ask again: the driver gives up where the kernel is slow
    to reclaim."""
    ranges = []
    for _ in range(TIMES):
        ranges += take_all(guest)
        if enough(ranges):
            break
        time.sleep(1)
    return ranges


def take(guest, wanted):
    """Ask for so many pages, and again for the rest."""
    ranges = []
    for _ in range(TIMES):
        ranges += guest.host.inflate(wanted - wire.total(ranges))[0]
        if wire.total(ranges) == wanted:
            break
        time.sleep(1)
    return ranges


# Programs that allocate


def test_a_program_may_use_the_floor(running):
    """It grows by nearly that, as fast as it can, while the host asks for more all the time."""
    hog = Memhog(running, spare(running) // 2, "--quick")
    ranges = running.host.inflate(ALL)[0]
    # The floor of what it has now.
    hog.begin(f"grow {floor(running) // MIB - 64}")
    while not hog.answered():
        for _ in range(5):
            ranges += running.host.inflate(ALL)[0]
    assert "holding" in hog.answer()
    give_back(running, ranges)
    hog.stop()


@pytest.mark.parametrize("options", ["--quick", "--quick --small-pages"], ids=["huge", "small"])
def test_program_and_host_each_get_their_part(running, options):
    """They race for what is above the floor; there is enough for both, so both get all."""
    program = spare(running) // 2
    host = spare(running) - program - 48
    hog = Memhog(running, 0, options)
    hog.begin(f"grow {program}")
    ranges = []
    for _ in range(host // 4):
        ranges += running.host.inflate(4 * MIB)[0]
    assert hog.answer() == f"holding {program} MiB"
    assert wire.total(ranges) == host // 4 * 4 * MIB
    assert_counts(running, wire.total(ranges))
    hog.stop()
    give_back(running, ranges)


# Pages that the host never hears of


def settled(guest, name):
    """Return a figure of the driver when it does not change any more."""
    before, now = None, guest.status()[name]
    while now != before:
        time.sleep(1)
        before, now = now, guest.status()[name]
    return now


def test_unloaded_with_an_answer_in_hand(running):
    """The ring is full: what could not be reported stays the guest's, and only that."""
    running.host.pause()
    # Each is answered before the next one comes; the ring holds some 340 answers.
    for _ in range(400):
        running.host.send(wire.balloon(16))
        time.sleep(0.02)
    given = settled(running, "balloon_pages_given")
    assert 0 < given < 400 * 16
    running.reload("pressure_report_delay=3600")
    running.host.resume()
    running.host.negotiate()
    running.wait_for("pages_ballooned", given)
    running.reload("pressure_report_delay=3600 reclaim=1")
    running.host.negotiate()
    running.wait_for("pages_ballooned", 0)


# Memory that is full. Of large pages first: after it was full of cache a debug kernel has few of
# them for good, as its own pages lie in what was left everywhere.


def assert_rest_is_taken(guest, rest):
    """Of a guest that is full but for a rest, the host gets about the rest."""
    ranges = take_all(guest)
    assert wire.total(ranges) < (rest + 40) * MIB
    give_back(guest, ranges)


def test_full_of_the_huge_page_pool(running):
    """Pages of the pool belong to the administrator."""
    pool = "/proc/sys/vm/nr_hugepages"
    wanted = (spare(running) - 32) // 2
    running.run(f"echo {wanted} >{pool}")
    try:
        assert int(running.run(f"cat {pool}")) > wanted // 4
        assert_rest_is_taken(running, spare(running))
    finally:
        running.run(f"echo 0 >{pool}")


@pytest.mark.parametrize("options, figure", [("--huge-pages", "AnonHugePages"),
                                             ("--lock --small-pages", "Mlocked"),
                                             ("--lock --huge-pages", "Mlocked")],
                         ids=["huge pages", "locked pages", "locked huge pages"])
def test_full_of(running, options, figure):
    """A program has nearly all memory in such pages, and finds it as it was."""
    hog = Memhog(running, spare(running) - 32, options)
    assert meminfo(running, figure) > running.total() // 4
    assert_rest_is_taken(running, spare(running))
    hog.stop()


def test_full_of_single_pages(running):
    """A program has every second page: the host gets the others all the same."""
    size = spare(running) - 32
    hog = Memhog(running, size, "--small-pages --quick")
    assert hog.thin() == f"holding {size // 2} MiB"
    expected = size // 2 * MIB * 3 // 4
    ranges = take_all_until(running, lambda ranges: wire.total(ranges) > expected)
    assert wire.total(ranges) > expected
    hog.stop()
    give_back(running, ranges)


@pytest.fixture
def disk(running):
    """The guest with its disk, of which the cache stays; its habits of writing come back."""
    if running.call("test -b /dev/vda").status:
        pytest.skip("this kernel has no disk driver")
    habits = {name: running.run(f"cat /proc/sys/vm/{name}").strip()
              for name in ("dirty_ratio", "dirty_background_ratio")}
    # The cache of a disk goes when the last program closes it.
    running.run("sleep 10000 </dev/vda & echo $! >/tmp/reader")
    yield running
    running.run("kill $(cat /tmp/reader)")
    for name, value in habits.items():
        running.run(f"echo {value} >/proc/sys/vm/{name}")


def fill_cache(guest):
    """Read from the disk until the page cache fills the memory."""
    guest.run(f"dd if=/dev/vda of=/dev/null bs=1M count={guest.total() // MIB}", limit=120)
    assert meminfo(guest, "MemFree") < guest.total() // 8
    assert meminfo(guest, "Buffers") > guest.total() // 3


def test_full_of_page_cache(disk):
    """The cache makes room for the whole request; a program's memory stays."""
    hog = Memhog(disk, 64)
    fill_cache(disk)
    wanted = (spare(disk) - 32) * MIB
    start = time.monotonic()
    ranges = take(disk, wanted)
    assert time.monotonic() - start < 600
    assert wire.total(ranges) == wanted
    assert_counts(disk, wanted)
    hog.stop()
    give_back(disk, ranges)


def test_more_than_there_is_of_page_cache(disk):
    """The guest keeps its floor, whatever its cache holds."""
    fill_cache(disk)
    expected = disk.total() // 3
    ranges = take_all_until(disk, lambda ranges: wire.total(ranges) > expected)
    assert wire.total(ranges) > expected
    give_back(disk, ranges)


def test_short_of_memory_before_the_report(disk):
    """What was taken and is not reported is freed if the guest lacks it to its floor."""
    fill_cache(disk)
    floor_mib = f"{disk.parameters}/floor_mib"
    disk.run(f"(while grep -qx 'pages_ballooned: 0' {STATUS}; do :; done;"
             f" echo {disk.total() // MIB} >{floor_mib}) >/dev/null 2>&1 &")
    ranges, _ = disk.host.inflate((spare(disk) - 32) * MIB)
    disk.run(f"echo 0 >{floor_mib}")
    assert not ranges
    assert_counts(disk, 0)


def read_again(guest):
    """Return how often pages of files were read again so far, and faults that had to read."""
    figures = memory.vmstat(guest)
    return figures["workingset_refault_file"], figures["pgmajfault"]


@pytest.fixture
def scattered_cache(disk):
    """What a program reads all the time fills a half of many chunks; the other half is free in
    single pages. Of free chunks few are left, as another program has the rest."""
    floor_mib = f"{disk.parameters}/floor_mib"
    usual = {file: disk.run(f"cat {file}; echo 0 >{file}").strip() for file in BACKGROUND}
    disk.call(f"echo 64 >{floor_mib}")
    size = available(disk) // MIB - 16
    holes = Memhog(disk, size, "--small-pages --quick", "holes")
    holes.thin()
    disk.run(f"maploop /dev/vda {USED} >/tmp/rounds & echo $! >/tmp/maploop")
    wait_rounds(disk)
    holes.kill()
    others = Memhog(disk, 0, "--huge-pages --quick", "others")
    others.grow(pages_in_blocks(disk, CHUNK_ORDER) // MIB - FEW)
    yield disk
    disk.run("kill $(cat /tmp/maploop)")
    others.stop()
    disk.call(f"echo 0 >{floor_mib}")
    for file, value in usual.items():
        disk.run(f"echo {value} >{file}")


def wait_rounds(guest):
    """Wait until the program has read all of it twice more."""
    guest.run("rounds=$(wc -l </tmp/rounds);"
              " until [ $(wc -l </tmp/rounds) -gt $((rounds + 2)) ]; do sleep 0.1; done", limit=120)


def test_cache_that_a_program_uses(scattered_cache, capsys):
    """For more chunks it would have to be dropped, by evacuation or reclaim: single pages are
    taken instead, and none of it is read again. Nor has the next fork to drop some for a block of
    two pages: such blocks are left, and not only those that ZONE_DMA keeps for devices."""
    guest = scattered_cache
    before = read_again(guest)
    wanted = pages_in_blocks(guest, 1) + MORE * MIB
    with blocks_sampled(guest) as blocks:
        ranges = guest.host.inflate(wanted)[0]
    assert min(blocks) > BLOCKS_LEFT // 4
    wait_rounds(guest)
    refaults, faults = (now - then for now, then in zip(read_again(guest), before))
    with capsys.disabled():
        print(f" {wire.total(ranges) // MIB} MiB out: {refaults} refaults, {faults} major faults ")
    assert wire.total(ranges) == wanted
    assert refaults < USED * MIB // 100
    guest.host.deflate(ranges)
    assert_counts(guest, 0)


def take_until_refused(guest, pages):
    """The host asks for so many again and again, until it gets none as programs pay; return the
    ranges. Where kswapd is slow it gets none before as well, as allocation stalls."""
    ranges, deadline = [], time.monotonic() + 300
    while True:
        new = guest.host.inflate(pages)[0]
        ranges += new
        if not new and guest.run(f"cat {FILES}/floor_rule").strip() == "cost":
            return ranges
        assert time.monotonic() < deadline, "never refused for what programs pay"
        time.sleep(0.1 if new else 1)


@pytest.mark.parametrize("request_pages", [ALL, 8 * MIB], ids=["all at once", "8 MiB and again"])
def test_host_wants_what_a_program_reads(disk, request_pages):
    """Whatever the floor: ballooning ends when the program reads again what was taken."""
    if disk.patience > 1:
        pytest.skip("a debug kernel in emulation reads less in a second than the cost floor counts")
    used = 300
    floor_mib = f"{disk.parameters}/floor_mib"
    disk.run(f"echo 16 >{floor_mib}")
    disk.run(f"maploop /dev/vda {used} >/tmp/rounds & echo $! >/tmp/maploop;"
             " until [ $(wc -l </tmp/rounds) -gt 2 ]; do sleep 0.1; done", limit=120)
    try:
        ranges = take_until_refused(disk, request_pages)
        assert meminfo(disk, "Buffers") > used // 2 * MIB
    finally:
        disk.run(f"echo 0 >{floor_mib}; kill $(cat /tmp/maploop)")
    give_back(disk, ranges)


def test_full_of_cache_that_is_not_written_yet(disk):
    """What is not on the disk cannot go: the answer comes soon all the same, and then the rest."""
    # Nothing is written by itself before there is hardly room left.
    disk.run("cd /proc/sys/vm; echo 0 >dirty_writeback_centisecs; echo 100 >dirty_ratio;"
             " echo 99 >dirty_background_ratio")
    count = available(disk) // MIB - 40
    disk.run(f"dd if=/dev/zero of=/dev/vda bs=1M count={count}", limit=120)
    assert meminfo(disk, "Dirty") > count * 3 // 4 * MIB
    assert available(disk) - meminfo(disk, "Dirty") - meminfo(disk, "Writeback") < floor(disk)
    ranges = take_all(disk)
    assert wire.total(ranges) < FLOOR_SLACK
    disk.run("sync", limit=120)
    ranges += take_all_until(disk, lambda _: spare(disk) < 32)
    assert spare(disk) < 32
    give_back(disk, ranges)


def test_floor_is_not_left_in_single_pages(running, blocks):
    """The host returns every second page and wants as many again: the guest can still fork."""
    for _ in range(3):
        assert running.host.add(next(blocks), BLOCK) == (BLOCK, DONE)
    out = take_all(running)
    holes = [(start + page, 1) for start, count in out for page in range(0, count, 2)]
    running.host.deflate(holes)
    again = take_all(running)
    assert wire.total(again) > wire.total(holes) // 2
    assert pages_in_blocks(running) > running.status()["pages_floor"] // 16
    running.run("for i in $(seq 300); do sleep 2 & done; wait", limit=600)
    rest = [(start + page, 1) for start, count in out for page in range(1, count, 2)]
    give_back(running, rest + again)
