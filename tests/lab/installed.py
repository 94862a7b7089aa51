# SPDX-License-Identifier: GPL-2.0-only
"""Installed Debian systems, with the kernel, the headers and the DKMS of their release.

A system is a folder first, in which packages are installed, and then the disk of a guest. Making
and entering it needs the rights of root.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import PROJECT, LabError, build, roots
from .carrier import Carrier
from .real_guest import Config, RealGuest

PACKAGES = ("linux-image-amd64", "linux-headers-amd64", "initramfs-tools", "dkms", "kmod", "udev",
            "mount")
FREE_MIB = 256  # on the disk
# Drivers that a guest has use for. With those of all hardware depmod takes many minutes there.
DRIVERS = ("block", "char", "hv", "virtio")
FILES = (build.PROGRAMS / "init-installed.sh", build.PROGRAMS / "shell-server.sh",
         PROJECT / "debian/tests/switch-and-back")  # in /lab


@dataclass(frozen=True)
class System:
    """What a guest boots from: a disk, and the kernel and the initial RAM disk that are on it."""

    image: Path
    initrd: Path
    disk: Path


class InstalledGuest(RealGuest):
    """A guest that boots a System, whose disk it changes."""

    boot_patience = 4

    def __init__(self, carrier: Carrier, config: Config, system: System) -> None:
        self._system = system
        super().__init__(carrier, config)

    def _prepare(self):
        system = self._system
        return [*self._kernel(system.image, system.initrd,
                              "root=/dev/vda rw init=/lab/init-installed.sh"),
                "-drive", f"if=virtio,format=raw,file.locking=off,file={system.disk}"]


def make(release: str, packages: Iterable[Iterable[Path]], folder: Path) -> System:
    """Install lists of packages, in turn, in a fresh system; return the System, in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        root = Path(place) / "root"
        fresh = roots.root(f"{release}-system", release, PACKAGES)
        _run(["cp", "-a", fresh, root])
        for unused in root.glob("lib/modules/*/kernel/drivers/*"):
            if unused.name not in DRIVERS:
                shutil.rmtree(unused)
        (root / "lab").mkdir()
        for path in FILES:
            shutil.copy(path, root / "lab")
        for files in packages:
            for package in files:
                shutil.copy(package, root / "tmp")
            _run(roots.enter(root, "dpkg", "-i", *(f"/tmp/{package.name}" for package in files)))
        return _take(root, folder)


def _take(root, folder):
    """Make the System, in `folder`, of what is in a root."""
    system = System(*(shutil.copy(next(root.glob(f"boot/{name}-*")), folder / name)
                      for name in ("vmlinuz", "initrd.img")), folder / "disk")
    size = int(_run(["du", "-sm", root]).split()[0])
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, system.disk,
          f"{size * 5 // 4 + FREE_MIB}M"])
    return system


def _run(command):
    result = subprocess.run([str(word) for word in command], text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"{command[0]} failed:\n{result.stdout[-2000:]}")
    return result.stdout
