# SPDX-License-Identifier: GPL-2.0-only
"""hv_dynmem takes over from the in-tree driver while the guest runs, and gives the device back."""

import contextlib
import threading

import pytest

from lab import HV_BALLOON, HV_DYNMEM
from lab.guest import Guest
from lab.memhog import Memhog
from lab.memory import MIB

from . import built, wire
from .built import IN_TREE
from .keeper import Keeper, udev_stopped
from .machine import GUEST_MIB
from .memory_blocks import BLOCK, change, coming_online
from .ranges import halves, inside, outside
from .wire import DONE, STEP

FILE = f"/lab/{HV_DYNMEM}/{HV_DYNMEM}.ko"
DRIVERS = "/sys/bus/vmbus/drivers"
COUNTED = "/run/hvballoon/in-tree"  # the counters of the in-tree driver as of the last change
OUTPUT, STATUS = "/tmp/takeover.out", "/tmp/takeover.status"
LIMIT = 300     # seconds for a takeover, and for its first message to the host
ROUNDS = 5
GAP_IS_ALIKE = (6, 11)  # kernels in which a gap of the in-tree driver looks like a ballooned page


@pytest.fixture(scope="module")
def keeper(request):
    """Guests with both drivers."""
    kernel, mutant = map(request.config.getoption, ("--kernel", "--mutant"))
    files = {HV_DYNMEM: built.driver(kernel, HV_DYNMEM, mutant)}
    kept = Keeper(request.config, driver=IN_TREE, files=files)
    yield kept
    kept.finish()


@pytest.fixture
def in_tree(guest):
    """The in-tree driver serves the device; in the end it does again."""
    guest.load("pressure_report_delay=3600")
    guest.offer()
    guest.host.negotiate()
    wait_served(guest, HV_BALLOON)
    yield guest
    if serves(guest) == HV_DYNMEM:
        release(guest)


def serves(guest):
    """Return the name of the driver that serves the device, if there is one."""
    return guest.run(f"cd {DRIVERS}; for name in *; do [ ! -e $name/dynamic-memory ] ||"
                     " echo $name; done").strip()


def wait_served(guest, name):
    """Wait until that driver serves the device and has agreed with the host."""
    files = {HV_BALLOON: "hv-balloon", HV_DYNMEM: "hv_balloon/status"}
    guest.run(f"until [ -e {DRIVERS}/{name}/dynamic-memory ] &&"
              f" [ -e /sys/kernel/debug/{files[name]} ]; do sleep 0.1; done")


def in_tree_figures(guest):
    """Return what the in-tree driver says of itself, as text."""
    lines = guest.run("cat /sys/kernel/debug/hv-balloon").splitlines()
    return {name.strip(): value.strip() for name, value in (line.split(":", 1) for line in lines)}


def ours(guest):
    """Return the figures of hv_dynmem."""
    return Guest.status(guest)


def begin(guest, words):
    """Begin a command; it may have to wait for the host."""
    guest.run(f"rm -f {STATUS}; (hvballoon {words} >{OUTPUT} 2>&1; echo $? >{STATUS})"
              " >/dev/null 2>&1 &")


def end(guest):
    """Wait until it has ended; return its status and what it has said."""
    guest.run(f"until [ -s {STATUS} ]; do sleep 0.1; done", LIMIT)
    return int(guest.run(f"cat {STATUS}")), guest.run(f"cat {OUTPUT}")


def change_driver(guest, words, answered=True):
    """Run a command that lets another driver agree with the host; return what it has said."""
    begin(guest, words)
    try:
        if answered:
            guest.host.negotiate(limit=LIMIT)
    finally:
        status, text = end(guest)
    assert status == 0, text
    return text


def take_over(guest):
    """Let hv_dynmem take over; return what the command has said."""
    text = change_driver(guest, f"takeover --module {FILE}")
    assert serves(guest) == HV_DYNMEM
    return text


def release(guest):
    """Let the in-tree driver have the device; return what the command has said."""
    text = change_driver(guest, "release")
    wait_served(guest, HV_BALLOON)
    assert not guest.call(f"test -d /sys/module/{HV_DYNMEM}").status == 0
    return text


def refused(guest, words=f"takeover --module {FILE}"):
    """Run a command that must be refused before it begins; return its words."""
    begin(guest, words)
    status, text = end(guest)
    assert status == 1 and text.startswith(f"hvballoon: no {words.split()[0]}: "), text
    return text


def failed(guest):
    """Let a takeover that has begun come to its end, the in-tree driver at work again."""
    guest.host.negotiate(limit=LIMIT)
    status, text = end(guest)
    assert status == 1 and "takeover failed: " in text, text
    wait_served(guest, HV_BALLOON)
    assert serves(guest) == HV_BALLOON
    return text


def assert_works(guest):
    """The driver gives the host memory and gets it back."""
    before = guest.total()
    ranges, _ = guest.host.inflate(20 * MIB)
    assert wire.total(ranges) == 20 * MIB
    guest.host.deflate(ranges)
    assert guest.total() == before


def balloon(guest, pages):
    """Let the driver give the host that much; return the ranges."""
    ranges, _ = guest.host.inflate(pages)
    assert wire.total(ranges) == pages
    return ranges


def kernel_version(guest):
    """Return the version of the guest's kernel."""
    return tuple(map(int, guest.run("uname -r").split(".")[:2]))


# Taken over


def test_nothing_ballooned(in_tree):
    """Ours serves the host, says so in the log, and goes again; nothing is left behind."""
    total = in_tree.total()
    assert "0 MiB ballooned, 0 MiB hot-added" in take_over(in_tree)
    assert "hvballoon: hv_dynmem has taken over" in in_tree.run("dmesg")
    assert ours(in_tree)["state"] == "running"
    assert_works(in_tree)
    assert in_tree.total() == total
    assert "serves the device again" in release(in_tree)
    assert in_tree_figures(in_tree)["state"].startswith("1 ")
    assert_works(in_tree)
    assert in_tree.total() == total


def test_dry_run_changes_nothing(in_tree):
    """It checks, and says what it would do."""
    balloon_ranges = balloon(in_tree, 30 * MIB)
    text = change_driver(in_tree, f"takeover --dry-run --module {FILE}", answered=False)
    assert f"load {FILE}" in text
    assert serves(in_tree) == HV_BALLOON
    assert in_tree.call(f"test -d /sys/module/{HV_DYNMEM}").status
    in_tree.host.deflate(balloon_ranges)


def test_ballooned(in_tree):
    """300 MiB: each page is known, the guest's total stays, and the host returns all of it."""
    total = in_tree.total()
    ranges = balloon(in_tree, 300 * MIB)
    assert in_tree.total() == total - 300 * MIB
    take_over(in_tree)
    assert in_tree.total() == total - 300 * MIB
    assert ours(in_tree)["pages_ballooned"] == ours(in_tree)["pages_hidden"] == 300 * MIB
    assert "300 MiB" in refused(in_tree, "release")
    first, second = halves(ranges)
    in_tree.host.deflate(first)
    assert ours(in_tree)["pages_ballooned"] == wire.total(second)
    assert in_tree.total() == total - wire.total(second)
    in_tree.host.deflate(second)
    assert ours(in_tree)["foreign_ranges"] == 0
    assert in_tree.total() == total
    assert "still counts" in release(in_tree)
    assert_works(in_tree)


def test_hot_added(in_tree, blocks):
    """256 MiB are known as hot-added; one goes offline and comes back, the next one joins."""
    block = blocks.row(3)
    assert in_tree.host.add(block, 2 * BLOCK) == (2 * BLOCK, DONE)
    total = in_tree.total()
    assert "256 MiB hot-added" in take_over(in_tree)
    assert in_tree.total() == total
    assert ours(in_tree)["pages_hot_added"] == ours(in_tree)["pages_hot_added_online"] == 2 * BLOCK
    assert in_tree.host.add(block + 2 * BLOCK, BLOCK) == (BLOCK, DONE)
    assert ours(in_tree)["pages_hot_added_online"] == 3 * BLOCK
    assert in_tree.total() == total + BLOCK
    change(in_tree, block + 2 * BLOCK, "offline")
    assert ours(in_tree)["pages_hot_added_online"] == 2 * BLOCK
    assert "offline" in refused(in_tree, "release")
    change(in_tree, block + 2 * BLOCK, "online")
    release(in_tree)
    assert_works(in_tree)
    assert "384 MiB hot-added" in take_over(in_tree)


@pytest.mark.parametrize("ballooned", [0, 100 * MIB], ids=["", "ballooned"])
def test_block_in_steps(in_tree, blocks, ballooned):
    """The gap of the in-tree driver is known, also to the next load, and the host fills it."""
    block = next(blocks)
    region, part, total = (block, BLOCK), BLOCK // 4, in_tree.total()
    assert in_tree.host.add(block, part, region) == (part, DONE)
    assert in_tree.host.add(block + part, STEP, region) == (STEP, DONE)
    assert in_tree.total() == total + part + STEP
    ranges = balloon(in_tree, ballooned) if ballooned else []
    take_over(in_tree)
    gap = BLOCK - part - STEP
    line = f"gap {block + part + STEP:#x} {block + BLOCK:#x} {gap}"
    regions = "cat /sys/kernel/debug/hv_balloon/regions"
    assert line in in_tree.run(regions)
    assert ours(in_tree)["pages_ballooned"] == ballooned
    assert f"({gap} pages) are missing" in refused(in_tree, "release") or ballooned

    in_tree.run(f"rmmod {HV_DYNMEM}")
    in_tree.run(f"insmod {FILE} >/dev/null 2>&1 &")
    in_tree.host.negotiate()
    wait_served(in_tree, HV_DYNMEM)
    assert line in in_tree.run(regions)
    assert ours(in_tree)["pages_ballooned"] == ballooned

    assert in_tree.host.add(block + part + STEP, gap, region) == (gap, DONE)
    assert in_tree.total() == total + BLOCK - ballooned
    in_tree.host.deflate(ranges)
    assert in_tree.total() == total + BLOCK
    assert ours(in_tree)["pages_ballooned"] == 0


def test_ballooned_in_hot_added_memory(in_tree, blocks):
    """What the host has of a hot-added block is no gap of it."""
    block = blocks.row(5)
    assert in_tree.host.add(block, 5 * BLOCK) == (5 * BLOCK, DONE)
    total = in_tree.total()
    # More than there is of boot memory beside the kernel.
    ranges = balloon(in_tree, 900 * MIB)
    assert any(start >= GUEST_MIB * MIB for start, _ in ranges), "nothing of it was ballooned"
    take_over(in_tree)
    assert ours(in_tree)["pages_ballooned"] == 900 * MIB
    assert ours(in_tree)["pages_hot_added_online"] >= 5 * BLOCK
    in_tree.host.deflate(ranges)
    assert in_tree.total() == total
    assert ours(in_tree)["foreign_ranges"] == 0


def test_programs_go_on(in_tree):
    """One that reads its memory all the time finds in it what it wrote, there and back."""
    ranges = balloon(in_tree, 100 * MIB)
    hog = Memhog(in_tree, 300)
    in_tree.run("rm -f /tmp/enough; (until [ -e /tmp/enough ]; do echo verify; sleep 0.2; done"
                " >/tmp/memhog.in) >/dev/null 2>&1 &")
    take_over(in_tree)
    in_tree.host.deflate(ranges)
    release(in_tree)
    in_tree.run("touch /tmp/enough; sleep 2")
    lines = in_tree.run("cat /tmp/memhog.out").splitlines()[1:]
    assert len(lines) > 3
    wrong = [line for line in lines if int(line.split(",")[1].split()[0])]
    assert not wrong, wrong
    hog.kill()


def test_there_and_back(in_tree):
    """Each time another part is ballooned; the counters of the in-tree driver go on from there."""
    total = in_tree.total()
    first = int(in_tree_figures(in_tree)["pages_ballooned"])
    for number in range(1, ROUNDS + 1):
        pages = number * 10 * MIB + number
        ranges = balloon(in_tree, pages)
        take_over(in_tree)
        assert ours(in_tree)["pages_ballooned"] == pages
        in_tree.host.deflate(ranges)
        release(in_tree)
        assert in_tree.total() == total
    last = int(in_tree_figures(in_tree)["pages_ballooned"])
    assert last - first == sum(number * 10 * MIB + number for number in range(1, ROUNDS + 1))


def test_next_version_of_ours(in_tree):
    """It is loaded without a restart while the host has memory."""
    ranges = balloon(in_tree, 300 * MIB)
    take_over(in_tree)
    first, second = halves(ranges)
    in_tree.host.deflate(first)
    in_tree.run(f"rmmod {HV_DYNMEM}")
    in_tree.run(f"insmod {FILE} >/dev/null 2>&1 &")
    in_tree.host.negotiate()
    wait_served(in_tree, HV_DYNMEM)
    assert ours(in_tree)["pages_ballooned"] == wire.total(second)
    in_tree.host.deflate(second)
    assert ours(in_tree)["pages_ballooned"] == ours(in_tree)["foreign_ranges"] == 0


def test_offered_again(in_tree):
    """The in-tree driver was there first and gets it; udev lets ours take over once more."""
    take_over(in_tree)
    in_tree.rescind()
    in_tree.offer()
    in_tree.host.negotiate()
    in_tree.host.negotiate(limit=LIMIT)
    wait_served(in_tree, HV_DYNMEM)
    assert_works(in_tree)


def test_released_stays_so(in_tree):
    """Once it was given back the rule of udev leaves the device where it is."""
    take_over(in_tree)
    release(in_tree)
    in_tree.rescind()
    in_tree.offer()
    in_tree.host.negotiate()
    wait_served(in_tree, HV_BALLOON)
    in_tree.run("udevadm settle; sleep 3")
    assert serves(in_tree) == HV_BALLOON


# Refused, or taken back


def test_other_state(in_tree, blocks):
    """The in-tree driver waits for a block that comes online: it is not idle."""
    with udev_stopped(in_tree):
        with coming_online(in_tree, wire.hot_add(next(blocks), BLOCK)):
            text = refused(in_tree)
        assert in_tree.host.expect(wire.HOT_ADD_RESPONSE, LIMIT).words("<II") == (BLOCK, DONE)
    assert "is in state 4" in text
    assert in_tree.call(f"test -d /sys/module/{HV_DYNMEM}").status
    take_over(in_tree)


def offset(guest, pages):
    """Change by so much what the command believes of the in-tree driver's count."""
    kept = guest.call(f"cat {COUNTED}").output.split()
    ballooned, *rest = map(int, kept) if len(kept) == 3 and "-" not in kept else (0, 0, 0)
    guest.run(f"mkdir -p /run/hvballoon; echo {ballooned + pages} {' '.join(map(str, rest))}"
              f" >{COUNTED}")


@pytest.mark.parametrize("pages, said", [(5, "5 too many"), (-7, "7 too few")])
def test_figures_that_do_not_agree(in_tree, pages, said):
    """It says by how much; the in-tree driver goes on with all that it has ballooned."""
    total = in_tree.total()
    ranges = balloon(in_tree, 100 * MIB)
    offset(in_tree, pages)
    begin(in_tree, f"takeover --module {FILE}")
    assert said in failed(in_tree)
    offset(in_tree, -pages)
    in_tree.host.deflate(ranges)
    assert in_tree.total() == total


def test_more_hot_added_than_there_is(in_tree):
    """As if memory had been removed since: it says how much there is."""
    said = in_tree_figures(in_tree)
    kept = in_tree.call(f"cat {COUNTED}").output
    in_tree.run(f"mkdir -p /run/hvballoon; echo {said['pages_ballooned']} {said['pages_added']}"
                f" {100 * BLOCK} >{COUNTED}")
    begin(in_tree, f"takeover --module {FILE}")
    text = failed(in_tree)
    assert f"has hot-added {int(said['pages_added']) + 100 * BLOCK} pages, but only" in text, text
    in_tree.run(f"rm {COUNTED}")
    if " " in kept.strip():
        in_tree.run(f"echo {kept.strip()} >{COUNTED}")


def looks_like_the_gap(ranges, block):
    """Tell whether the host has the last pages of a block, as many as are a gap of another."""
    return wire.total(inside(ranges, block)) and all(
        any(start <= pfn < start + count for start, count in ranges)
        for pfn in range(block + BLOCK - STEP, block + BLOCK))


def test_two_blocks_could_lack_pages(in_tree, blocks):
    """A gap of the in-tree driver, and blocks whose last pages the host has: from 6.11 on these look
    the same. Refused, until the host returns them; before 6.11 a gap can be told from them."""
    block = blocks.row(4)
    whole, part = range(block, block + 3 * BLOCK, BLOCK), block + 3 * BLOCK
    assert in_tree.host.add(block, 3 * BLOCK) == (3 * BLOCK, DONE)
    assert in_tree.host.add(part, BLOCK - STEP, (part, BLOCK)) == (BLOCK - STEP, DONE)
    total = in_tree.total()
    # Down to the in-tree driver's floor; what is not of these blocks goes back.
    taken, _ = in_tree.host.inflate(total)
    ranges = []
    for one in (*whole, part):
        ranges += inside(taken, one)
        taken = list(outside(taken, one))
    in_tree.host.deflate(taken)
    alike = [one for one in whole if looks_like_the_gap(ranges, one)]
    assert alike, "staging: the host has the end of no block"
    if GAP_IS_ALIKE <= kernel_version(in_tree):
        begin(in_tree, f"takeover --module {FILE}")
        assert f"{len(alike) + 1} blocks could lack them" in failed(in_tree)
        for one in alike:
            in_tree.host.deflate(inside(ranges, one))
            ranges = list(outside(ranges, one))
    take_over(in_tree)
    assert f"gap {part + BLOCK - STEP:#x} {part + BLOCK:#x} {STEP}" in in_tree.run(
        "cat /sys/kernel/debug/hv_balloon/regions")
    assert ours(in_tree)["pages_ballooned"] == wire.total(ranges)
    assert in_tree.host.add(part + BLOCK - STEP, STEP, (part, BLOCK)) == (STEP, DONE)
    in_tree.host.deflate(ranges)
    assert in_tree.total() == total + STEP
    assert ours(in_tree)["pages_ballooned"] == ours(in_tree)["foreign_ranges"] == 0


def test_host_does_not_agree(in_tree, blocks):
    """Our probe fails: balloon and gap are left as the in-tree driver knows them."""
    block = next(blocks)
    region = (block, BLOCK)
    assert in_tree.host.add(block, STEP, region) == (STEP, DONE)
    total = in_tree.total()
    ranges = balloon(in_tree, 100 * MIB)
    begin(in_tree, f"takeover --module {FILE}")
    last = False
    while not last:
        _, last = in_tree.host.expect(wire.VERSION_REQUEST, LIMIT).words("<II")
        in_tree.host.send(wire.version_response(False))
    failed(in_tree)
    in_tree.host.deflate(ranges)
    assert in_tree.total() == total
    take_over(in_tree)
    assert in_tree.host.add(block + STEP, BLOCK - STEP, region) == (BLOCK - STEP, DONE)
    assert in_tree.total() == total + BLOCK - STEP


def test_device_goes_in_the_middle(in_tree):
    """It says so; a device that comes later is served by the in-tree driver, and can be had."""
    begin(in_tree, f"takeover --module {FILE}")
    in_tree.host.expect(wire.VERSION_REQUEST, LIMIT)
    in_tree.rescind()
    status, text = end(in_tree)
    assert status == 1 and "the device has gone" in text, text
    in_tree.offer()
    in_tree.host.negotiate()
    wait_served(in_tree, serves(in_tree))
    if serves(in_tree) == HV_BALLOON:
        take_over(in_tree)


@contextlib.contextmanager
def host_never_quiet(guest):
    """The host asks for a page, again and again; in the end it gives all of them back."""
    enough = threading.Event()
    ranges = []

    def work():
        while not enough.wait(0.02):
            ranges.extend(guest.host.inflate(1)[0])

    host = threading.Thread(target=work)
    host.start()
    try:
        yield
    finally:
        enough.set()
        host.join()
    guest.host.deflate(ranges)


def test_host_is_not_quiet(in_tree):
    """The in-tree driver must not go while it has something to do."""
    total = in_tree.total()
    with host_never_quiet(in_tree):
        text = refused(in_tree)
    assert "not quiet" in text or "in state" in text
    assert serves(in_tree) == HV_BALLOON
    assert in_tree.total() == total


def test_module_without_a_signature(request, keeper):
    """A kernel in lockdown takes none; the command says so before it does anything."""
    with keeper.new(**keeper.options) as own:
        request.node.simulator = own
        own.load("pressure_report_delay=3600")
        own.offer()
        own.host.negotiate()
        wait_served(own, HV_BALLOON)
        if own.call("mount -t securityfs securityfs /sys/kernel/security"
                    " && echo integrity >/sys/kernel/security/lockdown").status:
            pytest.skip("this kernel was built without that")
        assert "has no signature" in refused(own)
        assert_works(own)
        assert not own.warnings(), "\n".join(own.warnings())


def test_nothing_to_do(in_tree):
    """Each command where it was done already."""
    assert "nothing to release" in change_driver(in_tree, "release", answered=False)
    take_over(in_tree)
    assert "already" in change_driver(in_tree, "takeover", answered=False)
