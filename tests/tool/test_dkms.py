# SPDX-License-Identifier: GPL-2.0-only
"""Which kernels two versions of DKMS pass over; nothing is built here."""

import shutil
import subprocess

import pytest

from lab import PROJECT, packages

NEW, CLOUD, OLD = "6.12.95+deb12-amd64", "6.1.0-56-cloud-amd64", "5.10.0-30-amd64"


@pytest.fixture(name="dkms", params=["bookworm", "trixie"])
def fixture_dkms(request, tmp_path):
    """Return a function that lets a version of DKMS build for a kernel: its status and text."""
    folder = packages.bundle(f"dkms-{request.param}")
    version = subprocess.run(["sh", PROJECT / "packaging/version.sh"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    (tmp_path / f"src/hv_balloon-{version}").mkdir(parents=True)
    shutil.copy(PROJECT / "dkms.conf", tmp_path / f"src/hv_balloon-{version}")
    (tmp_path / "tree").mkdir()

    def call(action, *words):
        return subprocess.run(
            ["bash", folder / "usr/sbin/dkms", action, "-m", "hv_balloon", "-v", version,
             "--dkmstree", tmp_path / "tree", "--sourcetree", tmp_path / "src", *words],
            text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def build(release, config):
        headers = tmp_path / "headers"
        (headers / "include").mkdir(parents=True, exist_ok=True)
        (headers / ".config").write_text(config)
        return call("build", "-k", release, "-a", "x86_64", "--kernelsourcedir", headers)
    assert call("add").returncode == 0
    return build


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


def test_built_in_is_passed_over(dkms):
    """It says why."""
    result = dkms(NEW, CONFIG.replace("BALLOON=m", "BALLOON=y"))
    assert result.returncode == PASSED_OVER
    assert f"hv_balloon is built into kernel {NEW}" in result.stdout
