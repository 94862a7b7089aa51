# SPDX-License-Identifier: GPL-2.0-only
"""A guest without Hyper-V in which a script plays the Dynamic Memory host.

hvb_sim.ko stands in for hv_vmbus in the guest, relay.c connects it with this program over a
virtio-serial port. The machine has more memory than the guest is told (mem=), so that hot-added
memory is real.
"""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab import HV_BALLOON, cache, initramfs, kernels, results
from lab.build import udev_rule
from lab.carrier import DirectCarrier
from lab.guest import STATUS, Guest, status_of
from lab.shell import MachineSilent, Shell

from . import built, signing
from .host import Host
from .machine import Machine

CONTROL = "/sys/class/misc/hvb_sim/control"     # of what plays the host; see sim_main.c
BOOT_LIMIT = 180
DEBUG_PATIENCE = 4      # how much longer all may take in the kernel with checkers
KEXEC_TOOLS = ("sbin/kexec", "usr/bin/makedumpfile")

OURS = "ours"


class Simulator(Guest):
    """A guest with a simulated host. A context manager; `host` is the host's side."""

    driver = OURS

    def __init__(self, version: str, module: str = HV_BALLOON,
                 files: dict[str, Path] | None = None, drivers: Iterable[str] = (),
                 mutant: str = "", **options: Any) -> None:
        """Start the guest. It has `files` besides, by name, and modules of the kernel, `drivers`.

        `module`: the name under which this project's driver is loaded; `mutant`: the bug that is
        planted in it.

        Options: see Machine.
        """
        super().__init__()
        self._version = version
        self.module = module if self.driver == OURS else HV_BALLOON
        self._files, self._drivers, self._mutant = files or {}, drivers, mutant
        self.file = f"/lab/{self.driver}/{self.module}.ko"  # of the driver, in the guest
        # How much longer all may take than in a stock kernel.
        self.patience = DEBUG_PATIENCE if version == kernels.DEBUG else 1
        with contextlib.ExitStack() as started:
            self._carrier = started.enter_context(DirectCarrier())
            self._running = started.enter_context(contextlib.ExitStack())
            self._prepare(Machine(**options))
            self.power_on()
            self.start_host()
            self.connect_host()
            self._stack = started.pop_all()

    def _prepare(self, machine):
        """Build all that the machine boots, and its command line."""
        kernel = kernels.kernel(self._version)
        image = self._carrier.folder / "guest.cpio"
        tools = KEXEC_TOOLS if machine.carries_itself else ()
        files = built.host(self._version) | self._files
        if self.driver == OURS:
            files[OURS] = built.driver(self._version, self.module, self._mutant)
        if machine.secure_boot:
            signing.add_signed(files, "sim", OURS, kernel.headers, self._carrier.folder)
        initramfs.guest(image, kernel, files, udev_rule(), tools, self._drivers)
        self._command = machine.command(self._carrier.folder, kernel.image, image,
                                        self._carrier.channel)

    def power_on(self) -> None:
        """Start the machine and wait until its guest answers; some hang while they boot."""
        try:
            self._start()
        except MachineSilent:
            cache.say("the guest did not boot in time, trying once more")
            results.note_repeat(f"{results.NO_BOOT} in time")
            self._running.close()
            self._start()

    def _start(self):
        self._program = self._running.enter_context(
            self._carrier.run(self._command, self._carrier.output("guest.out")))
        connection = self._running.enter_context(self._carrier.connected("shell"))
        self._shell = Shell(connection, self._program.alive)
        self.wait_booted()

    def wait_booted(self) -> None:
        """Wait until the guest answers, or answers again."""
        self.run("true", BOOT_LIMIT)

    def wait_off(self, limit: float = BOOT_LIMIT) -> None:
        """Wait until the machine has switched itself off; its disks stay."""
        deadline = time.monotonic() + limit
        while self._program.alive():
            assert time.monotonic() < deadline, "the machine is still on"
            time.sleep(0.2)
        self._running.close()

    def start_host(self) -> None:
        """Start what plays the host in the guest."""
        self.run("insmod /lab/sim/hvb_sim.ko")
        # The second port of the device is the script's; it may appear after the first.
        self.run("until port=$(grep -lx monitor /sys/class/virtio-ports/*/name);"
                 " do sleep 0.1; done;"
                 " /lab/relay/relay /dev/hvb_sim /dev/$(echo $port | cut -d/ -f5)"
                 " >/tmp/relay.log 2>&1 &\n"
                 "until ls -l /proc/$!/fd | grep -q /dev/vport; do"
                 " kill -0 $! || { cat /tmp/relay.log; exit 1; }; sleep 0.1; done")

    def connect_host(self) -> None:
        """Connect with what plays the host in the guest, now or later."""
        self.host = Host(self._running.enter_context(self._carrier.connected("monitor")),
                         self.patience)

    def load(self, parameters: str = "", offered: bool = False) -> None:
        """Load the driver while no device is there; which may be offered then."""
        then = f" || exit; echo offer >{CONTROL} &" if offered else ""
        self.run(f"{self._insmod()} {parameters}{then}")

    def loaded(self) -> bool:
        """Tell whether a driver is loaded."""
        return self.call(f"grep -q '^{self.module} ' /proc/modules").status == 0

    def reload(self, parameters: str = "") -> None:
        """Unload the driver and load it again. insmod waits for the host, we do not."""
        self.unload()
        self.run(f"{self._insmod()} {parameters} >/dev/null 2>&1 &")

    def _insmod(self):
        return f"/usr/sbin/insmod {self.file}"

    def leave(self) -> None:
        """Let driver and device go, if they are there."""
        self.run(f"if grep -q '^{self.module} ' /proc/modules; then rmmod {self.module} || exit; fi;"
                 f" echo rescind >{CONTROL}; true", limit=240)

    def rescind_if_there(self) -> None:
        """Let the device vanish, if it is there."""
        self.call(f"echo rescind >{CONTROL}", limit=120)

    def offer(self) -> None:
        """Let the device appear; does not wait for the driver."""
        self.run(f"echo offer >{CONTROL} &")

    def rescind(self) -> None:
        """Let the device vanish; returns when the driver has let go."""
        self.run(f"echo rescind >{CONTROL}", limit=120)

    def bound(self) -> bool:
        """Tell whether the driver is bound to the device."""
        return self.call("test -e /sys/bus/vmbus/devices/dynamic-memory/driver").status == 0

    def wait_unbound(self, limit: float = 60) -> None:
        """Wait until the driver has closed the channel and let go of the device."""
        deadline = time.monotonic() + limit * self.patience
        while self.bound() or self._is_open():
            assert time.monotonic() < deadline, "the device is still in use"
            time.sleep(0.2)

    def _is_open(self):
        """Tell whether the driver has opened the channel and not closed it again."""
        counters = self.counters()
        return counters["opens"] != counters["closes"]

    def wait_for(self, name: str, value: object, limit: float = 30) -> None:
        """Wait until a figure of the driver has that value."""
        deadline = time.monotonic() + limit * self.patience
        while (seen := self._figure(name)) != value:
            assert time.monotonic() < deadline, f"{name} is {seen}, not {value}"
            time.sleep(0.1)

    def _figure(self, name):
        """Return one figure; the file is not there before the driver has agreed."""
        lines = self.call(f"cat {STATUS}")
        return None if lines.status else status_of(lines.output)[name]

    def floor(self) -> int:
        """Return the pages that the driver leaves."""
        return self.status()["pages_floor"]

    def has_said(self, text: str, lines: int = 5) -> bool:
        """Tell whether the end of the log has that."""
        return text in self.run(f"dmesg | tail -{lines}")

    def counters(self) -> dict[str, int]:
        """Return what the simulated channel has counted."""
        lines = self.run("cat /sys/kernel/debug/hvb_sim/status").splitlines()
        return {name: int(value) for name, value in (line.split(": ") for line in lines)}

    def total(self) -> int:
        """Return MemTotal of the guest in pages."""
        return int(self.run("grep MemTotal /proc/meminfo").split()[1]) // 4

    def debugger(self) -> str:
        """Return how gdb stops the guest and looks at the driver, if it is loaded.

        Only the debug kernel has a vmlinux; without one there are the driver's functions alone.
        """
        headers = kernels.kernel(self._version).headers
        vmlinux = f"{headers}/vmlinux " if self.is_debug() else ""
        text = self.call(f"cat /sys/module/{self.module}/sections/.text").output.strip()
        module = self.sources_folder() / f"{self.module}.ko"
        symbols = f" -ex 'add-symbol-file {module} {text}'" if text.startswith("0x") else ""
        return f"gdb {vmlinux}-ex 'target remote {self._carrier.socket_path('gdb')}'{symbols}"

    def is_debug(self) -> bool:
        """Tell whether the kernel is the one with checkers."""
        return self._version == kernels.DEBUG

    def sources_folder(self) -> Path:
        """Return the folder in which the driver was built."""
        return built.sources_folder(self._version, self.module)
