# SPDX-License-Identifier: GPL-2.0-only
"""A guest that runs out of memory while the host has some for it, or has none."""

import time

import pytest

from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .guest_memory import available
from .keeper import OwnGuest, agreed
from .memory_blocks import BLOCK
from .tracing import TRACING, calls_counted, has_tracer
from .wire import DONE

OUT = 300 * MIB
MORE_MIB = 100      # what the program wants beyond what is available
BLOCK_MIB = 50      # the same if a block comes, of which the debug kernel uses much itself
REACTION = 1        # seconds that the host takes
EMERGENCY = 256 * MIB
# Of these seconds a program may be killed later than by the bound: reclaim tries first.
SLACK = 8
PIECE = 16 * MIB    # with which the host counts as one that reacts
PAUSE_LIMIT = 20    # seconds; the driver pauses for 10
FEW = 10            # calls of the killer, of which each waits 50 ms if it waits
REPORT_LIMIT = 60   # seconds for a report of a guest that has no memory
SLICE_LIMIT = 2500  # milliseconds; a wait in one piece holds the lock of the kernel for 5 s


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
def small(guest):
    """A guest of which the host has a part, and that waits some seconds for it."""
    agreed(guest, "oom_wait=20")
    ranges = guest.host.inflate(OUT)[0]
    return guest, ranges


def grow(guest, mib=MORE_MIB):
    """Begin to use so much more than is available."""
    hog = Memhog(guest, 0, "--quick --small-pages")
    hog.begin(f"grow {available(guest) // MIB + mib}")
    return hog


def wait_killed(guest, hog, limit=60):
    """Return the seconds until the program is dead."""
    start = time.monotonic()
    while not hog.answered():
        assert time.monotonic() - start < limit * guest.patience, "still alive"
        time.sleep(0.05)
    return time.monotonic() - start


def calls_until_killed(guest):
    """Let a program grow until it is killed; return how often the killer was called for that."""
    with calls_counted(guest, "out_of_memory") as calls:
        hog = grow(guest)
        wait_killed(guest, hog)
        hog.kill()
        return calls()


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


@pytest.mark.usefixtures("no_program_is_killed")
def test_host_gives_back_bit_by_bit(small):
    """A host that reacts is waited for anew: in all for longer than the limit."""
    guest, ranges = small
    guest.run(f"echo 5 >{guest.parameters}/oom_wait")
    hog = grow(guest, 2 * MORE_MIB)
    guest.host.committed(REPORT_LIMIT)
    for start, count in ranges:
        for at in range(start, start + count, PIECE):
            time.sleep(REACTION)
            guest.host.deflate([(at, min(PIECE, start + count - at))])
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
    hog = grow(guest)
    guest.host.committed(REPORT_LIMIT)
    assert 3 < wait_killed(guest, hog) < 5 + SLACK * guest.patience
    hog.kill()
    assert calls_until_killed(guest) < FEW
    guest.host.deflate(ranges)


def test_no_wait_is_wanted(small):
    """With oom_wait=0 a program is killed as without the driver."""
    guest, ranges = small
    guest.run(f"echo 0 >{guest.parameters}/oom_wait")
    assert calls_until_killed(guest) < FEW
    guest.host.deflate(ranges)


def test_host_takes_nothing_after_it(small):
    """For ten seconds, in which it would take what programs need most; then as before."""
    guest, ranges = small
    guest.run(f"echo 0 >{guest.parameters}/oom_wait")
    calls_until_killed(guest)
    ended = time.monotonic()
    assert guest.host.inflate(1000) == ([], 1)
    assert guest.has_said("recent OOM", lines=40)
    more = []
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
    assert calls_until_killed(guest) < FEW


def test_lock_of_the_killer_is_held_for_moments(small):
    """The out-of-memory handling of a cgroup needs it as well: each wait is a slice."""
    guest, ranges = small
    if not has_tracer(guest, "function_graph"):
        guest.host.deflate(ranges)
        pytest.skip("this kernel does not time functions")
    guest.run(f"echo 5 >{guest.parameters}/oom_wait;"
              f" cd {TRACING} && echo out_of_memory >set_ftrace_filter &&"
              " echo out_of_memory >set_graph_function && echo function_graph >current_tracer")
    hog = grow(guest)
    guest.host.committed(REPORT_LIMIT)
    wait_killed(guest, hog)
    hog.kill()
    trace = guest.run(f"cd {TRACING} && cat trace && echo nop >current_tracer &&"
                      " echo >set_graph_function && echo >set_ftrace_filter")
    times = [float(line.split("us")[0].split()[-1]) / 1000 for line in trace.splitlines()
             if "out_of_memory();" in line]
    assert len(times) > 10 and max(times) < SLICE_LIMIT * guest.patience, times
    guest.host.deflate(ranges)
