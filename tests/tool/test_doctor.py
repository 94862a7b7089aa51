# SPDX-License-Identifier: GPL-2.0-only
"""Each fault is planted in a guest made of files: the doctor must name it, and nothing else."""

import os
import re

import pytest

from lab import PROJECT

from .conftest import NOBODY
from .tree import (BLOCKS, BUS, CLASS, DEVICE, GROUP, IMAGE, LOG, MIB, MODULE, MODULES, OURS, RELEASE,
                   RULE, Tree, module)


def _built_in(tree):
    tree.load_in_tree()
    tree.remove(f"{MODULE}/initstate")


def _built_in_beside(tree):
    _built_in(tree)
    tree.install_beside()


def _not_installed(tree):
    tree.unload()
    tree.uninstall()


def _no_headers(tree):
    _not_installed(tree)
    tree.remove(f"{MODULES}/build")


def _unsigned(tree):
    tree.unload()
    tree.write(OURS, "a module")
    tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality")


def _unsigned_and_enforced(tree):
    tree.unload()
    tree.write(OURS, "a module")
    tree.write("sys/module/module/parameters/sig_enforce", "Y")


def _other_driver(tree):
    tree.remove(f"{BUS}/drivers/hv_balloon/{DEVICE}", GROUP, f"{BUS}/devices/{DEVICE}/driver")
    (tree.root / BUS / "devices" / DEVICE / "driver").symlink_to("../../drivers/uio_hv_generic")
    (tree.root / BUS / "drivers/uio_hv_generic").mkdir()


def _unbound(tree):
    tree.remove(f"{BUS}/drivers/hv_balloon/{DEVICE}", GROUP, f"{BUS}/devices/{DEVICE}/driver")


def _no_hot_add_beside(tree):
    tree.take_over()
    tree.figures(hot_add=0)


def _in_tree_blocks(tree):
    tree.load_in_tree(figures=None)
    tree.write(f"{BLOCKS}/memory9/state", "offline")


def _in_tree_hibernation(tree):
    tree.load_in_tree()
    tree.write("sys/kernel/debug/hv-balloon", "state : 1 (Initialized)\n")
    tree.write(f"{BUS}/hibernation", "1")


def _no_rule(tree):
    tree.remove(RULE)


def _rule_is_a_comment(tree):
    tree.write(RULE, '# SUBSYSTEM=="memory", ATTR{state}="online"')


def _rule_is_masked(tree):
    (tree.root / "etc/udev/rules.d").mkdir(parents=True)
    (tree.root / "etc/udev/rules.d/60-hv-balloon.rules").symlink_to("/dev/null")


def _unloaded_with_balloon(tree):
    tree.unload()
    tree.write(LOG, "[1.0] hv_balloon x: Dynamic Memory protocol 2.0\n"
                    "[2.0] hv_balloon x: 12 MiB are still ballooned and stay out of use\n"
                    "[2.1] hv_balloon x: waiting for memory hotplug in progress\n")


def _loaded_again(tree):
    _unloaded_with_balloon(tree)
    with open(tree.root / LOG, "a", encoding="utf-8") as log:
        log.write("[3.0] hv_balloon x: Dynamic Memory protocol 2.0\n")


def _partial_and_offline(tree):
    _partial_block(tree)
    tree.write(f"{GROUP}/offline_kb", str(128 * 1024))


def _partial_block(tree):
    tree.write(LOG, "[1.0] hv_balloon x: cannot remove the offline memory block at PFN 0x120000, "
                    "which the host backs in part\n")
    tree.write(f"{BLOCKS}/memory9/state", "offline")


def _runs(program):
    return lambda tree: tree.write("proc/812/comm", program)


def _earlyoom(tree):
    _runs("earlyoom")(tree)
    tree.write("earlyoom", "earlyoom v1.7")


def _set(**values):
    return lambda tree: tree.figures(**values)


FAULTS = [
    ("no VMBus", lambda tree: tree.remove(BUS), ["no-vmbus"]),
    ("no device", lambda tree: tree.remove(f"{BUS}/devices/{DEVICE}"), ["no-device"]),
    ("built in", _built_in, ["built-in", "blocks-offline"]),
    ("built in, hv_dynmem there", _built_in_beside, ["in-tree-driver", "blocks-offline"]),
    ("driver of the kernel", lambda tree: tree.load_in_tree(figures=None), ["in-tree-driver"]),
    ("driver of the kernel, blocks", _in_tree_blocks, ["in-tree-driver", "blocks-offline"]),
    ("driver of the kernel, S4", _in_tree_hibernation, ["in-tree-driver", "hibernation"]),
    ("not loaded", Tree.unload, ["not-loaded"]),
    ("not installed", _not_installed, ["not-loaded"]),
    ("no headers", _no_headers, ["no-headers", "not-loaded"]),
    ("lockdown", _unsigned, ["unsigned-module", "not-loaded"]),
    ("signatures enforced", _unsigned_and_enforced, ["unsigned-module", "not-loaded"]),
    ("another driver", _other_driver, ["other-driver"]),
    ("unbound", _unbound, ["not-bound"]),
    ("host refused", _set(state="failed"), ["failed"]),
    ("hibernation", _set(hibernation=1, hot_add=0), ["hibernation"]),
    ("hot_add=N", lambda tree: tree.write(f"{MODULE}/parameters/hot_add", "N"), ["hot-add-off"]),
    ("no hot-add", _set(hot_add=0), ["hot-add-unusable"]),
    ("offline", _set(hot_added_online_kb=256 * MIB), ["blocks-offline"]),
    ("no rule", _no_rule, ["no-onlining"]),
    ("rule in a comment", _rule_is_a_comment, ["no-onlining"]),
    ("rule masked", _rule_is_masked, ["no-onlining"]),
    ("no udev", lambda tree: tree.remove("run/udev/control"), ["no-onlining"]),
    ("ballooned before", _set(balloon_requests=0), ["earlier-balloon"]),
    ("unloaded with a balloon", _unloaded_with_balloon, ["not-loaded", "earlier-balloon"]),
    ("loaded and unloaded again", _loaded_again, ["not-loaded"]),
    ("partial block", _partial_block, ["partial-block"]),
    ("foreign ranges", _set(foreign_ranges=2), ["foreign-ranges"]),
    ("rejected messages", _set(rejected_messages=1), ["rejected-messages"]),
    ("send failures", _set(send_failures=1), ["send-failures"]),
    ("another build runs", lambda tree: tree.write(OURS, module("F" * 23)), ["other-version"]),
    ("maximum that costs too much", _set(max_kb=64 * 1024 * MIB), ["maximum-too-high"]),
    ("earlyoom", _earlyoom, ["earlyoom"]),
    ("two at once", _set(state="failed", rejected_messages=7), ["failed", "rejected-messages"]),
]


def test_healthy(command):
    """Where all is well it finds nothing."""
    assert command.problems() == []
    assert command.run("doctor").stdout == "no problem found\n"


def test_healthy_beside_the_driver_of_the_kernel(command, tree):
    """Where hv_dynmem serves the device, that is no fault of the other."""
    tree.take_over()
    assert command.problems() == []
    assert command.json()["module"] == "hv_dynmem"


@pytest.mark.parametrize("plant, expected", [fault[1:] for fault in FAULTS],
                         ids=[fault[0] for fault in FAULTS])
def test_fault(command, tree, plant, expected):
    """It names the fault; the status table names it too."""
    plant(tree)
    assert command.problems() == expected
    assert f": {', '.join(expected)}. See: hvballoon doctor" in command.run("status").stdout
    # No driver is nothing to show.
    status = int("not-loaded" in expected or expected[0] in ("no-vmbus", "no-device"))
    assert command.json("status", status=status)["problems"] == expected


NAMES = re.findall(r"^\s*(?:problem|check_count \w+) ([a-z-]+) \\$",
                   (PROJECT / "tools/checks.sh").read_text(encoding="utf-8"), re.MULTILINE)
assert len(NAMES) > 20, "the checks are written in another way now"


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_each_problem_is_planted_and_described(name):
    """No check without a fault here, nor without a word in the manual page and the document."""
    assert any(name in expected for _, _, expected in FAULTS)
    assert f".It {name}\n" in (PROJECT / "tools/hvballoon.8").read_text(encoding="utf-8")
    assert f"`{name}`" in (PROJECT / "docs/operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("plant, served", [
    (lambda tree: None, False), (Tree.take_over, False), (Tree.take_over, True),
], ids=["hv_balloon", "hv_dynmem", "both"])
def test_two_devices(command, tree, plant, served, first):
    """The driver serves one of them, which is meant, whatever their order.

    Where it is hv_dynmem the in-tree driver may serve the other.
    """
    plant(tree)
    other = f"{'0' if first else 'f'}{DEVICE[1:]}"
    tree.write(f"{BUS}/devices/{other}/class_id", CLASS)
    if served:
        tree.write(f"{BUS}/drivers/hv_balloon/{other}", "")
    assert command.problems() == []
    assert command.json()["device"] == DEVICE


@pytest.mark.parametrize("plant, words", [
    (Tree.unload, "installed for this kernel: then run \"modprobe hv_balloon\""),
    (_not_installed, "make && sudo make install"),
    (Tree.load_in_tree, "restart the machine"),
    (_built_in, "make MODULE=hv_dynmem"),
    (_built_in_beside, 'Run "hvballoon takeover": nothing has to be restarted.'),
    (_set(hot_added_online_kb=256 * MIB), "256 MiB of hot-added memory are offline"),
    (_set(balloon_requests=0), "324 MiB were ballooned by an earlier load"),
    (_other_driver, "uio_hv_generic/unbind"), (_no_hot_add_beside, "and load hv_dynmem again."),
], ids=["installed", "not installed", "in-tree", "built in", "hv_dynmem", "offline", "earlier",
        "other", "no hot-add"])
def test_tells_what_to_do(command, tree, plant, words):
    """The advice fits what is there."""
    plant(tree)
    assert words in " ".join(command.run("doctor").stdout.split())


@pytest.mark.parametrize("figures, note", [
    ({"balloon_refused_kb": 4096}, "refused"),
    ({"state": "version"}, "negotiating"),
    ({"status_reports": 0}, "no-report"),
    ({"state": "opened", "status_reports": 0}, "negotiating"),
    ({"max_kb": 1048576 * MIB}, "default-maximum"),
    ({"max_kb": 4100 * MIB}, "maximum-off-the-grid"),
], ids=["refused", "negotiating", "no report", "neither", "1 TiB", "grid"])
def test_notes(command, tree, figures, note):
    """What is good to know is no problem."""
    tree.figures(**figures)
    assert [one["name"] for one in command.json("doctor")["notes"]] == [note]
    assert f"Note: {note}" in command.run("doctor").stdout


@pytest.mark.parametrize("plant, note, words", [
    (_runs("kubelet"), "kubelet", "--system-reserved"),
    (_runs("systemd-oomd"), "systemd-oomd", "accounting=shrink"),
    (_runs("earlyoom"), "earlyoom-version", "Before 1.8"),
    (Tree.uninstall, "not-installed", RELEASE),
], ids=["kubelet", "systemd-oomd", "earlyoom", "not installed"])
def test_note(command, tree, plant, note, words):
    """Programs that compute with the total, and a driver that the next start does not find."""
    # That of this machine says nothing of the guest.
    command.program("earlyoom", "echo earlyoom v1.7")
    plant(tree)
    assert command.problems() == []
    found = command.json("doctor")["notes"]
    assert [one["name"] for one in found] == [note] and words in found[0]["what"]
    # The manual page names it.
    assert f".It {note}\n" in (PROJECT / "tools/hvballoon.8").read_text(encoding="utf-8")


def test_advice_where_a_block_must_stay_offline(command, tree):
    """Nothing says to online all blocks."""
    _partial_and_offline(tree)
    assert command.problems() == ["partial-block", "blocks-offline"]
    problems = command.json("doctor", status=1)["problems"]
    assert all("echo online" not in one["do"] for one in problems)
    assert {one["severity"] for one in problems} == {"critical"}


@pytest.mark.parametrize("program", ["earlyoom", "kubelet", "systemd-oomd"])
def test_programs_may_run_if_the_total_shrinks(command, tree, program):
    """Then the total does not have the balloon in it."""
    tree.write("earlyoom", "earlyoom 1.6.2")
    _runs(program)(tree)
    tree.write(f"{MODULE}/parameters/accounting", "shrink")
    assert command.problems() == [] == command.json("doctor")["notes"]


@pytest.mark.parametrize("version, problems", [
    ("1.6.2-5-gabcdef", ["earlyoom"]), ("v1.7", ["earlyoom"]), ("0.12", ["earlyoom"]),
    ("1.8", []), ("v1.8.2", []), ("1.10", []), ("2.0", []),
])
def test_version_of_earlyoom(command, tree, version, problems):
    """It has been right since 1.8."""
    tree.write("earlyoom", f"earlyoom {version}")
    _runs("earlyoom")(tree)
    assert command.problems() == problems
    assert command.json("doctor", status=len(problems))["notes"] == []


@pytest.mark.parametrize("startup, maximum, problems", [
    (1024, 1024 + 792 * 64, []), (1024, 1024 + 793 * 64, ["maximum-too-high"]),
    (512, 512 + 344 * 64, []), (512, 512 + 345 * 64, ["maximum-too-high"]),
    (16384, 1048576 - 1, ["maximum-too-high"]), (32768, 1048576 - 1, []), (1024, 512, []),
])
def test_budget(command, tree, startup, maximum, problems):
    """16 MiB for each GiB, of what is above the floor of the guest that was started."""
    tree.write("proc/meminfo", f"MemTotal: {(startup + 512) * MIB} kB\n")
    tree.figures(max_kb=maximum * MIB)
    assert command.problems() == problems


def test_budget_of_a_floor_that_was_set(command, tree):
    """What the administrator keeps cannot be spent."""
    tree.write("proc/meminfo", f"MemTotal: {(1024 + 512) * MIB} kB\n")
    tree.figures(max_kb=(1024 + 600 * 64) * MIB)
    assert command.problems() == []
    tree.write(f"{MODULE}/parameters/floor_mib", "512")
    assert command.problems() == ["maximum-too-high"]


# An initramfs with the module, and without it.
HOLDS = f"usr/lib/modules/{RELEASE}/kernel/drivers/hv/hv_balloon.ko"
LISTS = {"lsinitramfs": f'[ -r "$1" ] && printf "init\\n{HOLDS}\\n"',
         "lsinitrd": f'[ -r "$1" ] && printf -- "-rw-r--r-- 1 root root 5 Jan 1 1970 {HOLDS}\\n"'}


@pytest.mark.parametrize("plant", [Tree.load_in_tree,
                                   lambda tree: tree.write(OURS, module("F" * 23))],
                         ids=["in-tree", "another build"])
@pytest.mark.parametrize("image", [IMAGE, f"boot/initramfs-{RELEASE}.img"])
def test_initramfs(command, tree, plant, image):
    """An old copy is suspected only where one was seen; without an image it is a conditional."""
    plant(tree)

    def advice():
        return " ".join(one["do"] for one in command.json("doctor", status=1)["problems"])

    assert "If the old one is back" in advice() and "may hold" not in advice()
    tree.write(image, "an archive")
    for name, text in LISTS.items():
        command.program(name, text)
    assert f"/{image} may hold an old copy (lib/modules/" in advice()
    for name in LISTS:
        command.program(name, "echo init")
    assert f"/{image} holds no copy." in advice()
    for name in LISTS:
        command.program(name, "exit 1")
    assert "If the old one is back" in advice()


@pytest.mark.parametrize("tool, suffix", [("xz", "xz"), ("gzip", "gz")])
def test_version_of_a_compressed_module(command, tree, tool, suffix):
    """It is read as the kernel's tools read it."""
    os.system(f"{tool} {tree.root / OURS}")
    tree.write(f"{MODULES}/modules.dep", f"updates/hv_balloon.ko.{suffix}:\n")
    assert command.problems() == []
    tree.write(f"{MODULE}/srcversion", "E" * 23)
    assert command.problems() == ["other-version"]


def test_version_that_cannot_be_told(command, tree):
    """Neither by the string in the module nor by modinfo: said, and no fault."""
    tree.write(OURS, "a module")
    command.program("modinfo", "exit 1")
    assert command.problems() == []
    assert "has no srcversion" in command.json("doctor")["not_seen"][0]
    if command.words[0] == "dash":  # busybox takes its own
        command.program("modinfo", 'echo "${2#srcversion}${1#-F}' + "E" * 23 + '"')
        assert command.problems() == ["other-version"]


MONITORING = r"DYNAMIC MEMORY (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \|( [a-z_]+=\d+KB;;;0(;\d+)?)+)?\n"


@pytest.mark.parametrize("plant, status, words", [
    (lambda tree: None, 0, "OK - 1176 MiB assigned, 324 MiB ballooned |"),
    (_set(rejected_messages=1), 1, "WARNING - rejected-messages |"),
    (_set(state="failed", rejected_messages=1), 2, "CRITICAL - failed, rejected-messages |"),
    (lambda tree: tree.remove(BUS), 3, "UNKNOWN - no-vmbus |"),
    (lambda tree: tree.remove("sys", "proc"), 3, "UNKNOWN - no-vmbus"),
], ids=["ok", "warning", "critical", "unknown", "nothing"])
def test_monitoring(command, tree, plant, status, words):
    """One line as monitoring plugins print it, and their status."""
    plant(tree)
    result = command.run("doctor", "--monitoring")
    assert (result.returncode, result.stderr) == (status, "")
    assert re.fullmatch(MONITORING, result.stdout), result.stdout
    assert words in result.stdout


def test_figures_for_monitoring(command):
    """In KiB, the assigned memory with the most that it can be."""
    text = command.run("doctor", "--monitoring").stdout
    for figure in ("assigned=1204224KB;;;0;4194304 ", "ballooned=331776KB;;;0 ", "offline=0KB;;;0 "):
        assert figure in text


@pytest.mark.parametrize("suffix, tool", [("xz", "xz"), ("gz", "gzip")])
def test_signature_of_a_compressed_module(command, tree, suffix, tool):
    """Distributions that compress modules sign them before."""
    _unsigned(tree)
    tree.write(OURS, "a module~Module signature appended~\n")
    os.system(f"{tool} {tree.root / OURS}")
    tree.write(f"{MODULES}/modules.dep", f"updates/hv_balloon.ko.{suffix}:\n")
    assert command.problems() == ["not-loaded"]


def test_kernel_onlines(command, tree):
    """Where the kernel onlines what is added, the rule is not missed."""
    tree.remove(RULE)
    tree.write(f"{BLOCKS}/auto_online_blocks", "online")
    assert command.problems() == []


def test_rule_of_somebody_else(command, tree):
    """Distributions have rules of their own, some with the conditions on other lines."""
    tree.remove(RULE)
    tree.write("etc/udev/rules.d/99-mine.rules",
               'SUBSYSTEM!="memory", GOTO="end"\nATTR{state}=="offline", ATTR{state}="online"\n')
    assert command.problems() == []
    tree.write("etc/udev/rules.d/99-mine.rules", 'SUBSYSTEM=="memory", ATTR{state}=="online"')
    assert command.problems() == ["no-onlining"]


def test_log(command, tree):
    """The last words of the driver, if something is wrong."""
    tree.write(LOG, "\n".join(f"[{number}.0] hv_balloon: word {number}" for number in range(9)))
    tree.figures(state="failed")
    tail = command.run("doctor").stdout.split("Last in the log:\n")[1]
    assert [line.split()[-1] for line in tail.splitlines()] == ["4", "5", "6", "7", "8"]


@pytest.mark.skipif(os.getuid() != 0, reason="is not root, who can be anybody")
def test_not_root(command, tree):
    """It finds what anybody can see, and names what it could not."""
    tree.load_in_tree()
    (tree.root / "sys/kernel/debug").chmod(0o700)
    assert command.problems(user=NOBODY) == ["in-tree-driver"]
    hidden = command.json("doctor", status=1, user=NOBODY)["not_seen"]
    assert len(hidden) == 2 and "only root" in hidden[0] and "log" in hidden[1]
    assert "Not seen:" in command.run("doctor", user=NOBODY).stdout
    # Root sees that half of the memory is offline.
    assert command.problems() == ["in-tree-driver", "blocks-offline"]
