# SPDX-License-Identifier: GPL-2.0-only
"""Hot-add as QEMU's host never does it: in regions, in small steps, with gaps, in any order."""

import pytest

from .keeper import agreed, cleaned, udev_stopped
from .memory_blocks import BLOCK, add_foreign, folder_of, is_online, remove_foreign
from .wire import (DONE, HOT_ADD_REQUEST, HOT_ADD_RESPONSE, STEP, TRANSIENT, hot_add, message,
                   pages)

FLOOR_MIB = 4096    # more than the guest has
RULE = "/usr/lib/udev/rules.d/60-hv-balloon.rules"
# As udev begins after the initial RAM disk.
BEGIN_ANEW = "udevadm trigger --action=add; udevadm settle"


def assert_added(guest, before, count):
    """The pages are in the guest's total, online, and can be used."""
    assert guest.total() == before + count


@pytest.fixture
def block(blocks):
    """A memory block that is not there yet."""
    return next(blocks)


@pytest.mark.parametrize("with_region", [False, True], ids=["no region", "region"])
def test_whole_block(running, block, with_region):
    """As QEMU does it, and with a region of the same size."""
    before = running.total()
    assert running.host.add(block, BLOCK, (block, BLOCK) if with_region else None) == (BLOCK, DONE)
    assert_added(running, before, BLOCK)


def test_steps_in_any_order_with_gaps(running, block):
    """A region that is filled from the middle; each step is usable at once, no gap ever is."""
    region, before, added = (block, BLOCK), running.total(), 0
    offline = running.status()["pages_hot_added_offline"]   # of earlier cases
    quarter = BLOCK // 4
    for start, count in ((2 * quarter, STEP), (quarter, STEP), (2 * quarter + STEP, quarter - STEP),
                         (0, 3 * STEP), (BLOCK - STEP, STEP)):
        assert running.host.add(block + start, count, region) == (count, DONE)
        added += count
        assert_added(running, before, added)
    assert running.status()["pages_hot_added_offline"] == offline
    # The driver fills memory with a hole as "driver managed": kexec must not see it.
    assert "System RAM (hv_balloon)" in running.run("cat /proc/iomem")


def test_gaps_survive_a_reload(running, block):
    """The next load goes on with a block that is filled in part."""
    before = running.total()
    assert running.host.add(block + STEP, STEP) == (STEP, DONE)
    running.reload("pressure_report_delay=3600")
    running.host.negotiate()
    assert running.host.add(block, STEP) == (STEP, DONE)
    assert running.host.add(block + 2 * STEP, BLOCK - 2 * STEP) == (BLOCK - 2 * STEP, DONE)
    assert_added(running, before, BLOCK)


def wait_added(guest, before, count):
    """The pages come into the guest's total, not at once."""
    guest.run(f"for try in $(seq 100); do awk '/MemTotal/ {{ exit $2 != {4 * (before + count)} }}'"
              " /proc/meminfo && break; sleep 0.1; done")
    assert_added(guest, before, count)


@pytest.mark.usefixtures("udev_onlines")
def test_udev_onlines(running, blocks):
    """Where the kernel onlines nothing, the project's rule does; without it, nothing does."""
    before = running.total()
    assert running.host.add(next(blocks), BLOCK) == (BLOCK, DONE)
    wait_added(running, before, BLOCK)

    with udev_stopped(running):
        running.run(f"mv {RULE} /tmp")
    block = next(blocks)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    running.run("udevadm settle; sleep 1")
    assert_added(running, before, BLOCK)

    with udev_stopped(running):
        running.run(f"mv /tmp/{RULE.split('/')[-1]} {RULE}")
    running.run(BEGIN_ANEW, limit=300)
    wait_added(running, before, 2 * BLOCK)


@pytest.mark.usefixtures("udev_onlines")
def test_event_names_the_block(running, blocks):
    """For rules of others: ours reads the list of new blocks."""
    running.run("udevadm monitor --kernel --property --subsystem-match=vmbus >/tmp/new 2>&1 & "
                "echo $! >/tmp/new.pid; until grep -q KERNEL /tmp/new; do sleep 0.1; done")
    block = next(blocks)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    running.run(f"until grep -qx DYNAMIC_MEMORY_NEW_BLOCK={block // BLOCK} /tmp/new; do sleep 0.1;"
                " done; kill $(cat /tmp/new.pid)", limit=10)


@pytest.mark.usefixtures("udev_onlines")
def test_udev_onlines_once(running, blocks):
    """What the administrator takes offline stays so, whatever events are replayed or follow."""
    first, second = next(blocks), next(blocks)
    before = running.total()
    with udev_stopped(running):
        assert running.host.add(first, BLOCK) == (BLOCK, DONE)
        # As it can be taken offline at any time.
        running.run(f"cd {folder_of(first)} && echo online_movable >state && echo offline >state")
    running.run(f"{BEGIN_ANEW}; udevadm trigger --action=change; udevadm settle",
                limit=300)
    assert not is_online(running, first)
    assert running.host.add(second, BLOCK) == (BLOCK, DONE)
    wait_added(running, before, BLOCK)
    running.run("udevadm settle")
    assert is_online(running, second) and not is_online(running, first)


@pytest.mark.usefixtures("udev_onlines")
def test_udev_leaves_memory_of_others(running, blocks):
    """A block that another driver adds stays offline, also when ours adds one."""
    foreign, own = next(blocks), next(blocks)
    before = running.total()
    add_foreign(running, foreign)
    try:
        running.run(f"udevadm settle; {BEGIN_ANEW}", limit=300)
        assert not is_online(running, foreign)
        assert running.host.add(own, BLOCK) == (BLOCK, DONE)
        wait_added(running, before, BLOCK)
        running.run("udevadm settle")
        assert is_online(running, own) and not is_online(running, foreign)
    finally:
        remove_foreign(running, foreign)


@pytest.mark.usefixtures("nobody_onlines")
def test_offline_block(running, block):
    """A step into a block that is not online waits there; onlining brings what is backed."""
    before = running.total()
    # Blocks of earlier cases may be offline, and are the driver's again.
    offline = running.status()["pages_hot_added_offline"]
    assert running.host.add(block, STEP) == (STEP, DONE)
    assert running.host.add(block + 4 * STEP, STEP) == (STEP, DONE)
    assert running.status()["pages_hot_added_offline"] == offline + 2 * STEP
    assert_added(running, before, 0)

    running.run(f"sleep 11; echo online >{folder_of(block)}/state")
    assert "stay offline" in running.run("dmesg | tail -5")
    assert_added(running, before, 2 * STEP)
    assert running.host.add(block + STEP, STEP) == (STEP, DONE)
    assert_added(running, before, 3 * STEP)


@pytest.mark.usefixtures("nobody_onlines")
def test_partial_block_that_is_offline_goes_at_unload(running, block):
    """Else anybody could online pages that the host never gave."""
    assert running.host.add(block, STEP) == (STEP, DONE)
    running.run(f"test -d {folder_of(block)}")
    running.unload()
    running.run(f"test ! -d {folder_of(block)}")


@pytest.mark.parametrize("start, count, region", [
    (0, 0, None),
    (1 << 30, 2 ** 24 - 1, (0, 1)),
], ids=["no pages", "outside its region"])
def test_refused(running, start, count, region):
    """Nothing is added, the host is answered, and hot-add goes on working."""
    before = running.total()
    assert running.host.add(start, count, region) == (0, TRANSIENT)
    assert_added(running, before, 0)


@pytest.mark.parametrize("first", [0, 2 * STEP], ids=["begins below", "ends above"])
def test_partly_outside_its_region(running, block, first):
    """The region has the second and third step of the block: nothing is added, nor remembered."""
    before = running.total()
    region = block + STEP, 2 * STEP
    assert running.host.add(block + first, 2 * STEP, region) == (0, TRANSIENT)
    assert_added(running, before, 0)
    assert running.host.add(block + STEP, 2 * STEP, region) == (2 * STEP, DONE)
    assert_added(running, before, 2 * STEP)


@pytest.mark.parametrize("start", [0x8000, 2 ** 40 - BLOCK], ids=["there", "out of reach"])
def test_never_to_be_added(running, block, start):
    """The host is told for good that there is nothing to add; another offer is another matter."""
    before = running.total()
    assert running.host.add(start, BLOCK) == (0, DONE)
    assert "in use or not addressable" in running.run("dmesg | tail -5")
    assert_added(running, before, 0)
    assert running.host.add(block, BLOCK) == (BLOCK, DONE)
    assert_added(running, before, BLOCK)


@pytest.mark.usefixtures("nobody_onlines")
def test_no_memory_behind_what_is_there(running, blocks):
    """What follows the part that can never be added may be offered again."""
    first = blocks.row(4)
    add_foreign(running, first)
    try:
        assert running.host.add(first + 2 * BLOCK, 2 * BLOCK) == (2 * BLOCK, DONE)
        # Blocks that stay offline leave the floor alone.
        running.run(f"echo {FLOOR_MIB} >{running.parameters}/floor_mib")
        running.host.send(hot_add(first, 2 * BLOCK))
        running.wait_for("hot_add_requests", 2)
        running.run("until dmesg | grep -q 'out of memory while hot-adding'; do sleep 0.1; done")
        running.host.send(message(HOT_ADD_REQUEST, pages(first, 1), size=12))
        assert running.host.expect(HOT_ADD_RESPONSE).words("<II") == (0, TRANSIENT)
        assert running.host.expect(HOT_ADD_RESPONSE).words("<II") == (0, TRANSIENT)
        running.run(f"echo 0 >{running.parameters}/floor_mib")
        assert running.host.add(first, 2 * BLOCK) == (2 * BLOCK, DONE)
    finally:
        remove_foreign(running, first)


def test_boot_memory_ends_within_a_block(keeper, request):
    """The offer begins in the last block of boot memory: what follows it is added, and the host
    is told of all, as it takes the number for the first pages of its offer."""
    odd = 1000 * STEP // 2
    with keeper.new(told=1000) as guest:
        request.node.simulator = guest
        with cleaned(guest, request.node):
            agreed(guest)
            before, behind = guest.total(), -(-odd // BLOCK) * BLOCK
            count = behind + BLOCK - odd
            assert guest.host.add(odd, count) == (count, DONE)
            assert_added(guest, before, BLOCK)
            assert is_online(guest, behind)


@pytest.mark.slow
def test_past_what_the_kernel_can_map(keeper, request):
    """With four levels of page tables it is 2^46 bytes: refused for good, and not tried."""
    with keeper.new(append="no5lvl") as guest:
        request.node.simulator = guest
        agreed(guest)
        assert guest.host.add(2 ** 34, BLOCK) == (0, DONE)
        assert guest.has_said("in use or not addressable")


def test_refused_by_the_administrator(running):
    """The parameter works at once, and tells the host not to ask again."""
    running.run(f"echo N >{running.parameters}/hot_add")
    assert running.host.add(1 << 24, BLOCK) == (0, DONE)


def test_added_twice(running, block):
    """The second time there is nothing to add."""
    assert running.host.add(block, STEP) == (STEP, DONE)
    assert running.host.add(block, STEP) == (0, TRANSIENT)
    assert running.host.add(block, 2 * STEP) == (STEP, DONE)
    assert running.status()["pages_hot_added"] >= 2 * STEP
