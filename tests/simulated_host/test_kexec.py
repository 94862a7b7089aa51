# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel that another one has started finds of its predecessor's memory."""

import re
import time

import pytest

from lab.memory import MIB

from .balance import assert_counts
from .keeper import OwnGuest, agreed
from .machine import HIGH_MIB
from .memory_blocks import BLOCK
from .wire import STEP

WHOLE = HIGH_MIB * MIB    # a memory block that the host backs whole
PARTIAL = WHOLE + BLOCK         # and one that it does not
LIMIT = 600

INIT = "Starting systemd-udevd"     # by then the next kernel has its serial ports
DISKS = """
modprobe virtio_blk
disk() {
    until grep -qlx "$1" /sys/block/*/serial; do sleep 0.1; done
    cat "/dev/$(grep -lx "$1" /sys/block/*/serial | cut -d/ -f4)"
}
disk kernel >/tmp/kernel; disk image >/tmp/image
"""


@pytest.fixture(scope="module")
def own_guest(keeper, request):
    """A guest that has its own kernel at hand, and whose firmware does not list all memory.

    What the firmware lists a next kernel would have anyway.
    """
    if request.config.getoption("--kernel") == "debug":
        pytest.skip("the debug kernel cannot start another one")
    own = OwnGuest(lambda: keeper.new(nodes=(1024,), told=0, dimm=512, carries_itself=True,
                                      append="crashkernel=256M"))
    yield own
    own.discard()


@pytest.fixture
def own(machine):
    """The same."""
    return machine


def take_and_add(guest):
    """Take pages from the guest, and give it a whole block and a part of one; return the pages."""
    ranges, _ = guest.host.inflate(200 * MIB)
    assert guest.host.add(WHOLE, BLOCK) == (BLOCK, 1)
    assert guest.host.add(PARTIAL, STEP) == (STEP, 1)
    return ranges


def load_kernel(guest, how, arguments=""):
    """Load the kernel that comes next."""
    guest.run(f"{DISKS} kexec {how} /tmp/kernel --initrd=/tmp/image --reuse-cmdline"
              f" --append='{arguments}'; rm /tmp/kernel /tmp/image", LIMIT)


def boot_id(guest):
    """Return what tells one run of a kernel from another."""
    return guest.run("cat /proc/sys/kernel/random/boot_id")


def leave(guest, command):
    """Let the guest end its kernel, and wait for the next one.

    A kernel that crashes leaves its devices running: what is sent too early, they take.
    """
    before, starts = boot_id(guest), guest.log().count(INIT)
    guest.post(command)
    deadline = time.monotonic() + LIMIT
    while guest.log().count(INIT) == starts:
        assert time.monotonic() < deadline, "the next kernel does not start"
        time.sleep(0.5)
    guest.wait_booted()
    assert boot_id(guest) != before


def memory_of(guest):
    """Return the page frames that the kernel has as memory, as ranges."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", guest.run("cat /proc/iomem"), re.M)
    return [range(int(first, 16) >> 12, (int(last, 16) >> 12) + 1) for first, last in found]


def test_kexec(own):
    """The next kernel has the whole block, not the other one; its driver knows of no balloon."""
    agreed(own)
    ranges = take_and_add(own)
    load_kernel(own, "-l")
    leave(own, "kexec -e")
    own.start_host()
    agreed(own)
    assert any(WHOLE in memory for memory in memory_of(own))
    assert not any(PARTIAL in memory for memory in memory_of(own))
    assert_counts(own, 0)
    # A driver that knows of no ballooned page frees none.
    own.host.deflate(ranges)
    assert own.status()["foreign_ranges"] == len(ranges)
    own.host.deflate(own.host.inflate(100 * MIB)[0])
    assert own.status()["pages_ballooned"] == 0
    assert own.host.add(PARTIAL, STEP) == (STEP, 1)
    assert not own.warnings()
    own.unload()
    own.rescind()


def test_crash_kernel(own):
    """The driver does not load there, and makedumpfile leaves out just the marked pages."""
    agreed(own)
    pages = 200 * MIB + 77
    own.host.inflate(pages)
    # An earlier case may have left gaps in a block: they are marked as well.
    marked = int(own.run("memlayout | awk '{ pages += $4 } END { print pages }'", LIMIT))
    assert marked >= pages
    load_kernel(own, "-p", "nr_cpus=1 reset_devices")
    assert not own.warnings()
    leave(own, "echo c >/proc/sysrq-trigger")

    own.run("insmod /lab/sim/hvb_sim.ko")
    refused = own.call(f"insmod {own.file}")
    assert refused.status and "No such device" in refused.output
    assert "not started in a kdump kernel" in own.run("dmesg")
    report = own.run("makedumpfile --dry-run --show-stats -d 30 /proc/vmcore /tmp/dump", LIMIT)
    assert int(re.search(r"Offline pages +: 0x([0-9a-f]+)", report)[1], 16) == marked
