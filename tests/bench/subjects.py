# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark compares: each takes pages from a guest and gives them back."""

import contextlib
import functools
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab import build, cache, kernels
from lab.memory import MIB
from lab.qmp import Monitor
from lab.shell import connected
from simulated_host import simulator, wire
from simulated_host.in_tree import InTreeSimulator
from simulated_host.machine import HIGH_MIB

HERE = Path(__file__).resolve().parent
MIB_BYTES = 1 << 20
LIMIT = 600         # seconds for one operation
SETTLED = 1         # seconds in which a quiet guest executes less than
QUIET = 1_000_000   # instructions; kcompactd looks at memory twice a second
BUSY = 15           # seconds after which a guest is taken for busy with its programs


@dataclass(frozen=True)
class Taken:
    """What was taken from a guest; None is what is not known."""

    pages: int
    ranges: list | None = None     # of (page frame, pages)
    messages: int | None = None
    count: int | None = None       # of ranges, if they are not known themselves

    def figures(self) -> dict[str, float]:
        """Return what there is to say of it."""
        found: dict[str, float] = {"MiB": self.pages // MIB}
        if self.messages is not None:
            count = self.count or 0 if self.ranges is None else len(self.ranges)
            found |= {"ranges": count,
                      "messages": self.messages}
        if self.ranges is not None:
            whole = wire.in_large_blocks(self.ranges)
            found["% in 2 MiB blocks"] = 100 * whole / max(1, self.pages)
        return found


@functools.cache
def plugin():
    """Compile the plugin that counts instructions; return its path."""
    path = cache.root() / "build/count.so"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-fvisibility=hidden", "-o", path, HERE / "count.c"], check=True)
    return path


@functools.cache
def modules(version):
    """Build the modules of the benchmark; return their folder."""
    folder = cache.root() / "build" / f"{version}-bench"
    folder.mkdir(parents=True, exist_ok=True)
    for source in (HERE / "Kbuild", *HERE.glob("hvb_*.c")):
        (folder / source.name).write_bytes(source.read_bytes())
    simulator.make(folder, kernels.kernel(version).headers)
    return folder


class Subject:
    """A guest with one way to take memory from it. A context manager."""

    name = ""
    machine = simulator.Simulator
    modules: tuple[str, ...] = ()   # of the kernel, that the guest needs for it
    hot_adds = False    # memory can be added to a guest that was told of less
    PLUGGED = 0         # MiB of the guest's memory that are plugged in after the boot
    curve = ()          # nothing is noted over time

    def __init__(self, version, mib, append="", told=0):
        """Start the guest with that much memory; `told`: what it knows of it at boot, 0 for all."""
        self._stack = contextlib.ExitStack()
        self.mib = mib
        self.version = version
        runs = cache.root() / "run"
        runs.mkdir(parents=True, exist_ok=True)
        self._count = runs / f"count-{self.name}"
        self._stack.callback(self._count.unlink, missing_ok=True)
        counting = ("-plugin", f"{plugin()},sum={self._count}")
        with contextlib.ExitStack() as started:
            started.enter_context(self._stack)
            self.guest = self._stack.enter_context(self.machine(
                version, files=self._files(), drivers=self.modules,
                nodes=(mib - self.PLUGGED,), backed=True, told=told, room=self.PLUGGED,
                append=append, devices=(*counting, *self._devices())))
            # What the host does with the pages is done in the guest too, and would be counted.
            self.guest.run("echo 0 >/sys/module/hvb_sim/parameters/look")
            self._begin()
            started.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def can_take(self, mib):
        """Tell whether that much can be asked of the guest."""
        return mib <= (self.PLUGGED or self.mib)

    def _devices(self):
        """Return more arguments of QEMU."""
        return ()

    def _files(self):
        """Return what the guest has besides, by name."""
        return {name: build.program(name, HERE) for name in ("spinner", "fragment")}

    def _begin(self):
        """Make the guest ready."""

    def take(self, pages):
        """Take pages and return Taken."""
        raise NotImplementedError

    def give(self, taken):
        """Give all back."""
        raise NotImplementedError

    def took(self):
        """Return the seconds of the last operation if the host noted them itself."""

    def counted(self):
        """Return the number of instructions that the guest has executed so far."""
        return struct.unpack("<Q", self._count.read_bytes())[0]

    def executed(self):
        """Return the number of instructions that the guest has executed once it is quiet: what a
        driver, or the kernel, does after the answer counts too."""
        last, begun = -QUIET, time.monotonic()
        while (now := self.counted()) - last >= QUIET and time.monotonic() - begun < BUSY:
            last = now
            time.sleep(SETTLED)
        return now


class DynamicMemory(Subject):
    """A Dynamic Memory driver on the simulated host."""

    name = "ours"
    hot_adds = True

    def _begin(self):
        self.guest.load("pressure_report_delay=3600")
        self.guest.offer()
        self.guest.host.negotiate()
        time.sleep(1)

    def take(self, pages: int) -> Taken:
        ranges, messages = self.guest.host.inflate(pages)
        return Taken(wire.total(ranges), ranges, messages)

    def give(self, taken: Taken) -> None:
        self.guest.host.deflate(taken.ranges or [])


class InTree(DynamicMemory):
    """The kernel's own driver."""

    name = "in-tree"
    machine = InTreeSimulator


class BenchModule(Subject):
    """A module of the benchmark, which is told how many pages to have out."""

    @property
    def _module(self):
        return f"hvb_{self.name}"

    def _files(self):
        return super()._files() | {self.name: modules(self.version) / f"{self._module}.ko"}

    def _begin(self):
        self.guest.run(f"insmod /lab/{self.name}/{self._module}.ko {self._parameters()}")

    def _parameters(self):
        """Return the parameters of the module."""
        return ""

    def _reach(self, pages):
        held = f"/sys/module/{self._module}/parameters/pages"
        return int(self.guest.run(f"echo {pages} >{held}; cat {held}", LIMIT))

    def take(self, pages):
        return Taken(self._reach(pages))

    def give(self, taken):
        self._reach(0)


class Limit(BenchModule):
    """A module that allocates and frees, and does nothing else."""

    name = "limit"


class Offline(BenchModule):
    """Memory blocks that go offline and are added again, in memory for movable pages only."""

    name = "offline"
    BOOT = 2048         # MiB of the guest's memory that it has from the start

    def __init__(self, version, mib, append="", told=0):
        super().__init__(version, mib, f"memhp_default_state=online_movable {append}",
                         told or self.BOOT)

    def can_take(self, mib):
        return mib <= self.mib - self.BOOT

    def _parameters(self):
        return f"first={HIGH_MIB} size={self.mib - self.BOOT}"


class Virtio(Subject):
    """What the two virtio devices share: QEMU is told a size, and the guest follows."""

    def __init__(self, *arguments, **options):
        self._socket = cache.root() / "run" / f"qmp-{self.name}"
        super().__init__(*arguments, **options)

    def _devices(self):
        return ("-qmp", f"unix:{self._socket},server=on,wait=off")

    def _begin(self):
        self._monitor = Monitor(self._stack.enter_context(connected(self._socket)))
        self._monitor.negotiate()
        self.guest.run(f"modprobe {self.modules[0]}")
        self._settle(self._whole())

    def _whole(self):
        return self.mib

    def _set(self, mib):
        raise NotImplementedError

    def _size(self):
        raise NotImplementedError

    def _settle(self, mib):
        """Set the size in MiB; return when the guest has it, or does not come nearer to it."""
        self._set(mib)
        last, moved = self._size(), time.monotonic()
        while last != mib and time.monotonic() - moved < 10:
            time.sleep(0.02)
            if (size := self._size()) != last:
                last, moved = size, time.monotonic()
        return last

    def take(self, pages):
        return Taken((self._whole() - self._settle(self._whole() - pages // MIB)) * MIB)

    def give(self, taken):
        self._settle(self._whole())


class VirtioBalloon(Virtio):
    """The balloon of virtio."""

    name = "virtio-balloon"
    modules = ("virtio_balloon",)

    def _devices(self):
        return (*super()._devices(), "-device", "virtio-balloon-pci")

    def _set(self, mib):
        self._monitor.execute("balloon", value=mib * MIB_BYTES)

    def _size(self):
        return self._monitor.execute("query-balloon")["actual"] // MIB_BYTES


class VirtioMem(Virtio):
    """A device whose memory is plugged and unplugged; it can take what it has plugged."""

    name = "virtio-mem"
    modules = ("virtio_mem",)
    PLUGGED = 2048
    PATH = "/machine/peripheral/plugged"

    def _devices(self):
        return (*super()._devices(),
                "-object", f"memory-backend-ram,id=backend,size={self.PLUGGED}M",
                "-device", "virtio-mem-pci,id=plugged,memdev=backend,requested-size=0")

    def _whole(self):
        return self.PLUGGED

    def _set(self, mib):
        self._monitor.execute("qom-set", path=self.PATH, property="requested-size",
                              value=mib * MIB_BYTES)

    def _size(self):
        return self._monitor.execute("qom-get", path=self.PATH, property="size") // MIB_BYTES


ALL: tuple[type[Subject], ...] = (DynamicMemory, InTree, Limit, Offline, VirtioBalloon, VirtioMem)
SUBJECTS = {one.name: one for one in ALL}
