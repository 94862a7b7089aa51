# SPDX-License-Identifier: GPL-2.0-only
"""What carries a guest: this machine's KVM, or an emulated machine that offers KVM.

Both kinds give the guest's QEMU two channels ("shell" and "monitor"), run it, and tell when
it ended. The emulated machine shares the cache at the same path, so QEMU's command
line is the same in both.
"""

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from . import LabError, cache, initramfs, kernels, packages
from .shell import MachineSilent, Shell, connected

CARRIER_KERNEL = "6.12"
# With more than one, the guest gets an interrupt twice now and then: QEMU keeps the vector that it
# injected by VMRUN as the next exception, and raises it once more when another processor stops this
# one, as each locked access across 8 bytes does. The guest dies of it (triple fault, or a lock that
# it holds) without a word: within 7 s where such accesses were made 2,000 times a second, and not
# within 150 s with one processor.
CARRIER_CPUS = 1
CARRIER_OVERHEAD_MIB = 1024  # what the carrier needs beside its guest
CARRIER_LIMIT = 180  # seconds for the carrier to boot, some 15 where nothing else runs
RESPONSE_LIMIT = 20  # seconds for the carrier to tell how it is
CHANNELS = ("shell", "monitor")


def qemu() -> list[str]:
    """Return the command prefix of the cached QEMU."""
    tree = packages.bundle("qemu")
    return initramfs.loader(tree) + [f"{tree}/usr/bin/qemu-system-x86_64",
                                     "-L", f"{tree}/usr/share/seabios",
                                     "-L", f"{tree}/usr/share/qemu",
                                     "-no-user-config", "-nodefaults", "-no-reboot",
                                     "-vga", "none", "-display", "none"]


def port(channel: str, name: str, number: int) -> list[str]:
    """Return the arguments that connect a chardev with a named virtio-serial port."""
    return ["-device", f"virtserialport,chardev={channel},name={name},nr={number}"]


class Program(Protocol):
    """A running program."""

    def alive(self) -> bool:
        """Tell whether the program runs."""

    def kill(self) -> None:
        """Stop the program at once."""


class Carrier:
    """What both kinds share: folders and what is left behind."""

    description = ""
    boot_limit = 0  # seconds for a guest

    def __init__(self) -> None:
        runs = cache.root() / "run"
        runs.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(runs)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
        # The kernel limits the length of socket paths, so these may be elsewhere, by a short name.
        self._sockets = Path(tempfile.mkdtemp(prefix="hvb-"))
        (self.folder / "sockets").symlink_to(self._sockets)

    def channel(self, name: str) -> list[str]:
        """Return the QEMU arguments that make the chardev `name`."""
        raise NotImplementedError

    def run(self, command: list[str],
            output: Path) -> contextlib.AbstractContextManager[Program]:
        """Run the guest's QEMU while the block runs; yields the running program."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove the folders."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def socket_path(self, name: str) -> Path:
        """Return the socket of the chardev `name`."""
        return self._sockets / name

    def connected(self, name: str) -> contextlib.AbstractContextManager[socket.socket]:
        """A connection with the chardev `name`, while the block runs."""
        return connected(self.socket_path(name))

    def output(self, name: str) -> Path:
        """Return the path that the guest's QEMU is to write the output `name` to."""
        return self.folder / name

    def read(self, name: str) -> str:
        """Return the text of the output `name`, as far as it is written."""
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def condition(self) -> str:
        """Return how what carries the guest is, for the report of a failure."""
        return ""

    def renew(self) -> None:
        """Start anew what carries the guest; no guest runs."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _listening(self, name):
        return ["-chardev", f"socket,id={name},path={self.socket_path(name)},server=on,wait=off"]


class DirectCarrier(Carrier):
    """This machine's own KVM."""

    description = "KVM with Hyper-V emulation"
    boot_limit = 60

    def channel(self, name: str) -> list[str]:
        return self._listening(name)

    @contextlib.contextmanager
    def run(self, command: list[str], output: Path) -> Iterator[Program]:
        with _Program(command, output) as program:
            yield program
        for name in CHANNELS:
            self.socket_path(name).unlink(missing_ok=True)


class NestedCarrier(Carrier):
    """An emulated machine with SVM, whose kernel offers KVM with Hyper-V emulation."""

    description = "nested emulation (KVM inside an emulated AMD machine)"
    boot_limit = 600  # some 40 s where nothing else runs

    def __init__(self, guest_mib: int) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        # Names of outputs of the guest that were copied from the carrier.
        self._fetched: set[str] = set()
        self._memory = guest_mib + CARRIER_OVERHEAD_MIB
        try:
            self._boot()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the carrier and remove the folders."""
        self._stack.close()
        super().close()

    def channel(self, name: str) -> list[str]:
        number = CHANNELS.index(name) + 2
        return ["-chardev", f"pipe,id={name},path=/dev/vport{self._bus}p{number}"]

    def output(self, name: str) -> Path:
        """Return a path in the carrier's memory: a console is far too slow on a shared folder."""
        return Path("/tmp") / name

    def read(self, name: str) -> str:
        """Return the text of the output `name`, fetched from the carrier if that still answers."""
        self._fetched.add(name)
        with contextlib.suppress(MachineSilent):
            self._shell.call(f"cp {self.output(name)} {self.folder}/{name}")
        return super().read(name)

    def condition(self) -> str:
        """Return how the carrier is, from itself if it still answers."""
        try:
            return ("the emulated machine that carries the guest:\n"
                    + self._shell.call("free -m; dmesg | tail -n 20", RESPONSE_LIMIT).output)
        except MachineSilent as error:
            return (f"the emulated machine that carries the guest is silent ({error}):\n"
                    + Carrier.read(self, "carrier.log")[-2000:] + Carrier.read(self, "carrier.out"))

    def renew(self) -> None:
        """Start a new carrier: one in which a guest broke down breaks the next ones too."""
        self._stack.close()
        self._boot()

    @contextlib.contextmanager
    def run(self, command: list[str], output: Path) -> Iterator[Program]:
        for name in self._fetched:
            (self.folder / name).unlink(missing_ok=True)
        program = _CarriedProgram(self._shell, command, output)
        try:
            yield program
        finally:
            self._end(program)

    def _end(self, program):
        """Kill a guest's QEMU; if the carrier hangs with it, start a new carrier."""
        try:
            program.kill()
        except MachineSilent:
            cache.say("the emulated machine hangs, starting it anew")
            self.renew()

    def _boot(self):
        kernel = kernels.kernel(CARRIER_KERNEL)
        image = self.folder / "carrier.cpio"
        initramfs.carrier(image, kernel)
        for attempt in (1, 2):
            try:
                self._start(self._command(kernel, image))
                return
            except MachineSilent:
                self._stack.close()
                if attempt == 2:
                    raise LabError("the emulated machine does not boot; its log:\n"
                                   + (self.folder / "carrier.log").read_text()) from None
                cache.say("the emulated machine did not boot in time, trying once more")

    def _start(self, command):
        program = self._stack.enter_context(_Program(command, self.folder / "carrier.out"))
        connection = self._stack.enter_context(self.connected("carrier"))
        self._shell = Shell(connection, program.alive)
        self._shell.run("true", CARRIER_LIMIT)
        found = self._shell.run("grep -lx carrier /sys/class/virtio-ports/*/name")
        self._bus = found.split("vport")[1].split("p")[0]
        self._shell.run(f"test -c /dev/kvm && test -d {cache.root()}/bundles")

    def _command(self, kernel, image):
        shared = [f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap{more}"
                  for tag, path, more in (("cache", cache.root(), ",readonly=on"),
                                          ("run", self.folder, ""))]
        append = (f"console=ttyS0 panic=-1 quiet mitigations=off "
                  f"lab.cache={cache.root()} lab.run={self.folder}")
        command = qemu() + [
            "-machine", "q35", "-accel", "tcg,thread=multi",
            "-cpu", "max", "-smp", str(CARRIER_CPUS), "-m", f"{self._memory}M",
            "-kernel", str(kernel.image), "-initrd", str(image), "-append", append,
            "-chardev", f"file,id=console,path={self.folder}/carrier.log",
            "-serial", "chardev:console",
            "-virtfs", shared[0], "-virtfs", shared[1], "-device", "virtio-serial-pci"]
        for number, name in enumerate(("carrier",) + CHANNELS, 1):
            command += self._listening(name) + port(name, name, number)
        return command


class _Program:
    """A program of this machine that dies with us."""

    def __init__(self, command, output):
        self._command = command
        self._output = output

    def __enter__(self):
        with open(self._output, "wb") as output:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL,
                                             stdout=output, stderr=subprocess.STDOUT,
                                             preexec_fn=die_with_parent)
        return self

    def __exit__(self, *_):
        self.kill()

    def alive(self):
        """Tell whether the program runs."""
        return self._process.poll() is None

    def kill(self):
        """Stop the program at once."""
        self._process.kill()
        self._process.wait()


class _CarriedProgram:
    """A program that runs inside the carrier."""

    START = """
rm -f {output}.pid
(
    {command} </dev/null >{output} 2>&1 & echo $! >{output}.pid
    wait $!
    echo "ended with status $?" >>{output}
) >/dev/null 2>&1 &
until [ -s {output}.pid ]; do sleep 0.1; done
cat {output}.pid
"""
    GONE = 1  # status of kill -0; others say that it could not be run in time

    def __init__(self, shell, command, output):
        self._shell = shell
        self._pid = shell.run(self.START.format(command=shlex.join(command),
                                                output=shlex.quote(str(output)))).strip()

    def alive(self):
        """Tell whether the program runs."""
        return self._shell.call(f"kill -0 {self._pid}").status != self.GONE

    def kill(self):
        """Stop the program at once and wait for its end."""
        self._shell.call(f"kill -9 {self._pid}; while kill -0 {self._pid}; do sleep 0.1; done")


def _remove_left_behind(runs):
    """Remove the folders of runs that were killed."""
    for folder in runs.iterdir():
        if not Path("/proc", folder.name.partition("-")[0]).exists():
            shutil.rmtree((folder / "sockets").resolve(), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def end_on_sigterm() -> None:
    """Let SIGTERM unwind the program like an exception, so that it cleans up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def program(name: str, run: Callable[[], int | None]) -> int | None:
    """Run a program with guests; return its exit status. What the lab lacks is said in a line."""
    end_on_sigterm()
    try:
        return run()
    except LabError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
