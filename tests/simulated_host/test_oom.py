# SPDX-License-Identifier: GPL-2.0-only
"""A guest that runs out of memory while the host has some for it, or has none."""

import contextlib
import re
import time

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .guest_memory import available
from .keeper import OwnGuest, agreed
from .memory_blocks import BLOCK
from .sysfs import FILES
from .tracing import TRACING, calls_counted, has_tracer
from .wire import DONE

OUT = 300 * MIB
MORE_MIB = 100      # what the program wants beyond what is available
BLOCK_MIB = 50      # the same if a block comes, of which the debug kernel uses much itself
REACTION = 1        # seconds that the host takes
EMERGENCY = 256 * MIB
LEFT_MIB = 64       # of available memory in a guest with ballast
PIECE = 16 * MIB    # with which the host counts as one that reacts
BETWEEN = 2         # seconds between two pieces
KILL_LIMIT = 300    # seconds: reclaim tries first
RETRY = 60          # seconds for which the driver does not wait again after a wait in vain
TRIES = 3           # of what must happen within some seconds of the guest
PAUSE_LIMIT = 300   # seconds; the driver pauses for 10
REPORT_LIMIT = 60   # seconds for a report of a guest that has no memory
SLICE_LIMIT = 10000     # milliseconds; a wait in one piece holds the lock of the kernel for 20 s


@pytest.fixture(scope="module")
def own_guest(keeper):
    """A guest of its own, as some cases let the kernel kill programs."""
    def start():
        simulator = keeper.new()
        simulator.kills_expected = True
        return simulator

    own = OwnGuest(start)
    yield own
    own.discard()


@pytest.fixture
def roomy(guest):
    """A guest of which the host has a part, and that waits some seconds for it."""
    agreed(guest, "oom_wait=20")
    ranges = guest.host.inflate(OUT)[0]
    return guest, ranges


@pytest.fixture
def small(roomy):
    """The same with ballast."""
    with ballast(roomy[0]):
        yield roomy


@contextlib.contextmanager
def ballast(guest):
    """A program that is not killed has nearly all memory, so that others need not grow far."""
    program = Memhog(guest, available(guest) // MIB - LEFT_MIB, "--quick --small-pages", "ballast")
    guest.run("echo -1000 >/proc/$(cat /tmp/ballast.pid)/oom_score_adj")
    try:
        yield
    finally:
        program.kill()


def grow(guest, mib=MORE_MIB):
    """Begin to use so much more than is available."""
    hog = Memhog(guest, 0, "--quick --small-pages")
    hog.begin(f"grow {available(guest) // MIB + mib}")
    return hog


def wait_killed(guest, hog):
    """Wait until the program is dead."""
    start = time.monotonic()
    while not hog.answered():
        assert time.monotonic() - start < KILL_LIMIT * guest.patience, "still alive"
        time.sleep(0.05)
    hog.kill()


def waits_until_killed(guest):
    """Let a program grow until it is killed; return how often the driver has waited before, for a
    slice each time."""
    with calls_counted(guest, "prepare_to_wait_event", caller="hvb_oom_") as waits:
        wait_killed(guest, grow(guest))
        return waits()


def logged(guest, text):
    """Return when the kernel has logged that, in seconds."""
    return [float(when) for when in re.findall(rf"^\[ *(\d+\.\d+)\].*{text}", guest.run("dmesg"),
                                               re.M)]


@pytest.mark.usefixtures("no_program_is_killed")
def test_host_gives_ballooned_memory_back(small):
    """It hears of the shortage at once, and no program is killed while it reacts."""
    guest, ranges = small
    hog = grow(guest)
    needed = guest.host.committed(REPORT_LIMIT)
    assert needed > OUT + EMERGENCY
    time.sleep(REACTION)
    guest.host.deflate(ranges)
    assert "holding" in hog.answer()
    hog.stop()


def pieces(ranges):
    """Cut what the host has into pieces that count, the rest into the last one."""
    piece, size = [], 0
    for start, count in ranges:
        while count:
            part = min(count, PIECE - size)
            piece.append((start, part))
            start, count, size = start + part, count - part, size + part
            if size == PIECE:
                yield piece
                piece, size = [], 0
    if piece:
        yield piece


@pytest.mark.usefixtures("no_program_is_killed")
def test_host_gives_back_bit_by_bit(small):
    """A host that reacts is waited for anew: in all for longer than the limit."""
    guest, ranges = small
    # A command in between would wait for memory as well. The program has enough after 24 s or so.
    guest.run(f"echo 15 >{guest.parameters}/oom_wait")
    hog = grow(guest, 2 * MORE_MIB)
    guest.host.committed(REPORT_LIMIT)
    for piece in pieces(ranges):
        time.sleep(BETWEEN)
        guest.host.deflate(piece)
    assert "holding" in hog.answer()
    hog.stop()


@pytest.mark.usefixtures("no_program_is_killed")
def test_host_adds_memory(small, blocks):
    """The same with memory that is new."""
    guest, ranges = small
    guest.host.deflate(ranges)
    hog = grow(guest, BLOCK_MIB)
    guest.host.committed(REPORT_LIMIT)
    time.sleep(REACTION)
    assert guest.host.add(next(blocks), BLOCK) == (BLOCK, DONE)
    assert "holding" in hog.answer()
    hog.stop()


def test_host_that_never_reacts(small):
    """A program is killed when the time is over, and the next one at once."""
    guest, ranges = small
    guest.run(f"echo 5 >{guest.parameters}/oom_wait")
    for _ in range(TRIES):
        first, more = waits_until_killed(guest), waits_until_killed(guest)
        begun = logged(guest, "waiting up to 5 s")[-1]
        killed = [when for when in logged(guest, "Out of memory: Killed process") if when > begun]
        assert killed[0] - begun > 4.9
        assert first or not has_tracer(guest, "function")
        if killed[1] - begun < 5 + RETRY:
            break
        guest.run(f"sleep {RETRY + 1}", limit=2 * RETRY)
    else:
        pytest.fail("the second one took too long each time")
    assert not more
    guest.host.deflate(ranges)


def test_no_wait_is_wanted(small):
    """With oom_wait=0 a program is killed as without the driver."""
    guest, ranges = small
    guest.run(f"echo 0 >{guest.parameters}/oom_wait")
    assert not waits_until_killed(guest)
    guest.host.deflate(ranges)


def taken_in_pause(guest):
    """Ask for pages; return what came if the pause had not ended by then, else None."""
    rule = f"cat {FILES}/floor_rule"
    before, taken, after = guest.run(rule), guest.host.inflate(1000)[0], guest.run(rule)
    return taken if before.strip() == after.strip() == "oom" else None


def test_host_takes_nothing_after_it(roomy):
    """For ten seconds, in which it would take what programs need most; then as before."""
    guest, ranges = roomy
    before = len(logged(guest, "recent OOM"))
    hog = grow(guest)
    guest.host.committed(REPORT_LIMIT)
    # Each slice of the wait begins the pause anew.
    assert guest.host.inflate(1000) == ([], 1)
    wait_killed(guest, hog)
    taken = taken_in_pause(guest)
    assert len(logged(guest, "recent OOM")) > before
    guest.run(f"echo 0 >{guest.parameters}/oom_wait")
    for _ in range(TRIES):
        if taken is not None:
            break
        wait_killed(guest, grow(guest))
        taken = taken_in_pause(guest)
    assert taken == []
    ended, more = time.monotonic(), []
    while not more:
        assert time.monotonic() - ended < PAUSE_LIMIT * guest.patience
        time.sleep(1)
        more, _ = guest.host.inflate(1000)
    guest.host.deflate(ranges + more)


def test_host_has_no_more(guest):
    """Nothing is ballooned, and the guest has the maximum: nothing is waited for."""
    agreed(guest, "oom_wait=20")
    guest.host.send(wire.info_max_pages(guest.total()))
    guest.wait_for("pages_max", guest.total())
    with ballast(guest):
        assert not waits_until_killed(guest)


def test_lock_of_the_killer_is_held_for_moments(small):
    """The out-of-memory handling of a cgroup needs it as well: each wait is a slice."""
    guest, ranges = small
    if not has_tracer(guest, "function_graph"):
        guest.host.deflate(ranges)
        pytest.skip("this kernel does not time functions")
    guest.run(f"cd {TRACING} && echo out_of_memory >set_ftrace_filter &&"
              " echo out_of_memory >set_graph_function && echo function_graph >current_tracer")
    hog = grow(guest)
    guest.host.committed(REPORT_LIMIT)
    wait_killed(guest, hog)
    trace = guest.run(f"cd {TRACING} && cat trace && echo nop >current_tracer &&"
                      " echo >set_graph_function && echo >set_ftrace_filter")
    times = [float(line.split("us")[0].split()[-1]) / 1000 for line in trace.splitlines()
             if "out_of_memory();" in line]
    assert len(times) > 1 and max(times) < SLICE_LIMIT, times
    guest.host.deflate(ranges)
