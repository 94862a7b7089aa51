# SPDX-License-Identifier: GPL-2.0-only
"""A guest of a real Dynamic Memory host, with the controls of that: QEMU's hv-balloon."""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import LabError, build, cache, initramfs, kernels, results
from .carrier import Carrier, port, qemu
from .guest import CONSOLE, Guest
from .qmp import Monitor
from .shell import MachineSilent, Shell

MIB = 1 << 20
HOST_DELAY = 50  # seconds that QEMU's host waits after negotiation before its first request
BOOT_ATTEMPTS = 3  # the emulated machine hangs now and then while its guest boots
DRAIN = 0.1  # seconds for QEMU to empty the guest's ring, see Guest.set_target()
MAXMEM = "96G"  # address space: the device wants its memory aligned to 32 GiB
# What excuses a silent guest: words of QEMU, and of the guest's log. The emulated machine delivers an
# interrupt twice now and then, the second time to the first instruction of its own handler.
ASSERTION = re.compile(r"gpadl_iter_seek: Assertion")
TWICE = re.compile(r"RIP: \S*:asm_(?:sysvec|exc|common)_?\w*\+0x0/")
DRIVER_IN_TRACE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[hv_(balloon|dynmem)\]")
TRACE, OUTPUT = "guest.trace", "guest.out"
CPU = ("host,kvm=off,hv-relaxed=on,hv-time=on,hv-vapic=on,hv-vpindex=on,hv-synic=on,"
       "hv-runtime=on,hv-stimer=on")


class CarrierBroken(LabError):
    """The guest is silent, and that is known to be no fault of the driver: it says nothing, and is
    to be repeated."""


def excuse(output: str, log: str) -> str:
    """Return why a silent guest is no fault of the driver, given what QEMU said and the guest's
    log; nothing if no reason is known. A stack trace with the driver in it has no excuse."""
    if ASSERTION.search(output):
        return results.ASSERTION
    return results.TWICE if TWICE.search(log) and not DRIVER_IN_TRACE.search(log) else ""


@dataclass
class Config:
    """What guest to start; sizes in MiB."""

    kernel: str
    startup: int = 1024
    maximum: int = 4096
    cpus: int = 2
    module: Path | None = None  # to load; None: the project's own, built on demand
    append: str = ""
    rule: Path = field(default_factory=build.udev_rule)
    files: dict = field(default_factory=dict)  # more of them, by name


class RealGuest(Guest):
    """A running guest of QEMU's host."""

    boot_patience = 1  # how much longer than the carrier's other guests it may take to boot

    def __init__(self, carrier: Carrier, config: Config) -> None:
        super().__init__()
        self._carrier = carrier
        self._config = config
        if config.module:
            self.module = config.module.name.split(".")[0]
        self._report_lock = threading.Lock()
        self._reports: list[dict[str, int]] = []
        self._module = None
        self._boot()

    # Inside the guest

    def load(self, parameters: str = "", intree: bool = False) -> None:
        """Load the module under test, or the distribution's own.

        It reports later than by default, and so not at the moment when QEMU begins to ask for
        something: QEMU can abort then, for the reason that set_target() has.
        """
        path = "/lab/intree" if intree else "/lab/module"
        delay = f"pressure_report_delay={HOST_DELAY + 10}"
        self.run(f"insmod {path}/hv_*.ko* {delay} {parameters}", limit=60)

    # The host's side

    def set_target(self, mib: int) -> None:
        """Ask the host to make the guest that large.

        QEMU 10 can abort when this command meets an unread message of the guest (assertion in
        gpadl_iter_seek). While the guest's processors stand still, QEMU empties the ring.
        """
        with self._explained():
            self._monitor.execute("stop")
            time.sleep(DRAIN)
            self._monitor.execute("balloon", value=mib * MIB)
            self._monitor.execute("cont")

    def actual(self) -> int:
        """Return the size that the host counts for the guest, in MiB."""
        with self._explained():
            return self._monitor.execute("query-balloon")["actual"] // MIB

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return QEMU's answer to a command of its monitor for programs."""
        with self._explained():
            return self._monitor.execute(command, **arguments)

    def report(self) -> dict[str, int] | None:
        """Return the guest's last report to the host, in MiB; None before the first one."""
        with self._report_lock:
            return self._reports[-1] if self._reports else None

    def report_count(self) -> int:
        """Return how many reports the host has had from the guest."""
        with self._report_lock:
            return len(self._reports)

    def wait_actual(self, mib: int, limit: float, pause: float = 0.5) -> float:
        """Wait until the host counts that size; return the seconds it took."""
        return self.wait(lambda: self.actual() == mib, limit,
                         lambda: f"the host counts {self.actual()} MiB, not {mib}", pause)

    def wait(self, condition: Callable[[], object], limit: float, explain: Callable[[], str],
             pause: float = 0.5) -> float:
        """Wait until condition() holds; return the seconds it took or raise LabError."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > limit:
                raise LabError(f"after {limit} s: {explain()}")
            time.sleep(pause)
        return time.monotonic() - start

    # What is left to read

    def trace(self) -> str:
        """Return QEMU's trace of the balloon device: a line with its time for each state change or
        message."""
        return self._carrier.read(TRACE)

    # Starting

    def _prepare(self):
        """Make what the guest boots from; return QEMU's arguments for it."""
        kernel = kernels.kernel(self._config.kernel)
        self.release = kernel.release
        image = self._carrier.folder / "guest.cpio"
        modules = {"intree": build.intree_module(self._config.kernel)}
        if self._config.module != modules["intree"]:
            modules["module"] = self._config.module or build.module(self._config.kernel)
        initramfs.guest(image, kernel, modules | self._config.files, self._config.rule)
        return self._kernel(kernel.image, image)

    def _kernel(self, image, initrd, more=""):
        """Return QEMU's arguments for a kernel that it starts itself, with `more` for that and the
        initial RAM disk, if there is one."""
        append = f"console=ttyS0 panic=-1 tsc=reliable {more} {self._config.append}"
        return ["-kernel", str(image), *(("-initrd", str(initrd)) if initrd else ()),
                "-append", append]

    def _boot(self):
        command = self._command(self._prepare())
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            try:
                self._start(command)
                return
            except MachineSilent as error:
                silence = self._silence(error)
                self.close()
                if attempt == BOOT_ATTEMPTS:
                    raise silence from None
                cache.say(f"the guest did not boot, trying once more: {silence}")
                results.note_repeat(f"{results.NO_BOOT}: {silence}")
                self._carrier.renew()

    def _start(self, command):
        output = self._carrier.output(OUTPUT)
        program = self._stack.enter_context(self._carrier.run(command, output))
        monitor = self._stack.enter_context(self._carrier.connected("monitor"))
        self._monitor = Monitor(monitor)
        self._monitor.listen(self._note_report)
        self._monitor.negotiate()
        shell = self._stack.enter_context(self._carrier.connected("shell"))
        self._shell = Shell(shell, program.alive)
        self._shell.run("true", self._carrier.boot_limit * self.boot_patience)

    def _command(self, system):
        config = self._config
        command = qemu() + [
            "-machine", "q35,accel=kvm", "-global", "ICH9-LPC.disable_s4=1", "-cpu", CPU,
            "-m", f"{config.startup}M,slots=4,maxmem={MAXMEM}", "-smp", str(config.cpus),
            "-device", "vmbus-bridge"]
        command += self._balloon_device()
        command += [*system,
                    "-chardev", f"file,id=console,path={self._carrier.output(CONSOLE)}",
                    "-serial", "chardev:console",
                    "-trace", "hv_balloon*", "-D", str(self._carrier.output(TRACE)),
                    "-msg", "timestamp=on"]
        command += self._carrier.channel("monitor") + ["-mon", "chardev=monitor,mode=control"]
        command += ["-device", "virtio-serial-pci"] + self._carrier.channel("shell")
        return command + port("shell", "shell", 1)

    def _balloon_device(self):
        device = "hv-balloon,id=hvb,status-report=on"
        extra = self._config.maximum - self._config.startup
        if extra <= 0:
            return ["-device", device]
        return ["-object", f"memory-backend-ram,id=extra,size={extra}M",
                "-device", f"{device},memdev=extra"]

    def _note_report(self, event):
        if event["event"] == "HV_BALLOON_STATUS_REPORT":
            with self._report_lock:
                self._reports.append({name: value // MIB for name, value in
                                      event["data"].items()})

    @contextlib.contextmanager
    def _explained(self):
        """Tell why the guest is silent, if it is."""
        try:
            yield
        except MachineSilent as error:
            raise self._silence(error) from None

    def _silence(self, error):
        """Return the error that a silent guest is."""
        log, output = self.log(), self._carrier.read(OUTPUT)
        known = excuse(output, log)
        kind = CarrierBroken if known else LabError
        return kind(f"{known and known + ': '}{error}\nQEMU said: {output}\n"
                    f"{self._carrier.condition()}\n"
                    f"the guest's log:\n{log[-4000:]}")

