# SPDX-License-Identifier: GPL-2.0-only
"""Boot images that list the module, through the life of the package, in systems of two releases.

They have initramfs-tools or dracut. Nothing boots: the systems are entered only, which needs the
rights of root.
"""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import roots

from .commands import OLDER, run


class Tool(NamedTuple):
    """What makes boot images: its packages, how one is listed, unpacked and made; its settings."""

    packages: tuple[str, ...]
    listing: str
    unpack: str
    renew: str
    file: str
    text: str


INITRAMFS_TOOLS = Tool(("initramfs-tools",), "lsinitramfs", "unmkinitramfs {} .",
                       "update-initramfs -u -k {0}", "etc/initramfs-tools/modules", "hv_balloon\n")
DRACUT = Tool(("dracut", "systemd-sysv"), "lsinitrd", "lsinitrd --unpack {}",
              "dracut --quiet --force /boot/initrd.img-{0} {0}", "etc/dracut.conf.d/50-hv.conf",
              'add_drivers+=" hv_balloon "\n')
SYSTEMS = {"bookworm": ("bookworm", INITRAMFS_TOOLS), "trixie": ("trixie", INITRAMFS_TOOLS),
           "trixie-dracut": ("trixie", DRACUT)}
# What DKMS, dpkg and their scripts say of failures.
FAILED = re.compile(r"\bfailed\b|\berrors? (processing|was|were)|Bad return|could not", re.IGNORECASE)
OWN, OURS = "kernel/drivers/hv/hv_balloon.ko", "updates/dkms/hv_balloon.ko"


class System:
    """A system of a release, in a folder of its own, with a boot image that lists the module."""

    def __init__(self, name, folder):
        self.release, self._tool = SYSTEMS[name]
        fresh = roots.root(f"{name}-image", self.release,
                           ("linux-image-cloud-amd64", *self._tool.packages, "dkms", "kmod", "udev"))
        self._root = folder / "root"
        run("cp", "-a", fresh, self._root)
        self.kernel = next((self._root / "lib/modules").iterdir()).name
        settings = self._root / self._tool.file
        settings.parent.mkdir(exist_ok=True)
        with settings.open("a", encoding="utf-8") as opened:
            opened.write(self._tool.text)
        self.enter(*self._tool.renew.format(self.kernel).split())

    def enter(self, *words):
        """Run a command there; return what it prints."""
        return run(*roots.enter(self._root, *words, shared=("/dev",)))

    def copy(self, files):
        """Put files into /tmp; return their names there."""
        return [str(Path("/") / Path(shutil.copy(file, self._root / "tmp"))
                    .relative_to(self._root)) for file in files]

    def kernels(self):
        """Return the kernels that are installed."""
        return {folder.parent.name for folder in self._root.glob("lib/modules/*/kernel")}

    def install(self, *words):
        """Install packages; return what apt prints."""
        return self.enter("apt-get", "install", "-y", "--no-install-recommends", *words)

    def drivers(self, kernel=None):
        """Return which driver the next boot would load, and which one its image has."""
        kernel = kernel or self.kernel
        names = self.enter(self._tool.listing, f"/boot/initrd.img-{kernel}")
        image = [name for name in (OWN, OURS) if f"/{kernel}/{name}" in names]
        file = self.enter("modinfo", "-k", kernel, "-n", "hv_balloon")
        return [name for name in (OWN, OURS) if name in file], image

    def versions(self):
        """Return the versions of the module in the image and of the one that is installed."""
        unpack = self._tool.unpack.format(f"/boot/initrd.img-{self.kernel}")
        self.enter("sh", "-ec", f"rm -rf /tmp/image; mkdir /tmp/image; cd /tmp/image; {unpack}")
        image, = (self._root / "tmp/image").glob(f"**/updates/dkms/{Path(OURS).name}*")
        version = ("modinfo", "-F", "version")
        return (self.enter(*version, "/" / image.relative_to(self._root)).strip(),
                self.enter(*version, "-k", self.kernel, "hv_balloon").strip())

    def assert_in_order(self, text):
        """Neither dpkg nor what it called has failed, or left anything half done."""
        assert self.enter("dpkg", "--audit") == ""
        assert not FAILED.search(text), text


@pytest.mark.parametrize("name", SYSTEMS)
def test_image_has_the_driver_that_is_installed(packages, tmp_path, name):
    """Without headers, with headers that come later, after an upgrade, beside a kernel that is too
    old, and after the removal."""
    system = System(name, tmp_path)
    image = f"/boot/initrd.img-{system.kernel}"
    renewed = f"renewing {image}, which holds a copy of the module"
    older, newer = (system.copy(files) for files in packages)
    assert system.drivers() == ([OWN], [OWN])
    text = system.enter("dpkg", "-i", *older)
    assert f"NOT built for kernel {system.kernel}, whose headers are missing: apt install " \
        f"linux-headers-{system.kernel} (linux-headers-cloud-amd64 for updates too)" in text
    system.assert_in_order(text)
    assert system.drivers() == ([OWN], [OWN])
    system.enter("apt-get", "update", "-qq")
    text = system.install(f"linux-headers-{system.kernel}")
    system.assert_in_order(text)
    assert renewed in text
    assert system.drivers() == ([OURS], [OURS])
    assert system.versions() == (OLDER, OLDER)
    old = "/lib/modules/5.10.0-30-cloud-amd64"
    system.enter("mkdir", "-p", f"{old}/kernel", f"{old}/build/include")
    system.enter("touch", f"{old}/build/.config")
    text = system.enter("dpkg", "-i", *newer)
    assert "kernel 5.10.0-30-cloud-amd64 is too old" in text and renewed in text
    system.assert_in_order(text)
    assert system.drivers() == ([OURS], [OURS])
    image_has, installed = system.versions()
    assert image_has == installed != OLDER
    text = system.enter("apt-get", "remove", "-y", "hv-balloon-dkms")
    system.assert_in_order(text)
    assert renewed in text
    assert system.drivers() == ([OWN], [OWN])


@pytest.mark.parametrize("name", SYSTEMS)
def test_kernel_updates(packages, tmp_path, name):
    """One without headers, which come later, and one that brings them; the older kernel keeps its
    module, and nothing of a kernel that was removed is left."""
    system = System(name, tmp_path)
    system.enter("apt-get", "update", "-qq")
    system.install(f"linux-headers-{system.kernel}")
    system.enter("dpkg", "-i", *system.copy(packages[-1]))
    assert system.drivers() == ([OURS], [OURS])

    backports = ("-t", f"{system.release}-backports")
    text = system.install(*backports, "linux-image-cloud-amd64")
    system.assert_in_order(text)
    newer, = system.kernels() - {system.kernel}
    assert re.search(rf"{re.escape(newer)} was skipped since the kernel headers for this kernel do not"
                     " seem to be installed", text)
    assert system.drivers(newer) == ([OWN], [OWN])
    assert system.drivers() == ([OURS], [OURS])
    text = system.install(*backports, f"linux-headers-{newer}")
    system.assert_in_order(text)
    assert f"renewing /boot/initrd.img-{newer}, which holds a copy of the module" in text
    assert system.drivers(newer) == ([OURS], [OURS])

    system.assert_in_order(system.enter(
        "apt-get", "purge", "-y", "linux-image-cloud-amd64", f"linux-image-{newer}",
        f"linux-headers-{newer}"))
    assert newer not in system.enter("dkms", "status", "hv_balloon")
    system.assert_in_order(
        system.install(*backports, "linux-image-cloud-amd64", f"linux-headers-{newer}"))
    assert system.drivers(newer) == system.drivers() == ([OURS], [OURS])
    system.assert_in_order(system.enter("apt-get", "remove", "-y", "hv-balloon-dkms"))
    assert system.drivers(newer) == system.drivers() == ([OWN], [OWN])
