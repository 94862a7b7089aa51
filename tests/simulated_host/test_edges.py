# SPDX-License-Identifier: GPL-2.0-only
"""The driver goes, or fails to come, at the worst moment: while memory blocks change.

What the host has, or never gave, must stay out of use whatever becomes of its block.
"""

import time

import pytest

from lab.memory import MIB

from . import wire
from .built import IN_TREE
from .keeper import agreed, own_keeper
from .memory_blocks import BLOCK, add_foreign, change, folder_of, remove_foreign
from .ranges import halves, inside, outside
from .simulator import CONTROL
from .wire import DONE, STEP

SIM_STATUS = "/sys/kernel/debug/hvb_sim/status"
BATCHED, DIRECT = 0, 1  # enum hv_callback_mode
GOES = {"unload": "rmmod {module}",
        "unbind": "echo dynamic-memory >/sys/bus/vmbus/drivers/{module}/unbind",
        "rescind": f"echo rescind >{CONTROL}"}
SECOND = "/sys/bus/vmbus/devices/dynamic-memory-2"

fixture_keeper = own_keeper(checked=False)


def marked_in(guest, block):
    """Return how many pages of a block are marked as not to be touched."""
    first = block // MIB
    lines = [list(map(int, line.split())) for line in guest.run("memlayout", 120).splitlines()]
    return sum(marked for address, _, _, marked in lines
               if first <= address < first + BLOCK // MIB)


def assert_kept_out(guest, block, pages):
    """These pages of the block stay out of use: it is gone, or online without them."""
    if guest.call(f"test -e {folder_of(block)}").status:
        return
    guest.call(f"echo online >{folder_of(block)}/state")
    if guest.run(f"cat {folder_of(block)}/state").strip() == "online":
        assert marked_in(guest, block) == pages


def hold(guest, block, gate, state):
    """Let a block be on its way to a state; it waits at the gate."""
    guest.run(f"echo hold-{gate} >{CONTROL};"
              f" (echo {state} >{folder_of(block)}/state; echo $? >/tmp/went) 2>/dev/null &")
    guest.run(f"until grep -qx '{gate}_waits: 1' {SIM_STATUS}; do sleep 0.1; done")


def open_gate(guest, gate, end):
    """Let it go on, and wait until it has arrived or was turned away."""
    guest.run(f"echo {end}-{gate} >{CONTROL}; until [ -s /tmp/went ]; do sleep 0.1; done;"
              f" rm /tmp/went; echo let-{gate} >{CONTROL}")


def begin_to_go(guest, how):
    """Let the driver begin to go; it may have to wait for the block."""
    guest.run(f"({GOES[how].format(module=guest.module)}; echo $? >/tmp/gone) >/dev/null 2>&1 &")
    time.sleep(guest.patience)


def is_gone(guest):
    """Wait until it has gone."""
    guest.run("until [ -s /tmp/gone ]; do sleep 0.1; done; test $(cat /tmp/gone) = 0;"
              " rm /tmp/gone", limit=120)


def comes_back(guest, how):
    """Let the driver serve the device again."""
    if how == "unload":
        guest.run(f"/usr/sbin/insmod {guest.file} pressure_report_delay=3600"
                  " >/dev/null 2>&1 &")
    elif how == "unbind":
        guest.run(f"(echo dynamic-memory >{guest.driver_folder}/bind) >/dev/null 2>&1 &")
    else:
        guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")


@pytest.fixture(name="block")
def fixture_block(running, nobody_onlines, blocks):
    """A block that is online for programs only, and of which the host has most."""
    first = next(blocks)
    assert running.host.add(first, BLOCK) == (BLOCK, DONE)
    change(running, first, "online_movable")
    yield first
    # The next case is to have no other such memory.
    running.call(f"echo offline >{folder_of(first)}/state")


def take(guest, block):
    """Let the host take 100 MiB, which come out of the block."""
    ranges, _ = guest.host.inflate(100 * MIB)
    kept = inside(ranges, block)
    assert wire.total(kept) > 50 * MIB
    return kept, list(outside(ranges, block))


def give_back_what_is_left(guest, kept, others):
    """Return all. What was in a block that is gone, the driver knows no more."""
    guest.host.deflate(others)
    known = guest.status()["pages_ballooned"]
    assert known in (0, wire.total(kept))
    if known:
        guest.host.deflate(kept)
    assert guest.status()["pages_ballooned"] == 0


def assert_nothing_lost(guest, how, block, kept, others):
    """The driver has gone and comes back; what the host has of the block stays out of use."""
    is_gone(guest)
    assert_kept_out(guest, block, wire.total(kept))
    comes_back(guest, how)
    give_back_what_is_left(guest, kept, others)


@pytest.mark.parametrize("how", GOES)
@pytest.mark.parametrize("end", ["let", "refuse"])
def test_goes_while_a_block_goes_offline(running, block, how, end):
    """The block has pages of the host, and is offline after the driver had a look, or is not."""
    kept, others = take(running, block)
    hold(running, block, "offline", "offline")
    begin_to_go(running, how)
    open_gate(running, "offline", end)
    assert_nothing_lost(running, how, block, kept, others)


@pytest.mark.parametrize("how", GOES)
@pytest.mark.parametrize("end", ["let", "refuse"])
def test_goes_while_a_block_comes_online(running, block, how, end):
    """The same with a block that was offline and comes back, or does not get that far."""
    kept, others = take(running, block)
    change(running, block, "offline")
    hold(running, block, "online", "online")
    begin_to_go(running, how)
    open_gate(running, "online", end)
    assert_nothing_lost(running, how, block, kept, others)


@pytest.mark.parametrize("how", GOES)
@pytest.mark.usefixtures("nobody_onlines")
def test_goes_while_a_gap_comes_online(running, blocks, how):
    """A block of which the host gave a part, taken online by a slow task while the driver goes."""
    one, before = next(blocks), running.total()
    assert running.host.add(one, STEP) == (STEP, DONE)
    running.run(f"echo slow-online >{CONTROL};"
                f" (echo online >{folder_of(one)}/state; echo $? >/tmp/went) 2>/dev/null &")
    begin_to_go(running, how)
    is_gone(running)
    open_gate(running, "online", "let")
    assert_kept_out(running, one, BLOCK - STEP)
    assert running.total() - before in (0, STEP)
    comes_back(running, how)


@pytest.mark.usefixtures("nobody_onlines")
def test_block_of_others_comes_online_while_a_part_of_it_is_offered(running, blocks):
    """It is on its way online when the host offers a part of it: all of it is the guest's."""
    one, before = next(blocks), running.total()
    add_foreign(running, one)
    hold(running, one, "online", "online_movable")
    running.host.send(wire.hot_add(one, BLOCK // 2))
    time.sleep(running.patience)
    open_gate(running, "online", "let")
    assert running.host.expect(wire.HOT_ADD_RESPONSE).words("<II") == (0, DONE)
    assert running.total() == before + BLOCK
    assert marked_in(running, one) == 0
    change(running, one, "offline")
    remove_foreign(running, one)


@pytest.mark.parametrize("how", GOES)
def test_goes_in_the_middle_of_a_hot_add(running, blocks, how):
    """Each block takes its time to come online: what was added is answered, or not, but whole."""
    first, before = blocks.row(3), running.total()
    running.run(f"echo slow-online >{CONTROL}")
    running.host.send(wire.hot_add(first, 2 * BLOCK + STEP))
    time.sleep(0.2)
    begin_to_go(running, how)
    is_gone(running)
    running.run(f"echo let-online >{CONTROL}")
    running.host.reports()
    for one in range(first, first + 2 * BLOCK, BLOCK):
        assert_kept_out(running, one, 0)
    assert_kept_out(running, first + 2 * BLOCK, BLOCK - STEP)
    assert (running.total() - before) % BLOCK in (0, STEP)
    comes_back(running, how)


def test_probe_fails_while_a_block_goes_offline(running, block):
    """A load that gets no channel knows of a block with pages of the host, which is on its way."""
    kept, others = take(running, block)
    change(running, block, "offline")
    change(running, block, "online_movable")
    running.unload()
    hold(running, block, "offline", "offline")
    running.run(f"echo fail-open >{CONTROL};"
                f" (/usr/sbin/insmod {running.file}; echo 0 >/tmp/gone)"
                " >/dev/null 2>&1 &")
    time.sleep(running.patience)
    open_gate(running, "offline", "let")
    is_gone(running)
    assert not running.bound()
    assert_kept_out(running, block, wire.total(kept))
    running.run(f"rmmod {running.module}; echo rescind >{CONTROL}")
    agreed(running)
    give_back_what_is_left(running, kept, others)


# The channel after us


def callback_mode(guest):
    """Return how the channel is read."""
    return guest.counters()["callback_mode"]


def test_channel_is_left_as_it_was(guest):
    """Its next driver reads in the usual way; also after it could not be opened."""
    agreed(guest)
    assert callback_mode(guest) == DIRECT
    guest.run(f"echo dynamic-memory >{guest.driver_folder}/unbind")
    assert callback_mode(guest) == BATCHED


def test_channel_that_did_not_open_is_left_as_it_was(guest):
    """The same where it was never open."""
    guest.load("pressure_report_delay=3600")
    guest.run(f"echo fail-open >{CONTROL}")
    guest.offer()
    guest.run("until dmesg | tail -5 | grep -q 'cannot open the channel'; do sleep 0.1; done")
    assert not guest.bound()
    assert callback_mode(guest) == BATCHED


def test_channel_of_a_host_that_refuses_is_left_as_it_was(guest):
    """And where the probe failed because host and driver did not agree."""
    guest.load("pressure_report_delay=3600")
    guest.offer()
    last = False
    while not last:
        _, last = guest.host.expect(wire.VERSION_REQUEST).words("<II")
        guest.host.send(wire.version_response(False))
    guest.run(f"until grep -qx 'closes: {guest.counters()['opens']}' {SIM_STATUS};"
              " do sleep 0.1; done")
    assert callback_mode(guest) == BATCHED


def test_the_driver_of_the_kernel_comes_after_us(keeper, request):
    """It reads one message a callback, and relies on being called as long as there are more."""
    with keeper.new() as one:
        request.node.simulator = one
        agreed(one)
        one.host.deflate(one.host.inflate(MIB)[0])
        one.unload()
        force = "" if one.is_debug() else "-f"
        one.run(f"/usr/sbin/insmod {force} /lab/{IN_TREE}/hv_balloon.ko* >/dev/null 2>&1 &")
        one.host.negotiate()
        first, second = halves(one.host.inflate(20 * MIB)[0])
        one.run(f"echo hold-interrupts >{CONTROL}")
        one.host.send(wire.unballoon(first, more=True))
        one.host.send(wire.unballoon(second))
        one.run(f"echo let-interrupts >{CONTROL}")
        one.host.expect(wire.UNBALLOON_RESPONSE, 10)


# Two devices


@pytest.fixture(name="second")
def fixture_second(running):
    """A second device is offered, and gets no answer; in the end it is gone."""
    running.run(f"echo offer-second >{CONTROL}; until [ -e {SECOND} ]; do sleep 0.1; done")
    yield running
    running.call(f"echo rescind-second >{CONTROL}", limit=120)


def works_on(guest, blocks):
    """The first device gives and adds memory as before, and gaps stay out of use."""
    before = guest.total()
    offline = guest.status()["pages_hot_added_offline"]     # of earlier cases
    guest.host.deflate(guest.host.inflate(MIB)[0])
    assert guest.host.add(next(blocks), BLOCK) == (BLOCK, DONE)
    assert guest.host.add(next(blocks), STEP) == (STEP, DONE)
    assert guest.total() == before + BLOCK + STEP
    assert guest.status()["pages_hot_added_offline"] == offline


def test_second_device_is_refused(second, blocks):
    """The log says so, and the first goes on."""
    deadline = time.monotonic() + 5 * second.patience
    while not second.has_said("another Dynamic Memory device"):
        assert time.monotonic() < deadline, "nothing is said of the second device"
        time.sleep(0.2)
    assert second.call(f"test -e {SECOND}/driver").status
    assert second.call(f"echo dynamic-memory-2 >{second.driver_folder}/bind").status
    works_on(second, blocks)


def test_memory_comes_after_the_second_device_has_gone(second, blocks):
    """It leaves nothing behind that the onlining of memory would meet."""
    time.sleep(second.patience)
    second.run(f"echo rescind-second >{CONTROL}", limit=120)
    works_on(second, blocks)


def test_memory_comes_after_the_first_device_has_gone(running, blocks):
    """And the other way round: a device that is offered later, when the first has gone."""
    running.run(f"echo offer-second >{CONTROL}; until [ -e {SECOND} ]; do sleep 0.1; done")
    running.rescind()
    running.run(f"echo rescind-second >{CONTROL}", limit=120)
    running.offer()
    running.host.negotiate()
    running.wait_for("state", "running")
    works_on(running, blocks)


def test_name_of_a_block_outlives_the_driver(running, blocks):
    """The block stays online, and /proc/iomem names it, after the driver was unloaded."""
    first = next(blocks)
    assert running.host.add(first, BLOCK - STEP) == (BLOCK - STEP, DONE)
    running.unload()
    assert running.run(f"cat {folder_of(first)}/state").strip() == "online"
    assert "System RAM (hv_balloon)\n" in running.run("cat /proc/iomem")
