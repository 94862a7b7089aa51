# SPDX-License-Identifier: GPL-2.0-only
"""Hot-add when there is not even memory for the memory map of a block.

In a guest of its own, since a small one is the quickest to fill.
"""

import re
import time

import pytest

from lab import kernels
from lab.memhog import Memhog
from lab.memory import MIB

from . import wire
from .balance import assert_counts
from .guest_memory import kernel_zones, meminfo
from .keeper import OwnGuest
from .memory_blocks import BLOCK, folder_of, onlined
from .simulator import CONTROL
from .wire import DONE, TRANSIENT

PATIENCE = 60  # seconds for which the driver tries
NOTED = ("hvb_pump", "hvb_deflate", "hvb_pending_begin")
# The memory map of a block takes 2 MiB, of which the driver leaves a quarter on top. A shell
# command gets along with less.
LEFT_KIB = 1200
WATERMARKS = {"watermark_boost_factor": "0", "min_free_kbytes": "256",
              "lowmem_reserve_ratio": "0 0 0 0 0",
              # What processors keep at hand is free, and not in MemFree.
              "percpu_pagelist_high_fraction": "100000"}
BULK_REST = 32 * MIB
FILLINGS, SETTLE = 5, 0.5  # times, seconds
SIZE_MIB = 512


@pytest.fixture(scope="module")
def own_guest(keeper, request):
    """A guest that has only what it booted with."""
    if request.config.getoption("--kernel") == kernels.DEBUG:
        pytest.skip("KASAN wants memory for each block that is onlined, and complains of none")
    own = OwnGuest(lambda: keeper.new(told=SIZE_MIB))
    yield own
    own.discard()


@pytest.fixture
def low_watermarks(machine):
    """Let programs use what the kernel keeps for itself."""
    usual = {name: machine.run(f"cat /proc/sys/vm/{name}").strip() for name in WATERMARKS}
    set_watermarks(machine, WATERMARKS)
    yield
    set_watermarks(machine, usual)


def set_watermarks(guest, values):
    """Set what the kernel keeps for itself."""
    for name, value in values.items():
        guest.run(f"echo {value} >/proc/sys/vm/{name}")


@pytest.fixture
def ranges(running):
    """What the host has: 64 MiB."""
    return running.host.inflate(64 * MIB)[0]


@pytest.fixture
def hog(running, low_watermarks):
    """A program that holds all memory but a rest that is too small for a memory map."""
    program = fill(running, LEFT_KIB)
    yield program
    program.kill()


def fill(guest, left_kib):
    """Start a program that holds all memory but that."""
    program = Memhog(guest, (meminfo(guest, "MemFree") - BULK_REST) // MIB, "--quick")
    # Programs that have ended give their memory back, processors what they kept at hand.
    for _ in range(FILLINGS):
        program.leave(left_kib)
        time.sleep(SETTLE)
    return program


def parked(guest, block):
    """Offer memory, for which the guest finds no memory map: it does not answer yet."""
    guest.host.send(wire.hot_add(block, BLOCK))
    assert guest.host.silent(0.3)


def answer(guest, limit):
    """Return (pages added, result)."""
    return guest.host.expect(wire.HOT_ADD_RESPONSE, limit).words("<II")


@pytest.fixture
def traced(running):
    """Let the guest note when the pump runs, returns memory, and begins to add some."""
    running.run(f"cd /sys/kernel/tracing && echo {' '.join(NOTED)} >set_ftrace_filter &&"
                " echo function >current_tracer")
    yield
    running.run("cd /sys/kernel/tracing && echo nop >current_tracer && echo >set_ftrace_filter")


def after_deflate(guest):
    """Return what comes next after it."""
    trace = guest.run("cat /sys/kernel/tracing/trace")
    names = re.findall(rf" \d+\.\d+: ({'|'.join(NOTED)}) <-", trace)
    return names[len(names) - names[::-1].index("hvb_deflate")]


def test_memory_comes_back_by_deflate(
        running, blocks, ranges, traced, hog):
    """The host returns memory: its offer is taken at once, and not when the pump runs next."""
    before = running.total()
    parked(running, next(blocks))
    running.host.deflate(ranges)
    assert answer(running, PATIENCE) == (BLOCK, DONE)
    assert after_deflate(running) == "hvb_pending_begin"
    hog.stop()
    assert running.total() == before + BLOCK
    assert_counts(running, 0)


def test_memory_comes_back_by_the_end_of_a_program(running, blocks, hog):
    """The driver looks by itself."""
    before = running.total()
    parked(running, next(blocks))
    hog.kill()
    assert answer(running, PATIENCE) == (BLOCK, DONE)
    assert running.total() == before + BLOCK


@pytest.mark.slow
def test_memory_never_comes_back(running, blocks, hog):
    """After a minute the host is answered, and may ask again."""
    block = next(blocks)
    start = time.monotonic()
    parked(running, block)
    assert answer(running, PATIENCE + 10) == (0, TRANSIENT)
    assert PATIENCE - 1 < time.monotonic() - start < PATIENCE + 5
    assert running.status()["state"] == "running"
    hog.stop()
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)


@pytest.mark.usefixtures("hog")
def test_new_offer_ends_the_waiting(running, blocks):
    """The old one is answered as it stands, the new one waits in its place."""
    block = next(blocks)
    parked(running, block)
    running.host.send(wire.hot_add(block, BLOCK))
    assert answer(running, 30) == (0, TRANSIENT)
    assert running.host.silent(0.3)


def test_balloon_while_an_offer_waits(running, blocks, ranges, hog):
    """The host gets no pages, and an answer at once."""
    parked(running, next(blocks))
    assert running.host.inflate(MIB) == ([], 1)
    hog.kill()
    assert answer(running, PATIENCE) == (BLOCK, DONE)
    running.host.deflate(ranges)
    assert_counts(running, 0)


@pytest.mark.usefixtures("hog")
@pytest.mark.parametrize("way", ["unload", "rescind"])
def test_driver_goes_while_an_offer_waits(running, blocks, way):
    """It waits no longer."""
    parked(running, next(blocks))
    start = time.monotonic()
    getattr(running, way)()
    assert time.monotonic() - start < 50


@pytest.mark.usefixtures("nobody_onlines", "low_watermarks")
def test_blocks_that_nobody_onlines_leave_the_reserve_alone(running, blocks):
    """Each costs a memory map and brings nothing: the guest must be able to go on."""
    reserve, spare, count = 4096, 4096, 4  # KiB, KiB, blocks; they cost more than is spare
    set_watermarks(running, {"min_free_kbytes": str(reserve)})
    first = blocks.row(count)
    program = fill(running, reserve + spare)
    running.host.send(wire.hot_add(first, count * BLOCK))
    assert running.host.silent(5)
    assert meminfo(running, "MemFree") * 4 > reserve
    program.stop()
    assert answer(running, PATIENCE) == (count * BLOCK, DONE)
    for block in range(first, first + count * BLOCK, BLOCK):
        running.run(f"echo online >{folder_of(block)}/state")


@pytest.fixture
def for_programs(running, blocks):
    """A block is online that the kernel uses for nothing of its own, as will be all that come."""
    with onlined(running, "online_movable"):
        assert running.host.add(next(blocks), BLOCK) == (BLOCK, DONE)
        yield


@pytest.mark.usefixtures("for_programs", "low_watermarks")
def test_blocks_for_programs_leave_the_reserve_alone(running, blocks):
    """The kernel pays for the memory map of each, and gets nothing: what is free in them is no
    reason to go on."""
    # KiB, KiB, blocks: after one too little is spare for another, but enough for the shell.
    reserve, spare, count = 16384, 4608, 8
    set_watermarks(running, {"min_free_kbytes": str(reserve)})
    first = blocks.row(count)
    program = fill(running, reserve + spare)
    before = kernel_zones(running, "free")
    running.host.send(wire.hot_add(first, count * BLOCK))
    assert running.host.silent(5)
    left, least = kernel_zones(running, "free"), kernel_zones(running, "min")
    print(f"kernel zones: {before} pages free before, {left} with the offer, min {least}")
    assert left > least * 3 / 4
    program.stop()
    assert answer(running, PATIENCE) == (count * BLOCK, DONE)


TRIES = {"slow": 3, "hold": 1}
GROWTH_MIB = 16  # of a program while a block is on its way: more than is left


@pytest.fixture
def gate(running):
    """Blocks may come online, unless a case holds them up."""
    yield lambda what: running.run(f"echo {what}-online >{CONTROL}")
    running.run(f"echo let-online >{CONTROL}")


@pytest.fixture
def quiet_console(running):
    """The kernel tells of a killed program with a stack trace, which is no fault here."""
    running.run("dmesg -n 1")
    yield
    running.run("dmesg -n 7")


# A command that comes later finds no memory: what grows is started by what waits for the block.
GROW = f"""
kills() {{ grep '^oom_kill ' /proc/vmstat | cut -d ' ' -f 2; }}
before=$(kills)
until grep -qx 'online_waits: 1' /sys/kernel/debug/hvb_sim/status; do :; done
memhog --quick {GROWTH_MIB} </dev/null >/tmp/grown 2>&1 &
while kill -0 $! && ! grep -q holding /tmp/grown; do sleep 0.1; done
echo $(($(kills) - before)) >/tmp/kills
"""


def killed_while_a_block_comes(guest, block):
    """A block is on its way online, and a program grows; return how many are killed."""
    guest.run(f"rm -f /tmp/grown /tmp/kills; cat >/tmp/grow.sh <<'END'\n{GROW}END\n"
              "sh /tmp/grow.sh </dev/null >/dev/null 2>&1 &")
    guest.host.send(wire.hot_add(block, BLOCK))
    return int(guest.run("until [ -s /tmp/kills ]; do sleep 0.1; done; cat /tmp/kills;"
                         " killall memhog", limit=120))


@pytest.mark.usefixtures("low_watermarks", "quiet_console")
@pytest.mark.parametrize("how, killed", [("slow", 0), ("hold", 1)])
def test_program_waits_for_a_block_that_comes(running, blocks, gate, how, killed):
    """The map of the block has taken what it needs, but the block is nearly there: the kernel
    kills no program. The driver promises that for a second and no longer, and a slow machine
    may need more for a block."""
    for _ in range(TRIES[how]):
        program = fill(running, 4 * LEFT_KIB)
        gate(how)
        found = killed_while_a_block_comes(running, next(blocks))
        gate("let")
        assert answer(running, 50) == (BLOCK, DONE)
        program.kill()
        if found == killed:
            break
    assert found == killed
