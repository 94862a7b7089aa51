# SPDX-License-Identifier: GPL-2.0-only
"""Allocations that fail, everywhere and at any time: only the debug kernel can make them fail."""

import contextlib
import queue
import time

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .guest_memory import spare
from .memory_blocks import BLOCK, BLOCKS_FOLDER, change
from .ranges import inside
from .wire import DONE, STEP, TRANSIENT

SLAB, PAGES = "failslab", "fail_page_alloc"
TOO_MANY = 500  # more than the allocations of one probe
PROBE_LIMIT = 60   # seconds

SETTINGS = """
cd /sys/kernel/debug/{kind}
echo 0 >probability
echo 0 >verbose
echo Y >task-filter
echo N >ignore-gfp-wait
[ ! -e ignore-gfp-highmem ] || echo N >ignore-gfp-highmem
[ ! -e min-order ] || echo {least_order} >min-order
echo {times} >times
echo {probability} >probability
"""

# The driver works in kworkers; those that come later are children of kthreadd.
MARK_WORKERS = "for comm in $(grep -l -e ^kworker -e ^kthreadd /proc/[0-9]*/comm); do" \
               " echo 1 >${comm%comm}make-it-fail; done"
MARK_ME = "echo 1 >/proc/self/make-it-fail"

# Runs in the task that binds; writes what is left of the count, 0 if an allocation has failed,
# which may be one of the task's own.
BIND = """
rm -f /tmp/left
(
    echo {nth} >/proc/self/fail-nth
    echo dynamic-memory >{driver}/bind
    read left </proc/self/fail-nth || left=0
    echo 0 >/proc/self/fail-nth
    echo $left >/tmp/left
) 2>/dev/null &
"""


@pytest.fixture(autouse=True)
def only_where_faults_can_be_injected(machine):
    """Stock kernels cannot."""
    if machine.call(f"test -d /sys/kernel/debug/{SLAB}").status:
        pytest.skip("this kernel injects no faults")


@contextlib.contextmanager
def faults(guest, kind, probability=100, times=-1, least_order=0):
    """Let allocations of the kernel's workers fail while the block runs."""
    guest.run(SETTINGS.format(kind=kind, probability=probability, times=times,
                              least_order=least_order) + MARK_WORKERS)
    try:
        yield
    finally:
        guest.run(f"echo 0 >/sys/kernel/debug/{kind}/probability")


def answered_probe(guest):
    """Play the host until the task that binds is done; return what is left of its count."""
    deadline = time.monotonic() + PROBE_LIMIT * guest.patience
    while time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            kind = guest.host.receive(0.1).type
            if kind == wire.VERSION_REQUEST:
                guest.host.send(wire.version_response(True))
            elif kind == wire.CAPABILITIES_REPORT:
                guest.host.send(wire.capabilities_response(True))
            continue
        left = guest.call("cat /tmp/left 2>/dev/null").output.strip()
        if left:
            return int(left)
    raise AssertionError("the task that binds does not end")


@pytest.mark.slow
def test_each_allocation_of_the_probe(running):
    """Whichever of them fails: the driver binds or lets go of all, and binds the next time."""
    running.run(f"echo dynamic-memory >{running.driver_folder}/unbind")
    running.run(SETTINGS.format(kind=SLAB, probability=0, times=-1, least_order=0))
    for nth in range(1, TOO_MANY):
        running.run(BIND.format(nth=nth, driver=running.driver_folder))
        left = answered_probe(running)
        if running.bound():
            running.run(f"echo dynamic-memory >{running.driver_folder}/unbind")
        if left:
            break
    print(f"{nth} allocations")
    assert 20 < nth < TOO_MANY - 1
    counters = running.counters()
    assert counters["opens"] == counters["closes"]


def single_page_failures(guest):
    """Return how often the driver got not even a single page."""
    line, = guest.run("grep '^0 ' /sys/kernel/debug/hv_balloon/blocks").splitlines()
    return int(line.split()[2])


@pytest.mark.parametrize("probability, times", [(100, 1), (100, 9), (100, 30), (100, -1),
                                                (5, -1), (30, -1), (80, -1)])
def test_inflate(running, probability, times):
    """The host gets less, or smaller pieces, and never a wrong answer."""
    wanted = 100 * MIB
    with faults(running, PAGES, probability, times):
        ranges, _ = running.host.inflate(wanted)
        given = wire.total(ranges)
        assert_counts(running, given)
        half = len(ranges) // 2
        running.host.deflate(ranges[:half])
    # Ten orders are tried for a block, and again later. The failures are not only the driver's:
    # the debug kernel's records need memory too.
    assert times == -1 or given == wanted
    assert given == wanted or single_page_failures(running) > 1
    assert (probability, times) != (100, -1) or not given
    ranges = ranges[half:]
    ranges += running.host.inflate(wanted - wire.total(ranges))[0]
    assert_counts(running, wanted)
    running.host.deflate(ranges)
    assert_counts(running, 0)


def test_blocks_are_cleared(running):
    """The allocator makes no large block: what lies in some is moved away, and loses nothing."""
    wanted = 64 * MIB
    hog = Memhog(running, spare(running) // 2, "--small-pages")
    hog.thin()
    with faults(running, PAGES, least_order=9):
        ranges, messages = running.host.inflate(wanted)
    assert (wire.total(ranges), messages) == (wanted, 1)
    assert running.status()["blocks_cleared"] == wanted // wire.LARGE
    assert all(start % wire.LARGE == count % wire.LARGE == 0 for start, count in ranges)
    assert_counts(running, wanted)
    first = ranges[0][0]
    running.host.deflate([(first + 1, 1), (first, 1)])
    running.host.deflate([(first + 2, ranges[0][1] - 2)] + ranges[1:])
    assert_counts(running, 0)
    hog.stop()


def online_all(guest):
    """Online what stayed offline because an allocation has failed."""
    guest.run(f"for state in {BLOCKS_FOLDER}/memory*/state; do"
              " grep -q online $state || echo online >$state; done")


@pytest.mark.parametrize("kind, probability, least_order", [
    (SLAB, 1, 0), (SLAB, 5, 0), (SLAB, 20, 0), (PAGES, 20, 1), (PAGES, 100, 1)])
def test_hot_add(running, blocks, kind, probability, least_order):
    """Each offer is answered with what was added; without faults the rest comes too."""
    before, block, added = running.total(), next(blocks), 0
    had = running.status()["pages_hot_added"]
    with faults(running, kind, probability, least_order=least_order):
        for start in range(0, 4 * STEP, STEP):
            running.host.send(wire.hot_add(block + start, STEP))
            added += running.host.expect(wire.HOT_ADD_RESPONSE, 90).words("<II")[0]
    assert running.status()["pages_hot_added"] == had + added
    online_all(running)
    assert running.total() == before + added
    added += running.host.add(block, BLOCK)[0]
    assert added == BLOCK
    online_all(running)
    assert running.total() == before + BLOCK


def test_offer_waits_for_memory(running, blocks):
    """While nothing can be allocated the driver tries again; then all is added."""
    before, block = running.total(), next(blocks)
    with faults(running, SLAB):
        running.host.send(wire.hot_add(block, BLOCK))
        assert running.host.silent(5)
    assert running.host.expect(wire.HOT_ADD_RESPONSE, 20).words("<II") == (BLOCK, DONE)
    online_all(running)
    assert running.total() == before + BLOCK


@pytest.mark.slow
def test_offer_waits_in_vain(running, blocks):
    """After a minute the host is answered: nothing was added; it may ask again."""
    block = next(blocks)
    with faults(running, SLAB):
        running.host.send(wire.hot_add(block, BLOCK))
        assert running.host.expect(wire.HOT_ADD_RESPONSE, 90).words("<II") == (0, TRANSIENT)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)


def known_to_be_out(guest):
    """Return the pages that the map has as the host's, of the allocator or of blocks' gaps."""
    folder = "/sys/kernel/debug/hv_balloon"
    blocks = guest.run("awk 'NR > 1 { pages += $3 } END { print pages + 0 }'"
                       f" {folder}/balloon")
    taken = guest.run(f"awk '/^taken/ {{ pages += $4 }} END {{ print pages + 0 }}' {folder}/regions")
    return int(blocks) + int(taken)


@pytest.mark.usefixtures("nobody_onlines")
@pytest.mark.parametrize("state", ["offline", "online"])
def test_return_of_what_lies_in_a_block_that_went_offline(running, blocks, state):
    """The map grows with each piece that comes back alone: what it does not take is still out."""
    block, whole = next(blocks), running.total()
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    change(running, block, "online_movable")
    ranges = inside(running.host.inflate(100 * MIB)[0], block)
    out = wire.total(ranges)
    change(running, block, "offline")
    if state == "online":
        change(running, block, "online_movable")
    single = [(start + page, 1) for start, count in ranges for page in range(1, count, 2)]
    others = running.status()["pages_ballooned"] - out
    with faults(running, SLAB):
        running.host.deflate(single)
    figures = running.status()
    assert figures["pages_ballooned"] == known_to_be_out(running)
    assert others + out - len(single) <= figures["pages_ballooned"] <= others + out
    refused = figures["pages_ballooned"] - (others + out - len(single))
    print(f"{refused} of {len(single)} pages could not be taken back")
    assert refused > 0
    # What came back is not taken twice; what did not, is still there to be returned.
    running.host.deflate(single)
    assert running.status()["foreign_ranges"] == len(single) - refused
    assert running.status()["pages_ballooned"] == known_to_be_out(running) == (
        others + out - len(single))
    running.host.deflate([(start + page, 1) for start, count in ranges
                          for page in range(0, count, 2)])
    assert running.status()["pages_ballooned"] == known_to_be_out(running) == others
    assert running.status()["pages_hidden"] == 0
    if state == "offline":
        change(running, block, "online")
    assert running.total() == whole + BLOCK


SEND_LIMIT = 60     # seconds after which a host has gone that reads nothing
NEARLY_FULL = 505   # short answers, after which a ring has room for no long one


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_onlines")
def test_what_was_not_reported_comes_back_without_memory(running, blocks):
    """The answer cannot be sent, the block of its pages goes offline, and there is no memory: the
    host never had them, so they must be the guest's again."""
    block, whole = next(blocks), running.total()
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    change(running, block, "online_movable")
    running.run(f"echo 2 >{running.parameters}/max_range_mib")
    running.host.pause()
    for _ in range(NEARLY_FULL):
        running.host.send(wire.unballoon([]))
    running.host.send(wire.balloon(64 * MIB))
    running.wait_for("pages_ballooned", 64 * MIB)
    change(running, block, "offline")
    with faults(running, SLAB):
        running.wait_for("balloon_pages_refused", 64 * MIB, limit=2 * SEND_LIMIT)
    assert running.status()["pages_ballooned"] == 0
    running.host.resume()
    running.run(f"echo 0 >{running.parameters}/max_range_mib")
    with contextlib.suppress(queue.Empty):
        while True:
            running.host.receive(1)
    change(running, block, "online")
    assert running.total() == whole + BLOCK


# The kernel's own part of it does need memory: it is tried until that succeeds.
@pytest.mark.parametrize("probability", [10, 30, 50])
def test_unload_while_ballooned(running, blocks, probability):
    """Unloading needs no memory of its own; what the host has is found by the next load."""
    ranges, _ = running.host.inflate(20 * MIB)
    assert running.host.add(next(blocks), STEP) == (STEP, DONE)
    with faults(running, SLAB, probability):
        running.run(f"until ( {MARK_ME}; echo dynamic-memory >{running.driver_folder}/unbind )"
                    " 2>/dev/null; do sleep 0.1; done", limit=120)
    running.run(f"echo dynamic-memory >{running.driver_folder}/bind &")
    running.host.negotiate()
    running.wait_for("pages_ballooned", 20 * MIB)
    running.host.deflate(ranges)
    running.wait_for("pages_ballooned", 0)


def test_negotiation(guest):
    """The host is asked by a worker for which every second allocation fails."""
    guest.load("pressure_report_delay=0")
    with faults(guest, SLAB, 50):
        for _ in range(10):
            guest.offer()
            if negotiated(guest):
                guest.host.inflate(MIB)
            guest.rescind()
    counters = guest.counters()
    assert counters["opens"] == counters["closes"]


def negotiated(guest):
    """Play the host; return whether the driver has come to ask, and agreed."""
    try:
        guest.host.expect(wire.VERSION_REQUEST, 5)
    except queue.Empty:
        return False
    guest.host.send(wire.version_response(True))
    guest.host.expect(wire.CAPABILITIES_REPORT)
    guest.host.send(wire.capabilities_response(True))
    return True
