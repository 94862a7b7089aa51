# SPDX-License-Identifier: GPL-2.0-only
"""A guest with a whole Debian 13, its systemd and some programs, in which scripts play the host.

It boots the lab's image, which goes on with the system on a disk that stays as it was. Making the
system needs the rights of root.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab import build, cache, roots
from simulated_host.simulator import Simulator

RELEASE, KERNEL = "trixie", "6.1"
PROGRAMS = ("systemd", "udev", "kmod", "dbus", "procps", "redis-server", "postgresql",
            "mariadb-server", "openjdk-21-jdk-headless", "prometheus-node-exporter")
EXPORTER = 9100     # the port of node_exporter
STARTED = 300       # seconds for the units of systemd
SPACE_MIB = 2048    # that is free on the disk
HERE = Path(__file__).resolve().parent / "programs"


def disk() -> Path:
    """Return the disk of the system, which is made if it is not there."""
    root = roots.root(f"{RELEASE}-recipes", RELEASE, PROGRAMS)
    return cache.folder_once(cache.root() / "disks" / root.name,
                             lambda folder: _write(root, folder)) / "disk"


def _write(root, folder):
    cache.say(f"writing the disk of {root.name}")
    size = int(subprocess.run(["du", "-sm", root], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[0])
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, folder / "disk",
                    f"{size * 5 // 4 + SPACE_MIB}M"], check=True)


def java(folder: Path) -> Path:
    """Return the compiled server of Java."""
    root = roots.root(f"{RELEASE}-recipes", RELEASE, PROGRAMS)
    shutil.copy(HERE / "Server.java", folder)
    subprocess.run(roots.enter(root, "javac", "-d", folder, folder / "Server.java",
                               shared=(folder,)), check=True)
    return folder / "Server.class"


@contextlib.contextmanager
def booted(files: dict[str, Path], port: int = 0) -> Iterator[Simulator]:
    """A guest with that system and these files in /lab, while the block runs.

    With `port`, a port of this machine is that of the guest's node_exporter, which has a network.
    """
    init = build.PROGRAMS / "init-system.sh"
    devices = ["-drive", f"if=none,id=system,format=raw,snapshot=on,file={disk()}",
               "-device", "virtio-blk-pci,drive=system,serial=system"]
    if port:
        devices += ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{EXPORTER}",
                    "-device", "virtio-net-pci,netdev=net,romfile="]
    with Simulator(KERNEL, files={"init": init, "shell": build.PROGRAMS / "lab-shell.service",
                                  **files}, drivers=("ext4", "virtio_net"),
                   append=f"rdinit=/lab/init/{init.name}", devices=tuple(devices)) as guest:
        guest.run("until systemctl is-active multi-user.target; do sleep 1; done", STARTED)
        yield guest
