# SPDX-License-Identifier: GPL-2.0-only
"""Boot images: a static busybox, Debian's kmod and udev, kernel modules and our files."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from . import PROJECT, build, cache, packages
from .kernels import Kernel

COMMON_FILES = ("shell-server.sh", "init-common.sh")
UDEV_RULES = ("50-udev-default.rules", "80-drivers.rules")
CARRIER_MODULES = ("kvm_amd", "9p", "9pnet_virtio", "virtio_pci")
GUEST_PROGRAMS = ("fusehang", "maploop", "memhog", "memlayout", "pollfile")
GUEST_MODULES = ("virtio_pci", "virtio_console", "hv_vmbus", "hv_balloon")
DISK_MODULE = "virtio_blk"  # not every kernel has a block layer
COMMAND = {"hvballoon": "usr/bin", "checks.sh": "usr/share/hvballoon",
           "print.awk": "usr/share/hvballoon", "rules.awk": "usr/share/hvballoon",
           "metrics.awk": "usr/share/hvballoon", "bundle.sh": "usr/share/hvballoon",
           "takeover.sh": "usr/share/hvballoon"}


def loader(tree: Path) -> list[str]:
    """Return the command prefix that runs a program of an unpacked tree with its own libraries."""
    libraries = f"{tree}/lib/x86_64-linux-gnu:{tree}/usr/lib/x86_64-linux-gnu"
    return [f"{tree}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "--library-path", libraries]


def carrier(image: Path, kernel: Kernel) -> None:
    """Build the boot image of the emulated machine that carries the guest's QEMU."""
    with _Staging(image) as staging:
        staging.add_base("init-carrier.sh")
        staging.add_modules(kernel, CARRIER_MODULES)


def guest(image: Path, kernel: Kernel, modules: dict[str, Path], rule: Path,
          tools: Iterable[str] = (), drivers: Iterable[str] = ()) -> None:
    """Build the guest's boot image.

    `modules` maps a name to the hv_balloon file it stands for, `tools` are programs of the
    bundle "guest" and `drivers` modules of the kernel that it has besides.
    """
    with _Staging(image) as staging:
        staging.add_base("init-guest.sh")
        disk = (DISK_MODULE,) if any(kernel.modules.rglob(f"{DISK_MODULE}.ko*")) else ()
        staging.add_modules(kernel, (*GUEST_MODULES, *disk, *drivers))
        staging.add_udev(rule, build.takeover_rule())
        staging.add_command()
        for name in GUEST_PROGRAMS:
            staging.add(build.program(name), f"usr/bin/{name}", 0o755)
        for tool in tools:
            staging.add_program(tool)
        for name, path in modules.items():
            staging.add(path, f"lab/{name}/{path.name}")


class _Staging:
    """A root file system in the making; packed into the image when the block ends."""

    def __init__(self, image):
        self._image = image
        self._debian = packages.bundle("guest")

    def __enter__(self):
        self._root = Path(tempfile.mkdtemp(prefix="staging-", dir=self._image.parent))
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "lab"):
            (self._root / folder).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self._root / name).symlink_to(f"usr/{name}")
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._pack()
        shutil.rmtree(self._root)

    def add(self, source, target, mode=None):
        """Copy one file to `target`."""
        path = self._root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        path.chmod(mode or source.stat().st_mode)

    def add_base(self, init):
        """Add busybox, kmod, the shell server and the init script."""
        self.add(self._debian / "bin/busybox", "usr/bin/busybox")
        self.add_program("bin/kmod")
        for name in ("modprobe", "insmod", "rmmod", "lsmod"):
            (self._root / "usr/sbin" / name).symlink_to("/usr/bin/kmod")
        for name in COMMON_FILES:
            self.add(build.PROGRAMS / name, f"lab/{name}")
        self.add(build.PROGRAMS / init, "init", 0o755)

    def add_udev(self, *rules):
        """Add udev with its basic rules and those under test."""
        self.add_program("bin/udevadm")
        daemon = self._root / "usr/lib/systemd/systemd-udevd"
        daemon.parent.mkdir()
        daemon.symlink_to("/usr/bin/udevadm")
        for name in UDEV_RULES:
            self.add(self._debian / "lib/udev/rules.d" / name, f"usr/lib/udev/rules.d/{name}")
        for rule in rules:
            self.add(rule, f"usr/lib/udev/rules.d/{rule.name}")

    def add_command(self):
        """Add the project's command, as "make install" does."""
        for name, folder in COMMAND.items():
            self.add(PROJECT / "tools" / name, f"{folder}/{name}")

    def add_modules(self, kernel, names):
        """Add kernel modules with what they depend on; hv_balloon itself stays out."""
        tree = self._root / "usr/lib/modules" / kernel.release
        for path in self._with_dependencies(kernel, names):
            if not path.name.startswith("hv_balloon."):
                self.add(path, tree.relative_to(self._root) / path.relative_to(kernel.modules))
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            self.add(kernel.modules / name, tree.relative_to(self._root) / name)
        self._kmod("depmod", "-b", self._root, kernel.release)

    def _with_dependencies(self, kernel, names):
        base = kernel.modules.parents[2]
        with cache.lock(f"depmod-{kernel.release}"):
            if not (kernel.modules / "modules.dep.bin").exists():
                self._kmod("depmod", "-b", base, kernel.release)
        output = self._kmod("modprobe", "-d", base, "-S", kernel.release, "-a", "-D", *names)
        return {Path(found) for found in re.findall(r"^insmod (\S+)", output, re.MULTILINE)}

    def _kmod(self, tool, *arguments):
        start, *options = loader(self._debian)
        command = [start, "--argv0", tool, *options, self._debian / "bin/kmod", *arguments]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    def add_program(self, source):
        """Copy a program of the bundle and the libraries that its own loader finds for it."""
        program = self._debian / source
        self.add(program, f"usr/bin/{program.name}")
        start = loader(self._debian)
        output = subprocess.run([*start, "--list", program], check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        for library in map(Path, re.findall(r"(/\S+) \(0x", output)):
            self.add(library, f"usr/lib/{library.name}")
        self.add(Path(start[0]), "usr/lib64/ld-linux-x86-64.so.2", 0o755)

    def _pack(self):
        names = subprocess.run(["find", ".", "-mindepth", "1", "-print0"], cwd=self._root,
                               check=True, stdout=subprocess.PIPE).stdout
        with open(self._image, "wb") as image:
            subprocess.run(["cpio", "--create", "--format=newc", "--null", "--quiet",
                            "--owner=0:0"], cwd=self._root, check=True, input=names, stdout=image)
