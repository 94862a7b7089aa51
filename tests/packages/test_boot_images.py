# SPDX-License-Identifier: GPL-2.0-only
"""Boot images that list the module, through the life of the package, in systems of two releases.

One has initramfs-tools, the other dracut. Nothing boots: the systems are entered only, which needs
the rights of root.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab import PROJECT, roots

from .test_packages import run

SYSTEMS = {
    "bookworm": ("initramfs-tools", "lsinitramfs", "etc/initramfs-tools/modules", "hv_balloon\n",
                 "update-initramfs -u -k {}"),
    "trixie": ("dracut", "lsinitrd", "etc/dracut.conf.d/50-hv.conf", 'add_drivers+=" hv_balloon "\n',
               "dracut --quiet --force /boot/initrd.img-{0} {0}"),
}
OWN, OURS = "kernel/drivers/hv/hv_balloon.ko", "updates/dkms/hv_balloon.ko"


class System:
    """A system of a release, in a folder of its own, with a boot image that lists the module."""

    def __init__(self, release, folder):
        tools, self._list, file, text, renew = SYSTEMS[release]
        fresh = roots.root(f"{release}-image", release,
                           ("linux-image-cloud-amd64", tools, "dkms", "kmod", "udev"))
        self._root = folder / "root"
        run("cp", "-a", fresh, self._root)
        self.kernel = next((self._root / "lib/modules").iterdir()).name
        (self._root / file).parent.mkdir(exist_ok=True)
        with (self._root / file).open("a", encoding="utf-8") as opened:
            opened.write(text)
        self.enter(*renew.format(self.kernel).split())

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
        names = self.enter(self._list, f"/boot/initrd.img-{kernel}")
        image = [name for name in (OWN, OURS) if f"/{kernel}/{name}" in names]
        file = self.enter("modinfo", "-k", kernel, "-n", "hv_balloon")
        return [name for name in (OWN, OURS) if name in file], image


@pytest.fixture(name="packages", scope="module")
def fixture_packages(tmp_path_factory):
    """The binary packages of the last commit."""
    clone = tmp_path_factory.mktemp("package") / "clone"
    run("git", "clone", "-q", "--no-hardlinks", PROJECT, clone)
    run("make", "-C", clone, "deb")
    assert subprocess.run(["git", "-C", clone, "diff", "--quiet"], check=False).returncode == 0
    return sorted((clone / "build/deb").glob("*.deb"))


@pytest.mark.parametrize("release", SYSTEMS)
def test_image_has_the_driver_that_is_installed(packages, tmp_path, release):
    """Without headers, with headers that come later, after an upgrade, beside a kernel that is too
    old, and after the removal."""
    system = System(release, tmp_path)
    assert system.drivers() == ([OWN], [OWN])
    files = system.copy(packages)
    text = system.enter("dpkg", "-i", *files)
    assert f"NOT built for kernel {system.kernel}, whose headers are missing: apt install " \
        f"linux-headers-{system.kernel} (linux-headers-cloud-amd64 for updates too)" in text
    assert system.drivers() == ([OWN], [OWN])
    system.enter("apt-get", "update", "-qq")
    system.install(f"linux-headers-{system.kernel}")
    assert system.drivers() == ([OURS], [OURS])
    old = "/lib/modules/5.10.0-30-cloud-amd64"
    system.enter("mkdir", "-p", f"{old}/kernel", f"{old}/build/include")
    system.enter("touch", f"{old}/build/.config")
    text = system.enter("dpkg", "-i", *files)
    assert "kernel 5.10.0-30-cloud-amd64 is too old" in text
    assert system.enter("dpkg", "--audit") == ""
    assert system.drivers() == ([OURS], [OURS])
    system.enter("apt-get", "remove", "-y", "hv-balloon-dkms")
    assert system.drivers() == ([OWN], [OWN])


@pytest.mark.parametrize("release", SYSTEMS)
def test_kernel_updates(packages, tmp_path, release):
    """One without headers, which come later, and one that brings them; the older kernel keeps its
    module, and nothing of a kernel that was removed is left."""
    system = System(release, tmp_path)
    system.enter("apt-get", "update", "-qq")
    system.install(f"linux-headers-{system.kernel}")
    system.enter("dpkg", "-i", *system.copy(packages))
    assert system.drivers() == ([OURS], [OURS])

    backports = ("-t", f"{release}-backports")
    system.install(*backports, "linux-image-cloud-amd64")
    newer, = system.kernels() - {system.kernel}
    assert system.drivers(newer) == ([OWN], [OWN])
    assert system.drivers() == ([OURS], [OURS])
    system.install(*backports, f"linux-headers-{newer}")
    assert system.drivers(newer) == ([OURS], [OURS])

    system.enter("apt-get", "purge", "-y", "linux-image-cloud-amd64", f"linux-image-{newer}",
                 f"linux-headers-{newer}")
    assert newer not in system.enter("dkms", "status", "hv_balloon")
    system.install(*backports, "linux-image-cloud-amd64", f"linux-headers-{newer}")
    assert system.drivers(newer) == system.drivers() == ([OURS], [OURS])
    assert system.enter("dpkg", "--audit") == ""
    system.enter("apt-get", "remove", "-y", "hv-balloon-dkms")
    assert system.drivers(newer) == system.drivers() == ([OWN], [OWN])
