# SPDX-License-Identifier: GPL-2.0-only
"""What packages do beside copying files, with the tools of the system played by scripts."""

import configparser
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import PROJECT, packages

SCRIPT = PROJECT / "packaging/after-change.sh"
NEW, CLOUD, OLD = "6.12.95+deb12-amd64", "6.1.0-56-cloud-amd64", "5.10.0-30-amd64"
HOLDS = "lib/modules/x/updates/dkms/hv_balloon.ko.xz"


@dataclass
class System:
    """Kernels, their headers and images; tools that write down how they were called."""

    folder: Path

    @property
    def root(self):
        """The folder that stands for /."""
        return self.folder / "root"

    def kernel(self, release, headers=True, image="initrd.img-{}", holds=""):
        """Install a kernel; the image is a list of the names that are in it."""
        modules = self.root / "lib/modules" / release
        (modules / "kernel").mkdir(parents=True)
        if headers:
            (modules / "build/include").mkdir(parents=True)
        if image:
            (self.root / "boot").mkdir(exist_ok=True)
            (self.root / "boot" / image.format(release)).write_text(f"init\n{holds}\n")

    def tool(self, name, text):
        """Install a tool; each call is noted."""
        file = self.folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.folder}/calls\n{text}\n')
        file.chmod(0o755)

    def run(self, shell, *words, status=0):
        """Run the script; return what it printed and which tools it called."""
        (self.folder / "calls").write_text("")
        result = subprocess.run([*shell, SCRIPT, *words, self.root], text=True, check=False,
                                env={"PATH": f"{self.folder}/bin"}, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        assert result.returncode == status, result.stdout
        return result.stdout, (self.folder / "calls").read_text().splitlines()


@pytest.fixture(name="system")
def fixture_system(tmp_path):
    """A Debian with initramfs-tools, without kernels."""
    system = System(tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("cat", "cp", "grep", "sed", "sort", "tail", "uname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    system.tool("dpkg", "")
    system.tool("lsinitramfs", 'cat "$1"')
    system.tool("update-initramfs", "")
    return system


@pytest.fixture(name="shell", params=["dash", "busybox"])
def fixture_shell(request):
    """The shells that packages may find."""
    if request.param == "dash":
        return ("/bin/dash",)
    return (packages.bundle("guest") / "bin/busybox", "sh")


@pytest.mark.parametrize("change", ["installed", "removed"])
def test_images_that_hold_the_module_are_renewed(system, shell, change):
    """Those, and no others: a rebuild takes long. The name must be that of the module."""
    system.kernel(NEW, holds=HOLDS)
    system.kernel(CLOUD, holds="lib/modules/x/kernel/drivers/virtio/my_hv_balloon.ko")
    text, calls = system.run(shell, change)
    assert f"update-initramfs -u -k {NEW}" in calls
    assert len([call for call in calls if call.startswith("update-initramfs")]) == 1
    assert f"renewing {system.root}/boot/initrd.img-{NEW}" in text and CLOUD not in text


@pytest.mark.parametrize("next_one, renewed", [
    ("updates/dkms/hv_balloon.ko", True), ("kernel/drivers/hv/hv_balloon.ko.xz", False), ("", False)])
def test_headers_that_come_later(system, next_one, renewed):
    """DKMS has built by itself: an image is renewed if it has another driver than comes next."""
    system.kernel(NEW, holds=f"usr/lib/modules/{NEW}/kernel/drivers/hv/hv_balloon.ko.xz")
    system.kernel(CLOUD, headers=False)
    system.tool("modinfo", f"echo {system.root}/lib/modules/{NEW}/{next_one}" if next_one else "")
    text, calls = system.run(("/bin/dash",), "headers")  # busybox would take its own modinfo
    assert (f"update-initramfs -u -k {NEW}" in calls) == renewed == bool(text)


@pytest.mark.parametrize("image", ["initramfs-{}.img", "initrd-{}"])
def test_dracut(system, shell, image):
    """Where there is dracut only."""
    for name in ("lsinitramfs", "update-initramfs", "dpkg"):
        (system.folder / "bin" / name).unlink()
    system.tool("lsinitrd", 'sed "s,^,-rw-r--r-- 1 root root 3 ," "$1"')
    system.tool("dracut", "")
    system.kernel(NEW, image=image, holds=HOLDS)
    _, calls = system.run(shell, "installed")
    assert f"dracut --quiet --force {system.root}/boot/{image.format(NEW)} {NEW}" in calls


def test_failures_are_said(system, shell):
    """And the package is installed all the same."""
    system.tool("update-initramfs", "exit 1")
    system.kernel(NEW, holds=HOLDS)
    assert "could not renew" in system.run(shell, "installed")[0]
    system.tool("lsinitramfs", "exit 1")
    assert "could not look into" in system.run(shell, "installed")[0]


def test_kernels_without_headers_are_said(system, shell):
    """With the name of the package, and of the one that follows updates."""
    system.kernel(NEW, headers=False)
    system.kernel(CLOUD, headers=False)
    system.kernel(OLD, headers=False)
    text, _ = system.run(shell, "installed")
    for release, flavour in ((NEW, "amd64"), (CLOUD, "cloud-amd64")):
        assert (f"NOT built for kernel {release}, whose headers are missing: apt install "
                f"linux-headers-{release} (linux-headers-{flavour} for updates too)\n") in text
    assert f"kernel {OLD} is too old" in text
    assert "headers" not in system.run(shell, "removed")[0]


DKMS = """case $1 in
status) [ -n "${5-}" ] || printf 'hv_balloon/9.8.7, 6.0, x86_64: installed\\nhv_balloon/9.8.7: added\\n'
    [ "${5-}" != RUNNING ] || echo "hv_balloon/9.8.7, RUNNING, x86_64: installed" ;;
install) exit STATUS ;;
esac""".replace("RUNNING", NEW)


@pytest.mark.parametrize("status, said", [(0, ""), (77, ""), (
    10, "dkms ended with 10, see /var/lib/dkms/hv_balloon/9.8.7/build/make.log\n")])
def test_kernels_to_fall_back_to(system, shell, status, said):
    """An upgrade leaves none without the module; DKMS itself builds for two kernels only."""
    system.tool("dkms", DKMS.replace("STATUS", str(status)))
    for release in (NEW, CLOUD, OLD):
        system.kernel(release)
    text, calls = system.run(shell, "installed")
    assert [call for call in calls if call.startswith("dkms install")] == [
        f"dkms install -m hv_balloon -v 9.8.7 -k {CLOUD}"]
    assert f"building for kernel {CLOUD}\n" in text and said in text
    assert ("NOT" in text) == bool(said)
    assert not [call for call in system.run(shell, "removed")[1] if call.startswith("dkms")]


def test_log_of_a_build_that_fails(system, shell):
    """The one for each kernel is kept: they have the same place."""
    log = system.root / "var/lib/dkms/hv_balloon/9.8.7/build/make.log"
    log.parent.mkdir(parents=True)
    (system.root / "var/log").mkdir()
    system.tool("dkms", DKMS.replace("exit STATUS", f'echo "$*" >{log}; exit 10'))
    older = CLOUD.replace("56", "55")
    for release in (CLOUD, older):
        system.kernel(release)
    text, _ = system.run(shell, "installed")
    for release in (CLOUD, older):
        copy = f"/var/log/hv_balloon-dkms-{release}.log"
        assert f"NOT built for kernel {release}: dkms ended with 10, see {copy}\n" in text
        assert f"-k {release}\n" in (system.root / copy[1:]).read_text(encoding="ascii")


def test_nothing_to_say(system, shell):
    """All is built, and no image holds the module. A folder without a kernel is none."""
    system.kernel(NEW)
    (system.root / "lib/modules/6.6.6-left-over").mkdir()
    assert system.run(shell, "installed")[0] == ""


@pytest.mark.parametrize("file, said", [("", True),
                                        ("sys/module/hv_balloon/parameters/floor_mib", False),
                                        ("sys/module/hv_dynmem/parameters/floor_mib", False),
                                        ("sys/module/hv_balloon/parameters/hot_add", True)])
def test_when_it_is_active(system, file, said):
    """Where another driver runs, and ours was built for this kernel."""
    system.kernel(NEW)
    if file:
        (system.root / file).parent.mkdir(parents=True)
        (system.root / file).write_text("0\n")
    (system.folder / "bin/uname").unlink()
    system.tool("uname", f"echo {NEW}")
    dash = ("/bin/dash",)   # busybox would take its own modinfo
    system.tool("modinfo", f'[ "$*" = "-k {NEW} -n hv_dynmem" ]')
    text = system.run(dash, "installed")[0]
    assert ("active after the next boot, or now: hvballoon takeover\n" in text) == said
    assert "takeover" not in system.run(dash, "removed")[0]
    system.tool("modinfo", "exit 1")
    assert "takeover" not in system.run(dash, "installed")[0]


@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_make_leaves_a_package_alone(system, target):
    """The files of both have the same places."""
    system.tool("dpkg", "echo hvballoon: $2")
    result = subprocess.run(["make", "-s", "-C", PROJECT, target, f"DESTDIR={system.root}"],
                            env={"PATH": f"{system.folder}/bin:/usr/bin:/bin"}, text=True,
                            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode != 0 and "belongs to a package (hvballoon: " in result.stdout
    assert not system.root.exists()


@pytest.mark.parametrize("place", [
    "/usr/lib/udev/rules.d/60-hv-balloon.rules", "/usr/lib/udev/rules.d/61-hv-dynmem.rules",
    "/usr/lib/systemd/system/hvballoon-takeover.service",
    "/lib/systemd/system/hvballoon-takeover.service"])
def test_make_leaves_a_package_alone_with_another_prefix(system, place):
    """Rules and units have the same places all the same; here nothing is run but that check."""
    system.tool("dpkg", f'[ "$2" = {place} ] && echo hv-balloon-dkms: $2')
    system.tool("rpm", "exit 1")
    result = subprocess.run(["make", "-s", "-C", PROJECT, "no-package", "PREFIX=/usr/local"],
                            env={"PATH": f"{system.folder}/bin:/usr/bin:/bin"}, text=True,
                            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode != 0
    assert f"{place} belongs to a package (hv-balloon-dkms: " in result.stdout


def test_make_installs_for_its_prefix(tmp_path):
    """The unit and the rule of udev run the command where it is."""
    headers = tmp_path / "headers"
    headers.mkdir()
    (headers / "Makefile").write_text("modules_install:\n\t@:\n")
    subprocess.run(["make", "-s", "-C", PROJECT, "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/hv",
                    f"KDIR={headers}", "DEPMOD=true"], check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "opt/hv/bin/hvballoon").exists()
    for path in ("systemd/system/hvballoon-takeover.service", "udev/rules.d/61-hv-dynmem.rules"):
        installed = (tmp_path / "usr/lib" / path).read_text(encoding="utf-8")
        assert "/opt/hv/bin/hvballoon takeover" in installed
        assert "/usr/bin/hvballoon" not in installed
    unit = (tmp_path / "usr/lib/systemd/system/hvballoon-takeover.service").read_text("utf-8")
    assert "\nRequiresMountsFor=/opt/hv/bin/hvballoon\n" in unit


def test_archive_needs_a_checkout(tmp_path):
    """Elsewhere there is another way, which is named."""
    (tmp_path / "packaging").mkdir()
    for name in ("dist.sh", "version.sh"):
        shutil.copy(PROJECT / "packaging" / name, tmp_path / "packaging")
    (tmp_path / "packaging/version.sh").write_text("echo 1\n")
    result = subprocess.run(["sh", tmp_path / "packaging/dist.sh", tmp_path / "out"], text=True,
                            check=False, stderr=subprocess.PIPE)
    assert result.returncode == 1 and "run: dpkg-buildpackage -us -uc -b" in result.stderr


def test_wrong_call(system, shell):
    """Status 2, and how to call it."""
    assert "usage:" in system.run(shell, "purged", status=2)[0]


# Names


def test_who_made_it():
    """One name and address, and no list of somebody else."""
    control = (PROJECT / "debian/control").read_text(encoding="utf-8")
    who = re.search(r"^Maintainer: (.*)$", control, re.MULTILINE).group(1)
    for name in ("debian/changelog", "debian/hv-balloon-dkms.NEWS", "debian/copyright", "MAINTAINERS",
                 "packaging/rpm/hv_balloon-dkms.spec", "packaging/arch/PKGBUILD"):
        assert who in (PROJECT / name).read_text(encoding="utf-8"), name
    address = re.search(r"<(.*)>", who).group(1)
    for name in ("SECURITY.md", "Documentation/ABI/testing/sysfs-bus-vmbus-hv-balloon"):
        assert address in (PROJECT / name).read_text(encoding="utf-8"), name
    tracked = subprocess.run(["git", "grep", "-l", "linux-hyperv@", "--", ":!tests"], cwd=PROJECT,
                             text=True, check=False, stdout=subprocess.PIPE).stdout
    assert tracked == ""


def test_example_for_modprobe():
    """It has each parameter that can be set by hand, and nothing else."""
    text = (PROJECT / "packaging/modprobe.d/hv_balloon.conf").read_text(encoding="utf-8")
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    readme = readme.split("## Parameters")[1].split("\n## ")[0]
    table = re.findall(r"^\| `(\w+)` \*? ?\|", readme, re.MULTILINE)
    options = re.findall(r"^#options hv_balloon (\w+)=", text, re.MULTILINE)
    assert len(table) > 7 and sorted(options) == sorted(table)


# Documents


@pytest.mark.parametrize("package", ["debian/hvballoon.docs", "packaging/rpm/hv_balloon-dkms.spec",
                                     "packaging/arch/PKGBUILD"])
def test_documents_that_others_refer_to(package):
    """A page in a package has beside it each page that it has a link to."""
    text = (PROJECT / package).read_text(encoding="utf-8")
    text = re.sub(r"docs/\{([\w,-]+)\}\.md", lambda names: " ".join(
        f"docs/{name}.md" for name in names.group(1).split(",")), text)
    pages = set(re.findall(r"\bdocs/[\w-]+\.md", text))
    assert "docs/operations.md" in pages
    for page in pages:
        links = re.findall(r"\]\(([\w-]+\.(?:md|png))", (PROJECT / page).read_text(encoding="utf-8"))
        assert {f"docs/{link}" for link in links} <= pages | {"docs/monitoring.png"}, page
    assert "docs/monitoring.png" in text


# The service that asks the host for memory: tests/simulated_host/test_pressure.py has it at work.


def test_pressure_unit():
    """The unit runs what is installed, with arguments that it takes; it is off until enabled."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(PROJECT / "packaging/pressure/hvballoon-pressure.service")
    service = unit["Service"]
    figures = dict(word.split("=") for word in service["Environment"].split())
    program, *words = [word.format(**figures) for word in
                       service["ExecStart"].replace("${", "{").split()]
    assert program == "/usr/share/hvballoon/hvballoon-pressure"
    assert [int(word) for word in words] == [256 << 10, 30]
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.parametrize("words", [("x",), ("-1",), ("1", "x"), ("1", "2", "3")])
def test_pressure_usage(words):
    """What makes no sense is refused."""
    result = subprocess.run([PROJECT / "tools/hvballoon-pressure", *words], check=False, text=True,
                            stderr=subprocess.PIPE, timeout=10)
    assert result.returncode == 2 and result.stderr.startswith("usage:")


@pytest.mark.parametrize("words, most", [
    (("1024", "3601"), "SECONDS is at most 3600"), (("68719476737",), "KIB is at most 68719476736"),
    (("9" * 40, "1"), "KIB is at most")])
def test_pressure_limits(words, most):
    """As much as the driver takes, and no more."""
    result = subprocess.run([PROJECT / "tools/hvballoon-pressure", *words], check=False,
                            text=True, stderr=subprocess.PIPE, timeout=10)
    assert result.returncode == 2 and most in result.stderr
