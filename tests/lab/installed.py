# SPDX-License-Identifier: GPL-2.0-only
"""Installed Debian systems, with the kernel, the headers and the DKMS of their release, or with a
kernel that has the driver built in, and systemd.

A system is a folder first, in which packages are installed, and then the disk of a guest. Making
and entering it needs the rights of root.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import PROJECT, LabError, build, cache, kernels, roots
from .carrier import Carrier
from .real_guest import Config, RealGuest

PACKAGES = ("linux-image-amd64", "linux-headers-amd64", "initramfs-tools", "dkms", "kmod", "udev",
            "mount")
BUILT_IN_PACKAGES = ("systemd-sysv", "dbus", "dkms", "kmod", "udev", "mount", "libelf1")
FREE_MIB = 256  # on the disk
# Drivers that a guest has use for. With those of all hardware depmod takes many minutes there.
DRIVERS = ("block", "char", "hv", "virtio")
FILES = (build.PROGRAMS / "init-installed.sh", build.PROGRAMS / "shell-server.sh",
         PROJECT / "debian/tests/switch-and-back")  # in /lab
SHELL = build.PROGRAMS / "lab-shell.service"
SYSTEMD = "systemd.unit=multi-user.target systemd.show_status=false"
DKMS_KEY = {"signing_key.pem": "mok.key", "signing_key.x509": "mok.pub"}


@dataclass(frozen=True)
class System:
    """What a guest boots from: a disk, the kernel, the initial RAM disk if it needs one, and the
    kernel's command line for them."""

    image: Path
    initrd: Path | None
    disk: Path
    append: str


class InstalledGuest(RealGuest):
    """A guest that boots a System, whose disk it changes."""

    boot_patience = 4

    def __init__(self, carrier: Carrier, config: Config, system: System) -> None:
        self._system = system
        super().__init__(carrier, config)

    def _prepare(self):
        system = self._system
        return [*self._kernel(system.image, system.initrd, f"root=/dev/vda rw {system.append}"),
                "-drive", f"if=virtio,format=raw,file.locking=off,file={system.disk}"]


def make(release: str, packages: Iterable[Iterable[Path]], folder: Path) -> System:
    """Install lists of packages, in turn, in a fresh system; return the System, in `folder`.

    It boots up to the loading of drivers by udev; systemd does not run.
    """
    with _copy(f"{release}-system", release, PACKAGES, folder) as root:
        for unused in root.glob("lib/modules/*/kernel/drivers/*"):
            if unused.name not in DRIVERS:
                shutil.rmtree(unused)
        for files in packages:
            _install(root, files)
        image, initrd = (Path(shutil.copy(next(root.glob(f"boot/{name}-*")), folder / name))
                         for name in ("vmlinuz", "initrd.img"))
        return System(image, initrd, _disk(root, folder), "init=/lab/init-installed.sh")


def make_built_in(packages: Iterable[Path], folder: Path, files: dict[str, Path]) -> System:
    """Install packages in a system whose kernel has the driver built in; return the System, which
    has `files` besides, by name.

    systemd runs in it. DKMS signs with the key that the kernel knows.
    """
    kernel = kernels.kernel(kernels.BUILT_IN)
    with _copy("bookworm-built-in", "bookworm", BUILT_IN_PACKAGES, folder) as root:
        modules = root / "lib/modules" / kernel.release
        shutil.copytree(kernel.modules, modules, symlinks=True)
        (modules / "build").unlink(missing_ok=True)
        (modules / "build").symlink_to(kernel.headers)
        for name, own in DKMS_KEY.items():
            shutil.copy(kernel.headers / "certs" / name, root / "var/lib/dkms" / own)
        _install(root, packages)
        for name, path in files.items():
            (root / "lab" / name).mkdir()
            shutil.copy(path, root / "lab" / name)
        return System(kernel.image, None, _disk(root, folder), SYSTEMD)


@contextlib.contextmanager
def _copy(name, release, packages, folder):
    """A copy of the root of that name, with what the lab needs in it, while the block runs."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        root = Path(place) / "root"
        _run(["cp", "-a", roots.root(name, release, packages), root])
        (root / "lab").mkdir()
        for path in FILES:
            shutil.copy(path, root / "lab")
        units = root / "etc/systemd/system"
        (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
        shutil.copy(SHELL, units)
        (units / "multi-user.target.wants" / SHELL.name).symlink_to(f"../{SHELL.name}")
        # Else systemd enables all units at the first boot.
        (root / "etc/machine-id").write_text(f"{1:032x}\n", encoding="ascii")
        yield root


def _install(root, files):
    for package in files:
        shutil.copy(package, root / "tmp")
    _run(roots.enter(root, "dpkg", "-i", *(f"/tmp/{package.name}" for package in files),
                     shared=(cache.root(),)))


def _disk(root, folder):
    """Write the disk with what is in a root."""
    disk = folder / "disk"
    size = int(_run(["du", "-sm", root]).split()[0])
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk, f"{size * 5 // 4 + FREE_MIB}M"])
    return disk


def _run(command):
    result = subprocess.run([str(word) for word in command], text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"{command[0]} failed:\n{result.stdout[-2000:]}")
    return result.stdout
