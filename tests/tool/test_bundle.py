# SPDX-License-Identifier: GPL-2.0-only
"""The archive for the report of a bug: what is in it, and what does not change for it."""

import json
import os
import re
import resource
import tarfile

import pytest

from .conftest import NOBODY, Command
from .tree import BLOCKS, BUS, DEVICE, GROUP, LOG, MODULE, MODULES, RELEASE, RULE, SRCVERSION, Tree

TOP = "hvballoon-report"
IOMEM = "00001000-0009fbff : System RAM\n"


@pytest.fixture(name="full")
def fixture_full(tree):
    """A guest in which there is something of each kind."""
    tree.debug()
    tree.write(LOG, "[1.0] hv_balloon: word\n[2.0] hv_vmbus: channel\n[3.0] usb: a secret\n")
    for name in ("zoneinfo", "buddyinfo", "pagetypeinfo", "vmstat"):
        tree.write(f"proc/{name}", f"of {name}")
    tree.write("proc/iomem", IOMEM)
    tree.write("proc/812/comm", "kubelet")
    tree.write("proc/813/comm", "earlyoom")
    tree.write("earlyoom", "earlyoom v1.7")
    tree.write("uname", "Linux 6.1.0 #1 SMP s390x")
    tree.write("etc/modprobe.d/balloon.conf", "options hv_balloon floor_mib=1024")
    tree.write("etc/modprobe.d/other.conf", "options nvidia a_secret=1")
    tree.write("etc/udev/rules.d/10-other.rules", 'SUBSYSTEM=="net", NAME="secret"')
    tree.write("usr/lib/udev/rules.d/80-memory.rules", 'SUBSYSTEM=="memory"')
    (tree.root / "etc/udev/rules.d/80-memory.rules").symlink_to("/dev/null")
    tree.write("var/lib/dkms/hv_balloon/0.1.0/build/make.log", "CC hv_balloon.o")
    tree.write(f"var/log/hv_balloon-dkms-{RELEASE}.log", "CC balloon.o")
    return tree


def contents(file):
    """Return the files of an archive: what is in each, by its path."""
    with tarfile.open(file, "r:gz") as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {TOP}
        return {member.name.removeprefix(f"{TOP}/"): archive.extractfile(member).read().decode()
                for member in archive.getmembers() if member.isreg()}


def write(command, file, **options):
    """Let the command write that archive; return what it prints."""
    result = command.run("doctor", "--bundle", str(file), **options)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def everything(root):
    """Return all files below a folder, with what is in them and when they were changed."""
    return {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
            for path in root.rglob("*")}


def test_what_is_in_it(command, full, folder):
    """Everything that CONTRIBUTING.md asks for; and nothing that has nothing to do with it."""
    file = folder / "report.tar.gz"
    text = write(command, file)
    found = contents(file)
    assert f"{file}: {len(found)} files." in text
    for path in (f"{GROUP}/ballooned_kb", f"{BUS}/devices/{DEVICE}/class_id",
                 f"{MODULE}/parameters/accounting", "sys/kernel/debug/hv_balloon/latency",
                 "proc/meminfo", "proc/zoneinfo", "proc/buddyinfo", "proc/pagetypeinfo",
                 f"{BLOCKS}/block_size_bytes", RULE, "usr/lib/udev/rules.d/80-memory.rules",
                 "etc/modprobe.d/balloon.conf", "proc/812/comm", "uname", "earlyoom",
                 "var/lib/dkms/hv_balloon/0.1.0/build/make.log",
                 f"var/log/hv_balloon-dkms-{RELEASE}.log"):
        assert found[path] == (full.root / path).read_text(encoding="utf-8"), path
    assert found[LOG] == "[1.0] hv_balloon: word\n[2.0] hv_vmbus: channel\n"
    assert found[f"{MODULES}/modules.dep"].startswith("updates/hv_balloon.ko: ")
    assert found["memory-blocks"] == "memory0 online\n"
    assert found[f"{MODULE}/srcversion"] == f"{SRCVERSION}\n"
    assert "1. earlyoom" in found["doctor.txt"] and "324 MiB" in found["status.txt"]
    assert [one["name"] for one in json.loads(found["doctor.json"])["problems"]] == ["earlyoom"]
    assert json.loads(found["status.json"])["kernel"] == RELEASE
    assert "hv_balloon_up 1\n" in found["metrics.prom"]
    assert "secret" not in "".join(found.values())


def test_files_that_can_only_be_written(command, full, folder):
    """Nothing was left out, also by root."""
    paths = {f"{MODULE}/uevent", f"{MODULE}/parameters/takeover", "run/hvballoon/lock"}
    for path in paths:
        full.write(path, "nothing that could be read")
    full.write("run/hvballoon/in-tree", "0 0 -")
    write(command, folder / "report")
    found = contents(folder / "report")
    assert not paths & set(found)
    assert {f"{MODULE}/parameters/accounting", "run/hvballoon/in-tree"} <= set(found)


@pytest.mark.parametrize("plant", [
    lambda tree: None, Tree.unload, Tree.load_in_tree, Tree.take_over, lambda tree: tree.remove(BUS),
    lambda tree: tree.figures(state="failed", send_failures=2),
    lambda tree: tree.remove("usr/lib/udev/rules.d"),
    lambda tree: tree.remove("run/udev/control"),
], ids=["healthy", "not loaded", "in-tree", "hv_dynmem", "no VMBus", "two", "no rule", "no udev"])
def test_doctor_says_the_same_of_it(command, full, folder, plant):
    """The doctor finds in it what it found in the guest; but for the module itself."""
    plant(full)
    file = folder / "report.tar.gz"
    write(command, file)
    with tarfile.open(file) as archive:
        archive.extractall(folder / "sent")
    # What runs on the machine of the reader is another matter.
    for name in ("earlyoom", "uname", "dkms"):
        command.program(name, "echo earlyoom v1.9")
    there = Command(command.words, type("Sent", (), {"root": folder / "sent" / TOP}))
    here = json.loads(command.run("doctor", "--json").stdout)
    (folder / "programs").rename(folder / "sent/programs")
    again = json.loads(there.run("doctor", "--json").stdout)
    assert again["problems"] == here["problems"] and again["notes"] == here["notes"]


def test_nothing_else_changes(command, full, folder):
    """Neither the guest nor the folder, nor what is temporary; only who made it may read it."""
    temporary = folder / "temporary"
    temporary.mkdir()
    before = everything(full.root)
    environment = {**command.environment(), "TMPDIR": str(temporary)}
    file = folder / "report.tar.gz"
    names = {*folder.iterdir(), file}
    words = [*command.words, "doctor", "--bundle", str(file)]
    assert os.spawnvpe(os.P_WAIT, words[0], words, environment) == 0
    assert everything(full.root) == before
    assert not list(temporary.iterdir()) and set(folder.iterdir()) == names
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("where, why", [
    ("tools", "is there already"), ("tools/hvballoon", "is there already"),
    ("nowhere/report", "cannot be written"), ("tools/hvballoon/report", "cannot be written"),
])
def test_file_that_cannot_be(command, folder, where, why):
    """One line, status 2; nothing is overwritten, nothing is left."""
    before = everything(folder)
    result = command.run("doctor", "--bundle", str(folder / where))
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"hvballoon: .+\n", result.stderr) and why in result.stderr
    assert everything(folder) == before


def test_full_disk(command, full, folder):
    """What could not be finished is not left for somebody to send."""
    result = command.run("doctor", "--bundle", str(folder / "report"), restore_signals=False,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, [20000] * 2))
    assert result.returncode == 2 and "is the disk full?" in result.stderr
    assert not (folder / "report").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="is not root, who can be anybody")
def test_not_root(command, full, folder):
    """It takes what anybody can read, and names the rest."""
    (full.root / "proc/pagetypeinfo").chmod(0o400)
    (full.root / LOG).chmod(0o400)
    place = folder / "mine"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    text = write(command, place / "report", user=NOBODY)
    found = contents(place / "report")
    assert {"proc/pagetypeinfo", "proc/iomem", LOG} & set(found) == set()
    assert "proc/meminfo" in found
    for name in ("/proc/pagetypeinfo", "/proc/iomem", "dmesg"):
        assert name in text and f"{name}\n" in found["not-read"]
    result = command.run("doctor", "--bundle", str(folder / "report"), user=NOBODY)
    assert result.returncode == 2 and "cannot be written" in result.stderr
    # Addresses are root's.
    write(command, folder / "roots")
    assert contents(folder / "roots")["proc/iomem"] == IOMEM
