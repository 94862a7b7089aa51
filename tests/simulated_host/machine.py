# SPDX-License-Identifier: GPL-2.0-only
"""The machine in which a guest with a simulated host runs, as QEMU's arguments."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.carrier import port, qemu

from . import signing

MACHINE_MIB = 4096      # what the machine has: half of it at 0, half of it at HIGH_MIB
HIGH_MIB = 4096
GUEST_MIB = 1024        # what the guest is told: hot-add begins here
# A busy machine lets a processor of the guest stand for longer than the kernel takes for a lockup.
STALLS = "rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"


@dataclass(frozen=True)
class Machine:
    """What the machine has; sizes in MiB."""

    cpus: int = 2
    nodes: tuple = (MACHINE_MIB,)   # memory of each node; node N has processor N, if there is one
    told: int = GUEST_MIB           # what the guest is told of it (mem=), 0 for all
    backed: bool = False            # it is set aside at once, not page by page when first used
    sparse: bool = False            # more than there is: what the guest uses must be little
    dimm: int = 0                   # memory at HIGH_MIB beside it that the guest does not see
    hibernation: bool = False       # the firmware has ACPI S4
    swap: int = 512                 # size of a disk for swap space
    carries_itself: bool = False    # has its own kernel and boot image as disks
    secure_boot: bool = False       # UEFI with Secure Boot on; see signing.py
    room: int = 0                   # address space for devices that bring memory
    devices: tuple = ()             # more arguments of QEMU
    append: str = ""                # more arguments of the kernel

    def command(self, folder: Path, kernel: Path, image: Path,
                channel: Callable[[str], list[str]]) -> list[str]:
        """Return QEMU's command line; channel(name) gives the arguments of a connection."""
        return [*qemu(), "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
                "-global", f"ICH9-LPC.disable_s4={int(not self.hibernation)}",
                "-smp", f"{self.cpus},sockets={self.cpus}", *self._memory(),
                *(_firmware(folder) if self.secure_boot else ()),
                "-kernel", str(kernel), "-initrd", str(image), "-append", self.arguments(),
                "-chardev", f"file,id=console,path={folder / 'guest.log'},append=on",
                "-serial", "chardev:console", *self._disks(folder, kernel, image),
                "-device", "virtio-serial-pci", *_ports(channel),
                *channel("gdb"), "-gdb", "chardev:gdb", *self.devices]

    def arguments(self) -> str:
        """Return the arguments of the guest's kernel."""
        told = f"mem={self.told}M " if self.told else ""
        dimm = "acpi_no_memhotplug " if self.dimm else ""
        return (f"console=ttyS0 panic=-1 memhp_default_state=online {STALLS} {told}{dimm}"
                f"{self.append}")

    def _memory(self):
        size, extra = sum(self.nodes), self.dimm
        most = size + extra + self.room
        slots = f",slots=1,maxmem={most}M" if most > size else ""
        yield from ("-m", f"{size}M{slots}")
        if len(self.nodes) > 1:
            for number, mib in enumerate(self.nodes):
                cpu = f",cpus={number}" if number < self.cpus else ""
                yield from (*self._backend(f"node{number}", mib),
                            "-numa", f"node,nodeid={number},memdev=node{number}{cpu}")
        elif self.backed or self.sparse:
            yield from (*self._backend("all", size), "-machine", "memory-backend=all")
        if extra:
            yield from (*self._backend("extra", extra), "-device", "pc-dimm,memdev=extra")

    def _backend(self, name, mib):
        # Anonymous memory may come in huge pages, of which a guest that touches one page has all.
        kind, how = ("memfd", ",reserve=off") if self.sparse else ("ram", "")
        at_once = ",prealloc=on" if self.backed else ""
        return "-object", f"memory-backend-{kind},id={name},size={mib}M{how}{at_once}"

    def _disks(self, folder, kernel, image):
        # Something to fill the page cache from.
        yield from _disk("zeros", f"null-co,size={MACHINE_MIB << 20},read-zeroes=on")
        yield from _disk("swap", f"file,filename={_blank(folder / 'swap', self.swap)}")
        if self.carries_itself:
            for name, path in (("kernel", kernel), ("image", image)):
                yield from _disk(name, f"file,filename={Path(path)},read-only=on")


def _firmware(folder):
    """Return the arguments of a UEFI firmware with variables of its own."""
    code, variables = signing.firmware()
    for more in (f"readonly=on,file={code}", f"file={shutil.copy(variables, folder)}"):
        yield from ("-drive", f"if=pflash,format=raw,{more}")


def _blank(path, mib):
    """Make the file of an empty disk, unless it is there from before."""
    with open(path, "ab") as file:
        file.truncate(mib << 20)
    return path


def _disk(name, backend):
    """Return the arguments of a disk; the guest knows it by its serial number, the name."""
    return ("-blockdev", f"{backend.replace(',', f',node-name={name},', 1)}",
            "-device", f"virtio-blk-pci,drive={name},serial={name}")


def _ports(channel):
    for number, name in enumerate(("shell", "monitor"), 1):
        yield from (*channel(name), *port(name, name, number))
