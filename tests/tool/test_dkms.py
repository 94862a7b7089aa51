# SPDX-License-Identifier: GPL-2.0-only
"""Which kernels two versions of DKMS pass over, and what they build; nothing is compiled here."""

import shutil
import subprocess

import pytest

from lab import PROJECT, packages

NEW, CLOUD, OLD = "6.12.95+deb12-amd64", "6.1.0-56-cloud-amd64", "5.10.0-30-amd64"


# Makes an object file, as the real one makes modules.
MAKEFILE = """
modules:
\t$(CC) -x c -c -o $(MODULE).ko /dev/null
both:
\t$(MAKE) MODULE=hv_balloon modules
\t$(MAKE) MODULE=hv_dynmem modules
"""


class Dkms:
    """A version of DKMS, with trees of its own and our sources; those can make nothing at first."""

    def __init__(self, program, folder):
        self._program, self._folder = program, folder
        self._version = subprocess.run(["sh", PROJECT / "packaging/version.sh"], check=True,
                                       text=True, stdout=subprocess.PIPE).stdout.strip()
        self._sources = folder / f"src/hv_balloon-{self._version}"
        self._sources.mkdir(parents=True)
        (folder / "tree").mkdir()
        shutil.copy(PROJECT / "dkms.conf", self._sources)
        assert self._call("add").returncode == 0

    def __call__(self, release, config):
        """Build for a kernel; return status and text."""
        headers = self._folder / "headers"
        (headers / "include").mkdir(parents=True, exist_ok=True)
        (headers / ".config").write_text(config)
        return self._on(release, "build", "--kernelsourcedir", headers)

    def installed(self, release):
        """Install what was built, and remove it without the headers; yield the names of the files that
        the kernel has then."""
        for action, headers in (("install", "headers"), ("remove", "gone")):
            self._on(release, action, "--kernelsourcedir", self._folder / headers, "--no-depmod")
            yield sorted(path.name for path in (self._folder / "modules" / release).rglob("*.ko*"))

    def is_builtin(self, release, names):
        """Let a kernel be installed that has modules of these names built in."""
        folder = self._folder / "modules" / release
        folder.mkdir(parents=True)
        (folder / "modules.builtin").write_text("".join(f"kernel/drivers/hv/{name}.ko\n"
                                                        for name in names))

    def let_build(self):
        """The sources can be built."""
        (self._sources / "Makefile").write_text(MAKEFILE)

    def built(self, release):
        """Return the names of the modules for a kernel."""
        folder = self._folder / "tree/hv_balloon" / self._version / release / "x86_64/module"
        return sorted(path.name.split(".")[0] for path in folder.iterdir())

    def _on(self, release, action, *words):
        return self._call(action, "-k", release, "-a", "x86_64", "--installtree",
                          self._folder / "modules", *words)

    def _call(self, action, *words):
        return subprocess.run(
            ["bash", self._program, action, "-m", "hv_balloon", "-v", self._version,
             "--dkmstree", self._folder / "tree", "--sourcetree", self._folder / "src", *words],
            text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(name="dkms", params=["bookworm", "trixie"])
def fixture_dkms(request, tmp_path):
    """The versions of DKMS of two releases."""
    return Dkms(packages.bundle(f"dkms-{request.param}") / "usr/sbin/dkms", tmp_path)


CONFIG = "CONFIG_HYPERV=y\nCONFIG_MEMORY_HOTPLUG=y\nCONFIG_HYPERV_BALLOON=m\n"
PASSED_OVER = 77


@pytest.mark.parametrize("release", ["4.19.0-27-amd64", OLD, "5.15.0-130-generic", "6.0.0-6-amd64"])
def test_kernels_before_6_1_are_passed_over(dkms, release):
    """With the status that autoinstall and dpkg take for no failure."""
    result = dkms(release, CONFIG)
    assert result.returncode == PASSED_OVER, result.stdout


@pytest.mark.parametrize("release", [CLOUD, NEW, "6.10.11-amd64", "7.3.4+deb13-amd64", "10.1-x"])
def test_newer_kernels_are_not(dkms, release):
    """They fail here only as there is nothing that could be built."""
    assert dkms(release, CONFIG).returncode not in (0, PASSED_OVER)


@pytest.mark.parametrize("how, modules", [("m", ["hv_balloon", "hv_dynmem"]), ("y", ["hv_dynmem"])])
def test_modules_that_the_kernel_needs(dkms, how, modules):
    """Where the kernel has its own built in, only the one that can be loaded beside it."""
    dkms.let_build()
    result = dkms(NEW, CONFIG.replace("BALLOON=m", f"BALLOON={how}"))
    assert result.returncode == 0, result.stdout
    assert dkms.built(NEW) == modules


@pytest.mark.parametrize("how, builtin, modules", [
    ("m", ["hv_vmbus"], ["hv_balloon.ko", "hv_dynmem.ko"]),
    ("y", ["hv_vmbus", "hv_balloon"], ["hv_dynmem.ko"])])
def test_removed_without_headers(dkms, how, builtin, modules):
    """Those of a kernel may be gone by then: nothing of ours is left."""
    dkms.let_build()
    dkms.is_builtin(NEW, builtin)
    assert dkms(NEW, CONFIG.replace("BALLOON=m", f"BALLOON={how}")).returncode == 0
    assert list(dkms.installed(NEW)) == [modules, []]
