# SPDX-License-Identifier: GPL-2.0-only
"""hvballoon takeover and release on guests made of files: what they see, and why they refuse.

No driver is there that could be bound: what happens then is tested in guests that run.
"""

import fcntl
import os
import re
import threading

import pytest

from .tree import BESIDE, BUS, DEVICE, DYNMEM, GROUP, IN_TREE, IN_TREE_FIGURES, MIB, OURS

COUNTED = "run/hvballoon/in-tree"
LOCK = "run/hvballoon/lock"
REGIONS = "sys/kernel/debug/hv_balloon/regions"
# busybox takes tools of its own.
DASH = pytest.mark.parametrize("command", ["dash"], indirect=True)
BALLOONED, ADDED = 25600, 131072    # of the in-tree driver, in pages


@pytest.fixture(name="ready")
def fixture_ready(tree):
    """A guest in which hv_dynmem could take over, a moment after its boot."""
    tree.load_in_tree()
    tree.install_beside()
    tree.write("proc/uptime", "20.00 30.00")
    return tree


@pytest.fixture(name="taken")
def fixture_taken(tree):
    """A guest in which it could give the device back."""
    tree.take_over()
    tree.figures(ballooned_kb=0)
    tree.write(REGIONS, "region 0x100000 0x110000 65536\nonline 0x100000 0x110000 65536")
    tree.write("proc/uptime", "20.00 30.00")
    return tree


def contents(tree):
    """Return the text of each file, but for the lock, which stays when it was taken once."""
    return {path: path.read_bytes() for path in tree.root.rglob("*")
            if path.is_file() and path != tree.root / LOCK}


def refusal(command, name, *options):
    """Run it; return why it refuses, in one line. Nothing may have changed."""
    before = contents(command.tree)
    result = command.run(name, *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(rf"hvballoon: no {name}: .+\n", result.stderr), result.stderr
    assert contents(command.tree) == before
    return result.stderr


def assert_dry(command, name):
    """Run it with --dry-run; return what it would do. Nothing may have changed."""
    before = contents(command.tree)
    result = command.run(name, "--dry-run")
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    assert contents(command.tree) == before
    return result.stdout


# Takeover


def test_dry_run(command, ready):
    """It names the module, the figures and each step."""
    text = assert_dry(command, "takeover")
    assert f"load {ready.root}/{DYNMEM}" in text
    assert f"takeover={BALLOONED},{ADDED}\n" in text
    assert f"unbind {DEVICE} from hv_balloon" in text


def test_module_that_is_loaded(command, ready):
    """It is not loaded again."""
    ready.load(BESIDE)
    ready.remove(DYNMEM)
    assert "load " not in assert_dry(command, "takeover")
    result = command.run("takeover", "--dry-run", "--module", f"{ready.root}/other.ko")
    assert result.returncode == 1 and "is loaded already" in result.stderr


@pytest.mark.parametrize("counted, expected", [
    ("0 0 0", f"{BALLOONED},{ADDED}"), ("600 65536 0", f"{BALLOONED - 600},{ADDED}"),
    (f"{BALLOONED} {ADDED} 32768", f"0,{ADDED + 32768}"), (f"100 {ADDED} -", f"{BALLOONED - 100}"),
])
def test_counters_that_began_before(command, ready, counted, expected):
    """The in-tree driver counts on from where it was; what is not known is not claimed."""
    ready.write(COUNTED, counted)
    assert f"takeover={expected}\n" in assert_dry(command, "takeover")


def _no_device(tree):
    tree.remove(f"{BUS}/devices/{DEVICE}")


def _not_bound(tree):
    tree.remove(f"{BUS}/drivers/hv_balloon/{DEVICE}")
    tree.write("proc/uptime", "4000.00 30.00")


def _not_installed(tree):
    tree.uninstall()


def _unreadable(tree):
    tree.remove(DYNMEM)


def _unsigned(tree):
    tree.write(DYNMEM, "a module")
    tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality")


def _no_figures(tree):
    tree.remove(IN_TREE)


def _state(text):
    return lambda tree: tree.write(IN_TREE, IN_TREE_FIGURES.replace("1 (Initialized)", text))


def _counted(text):
    return lambda tree: tree.write(COUNTED, text)


@pytest.mark.parametrize("plant, words", [
    (_no_device, "offers this guest no Dynamic Memory"),
    (_not_bound, f"does not serve the device: \"echo {DEVICE}"),
    (_not_installed, "hv_dynmem is not installed for kernel"),
    (_unreadable, "cannot be read"), (_unsigned, "has no signature"),
    (_no_figures, "is debugfs there?"),
    (_state("0 (Initializing)"), "is in state 0 (Initializing): it has not agreed with the host yet."),
    (_state("5 (Error)"), "is in state 5 (Error): it has failed. Unbind and bind the device"),
    (_state("2 (Balloon up)"), "is in state 2 (Balloon up): it works on a request, or waits for memory to be onlined."),
    (_counted(f"{BALLOONED + 1} 0 0"), f"which is less than before, {BALLOONED + 1}"),
    (_counted("0 1000 -"), "how much there was before is not known"),
], ids=["no device", "not bound", "not installed", "unreadable", "lockdown", "no debugfs", "too early",
        "in error", "busy",
        "fewer than before", "not known"])
def test_refused(command, ready, plant, words):
    """With the reason, whether it is tried or done."""
    plant(ready)
    assert words in refusal(command, "takeover")
    assert words in refusal(command, "takeover", "--dry-run")


@DASH
def test_host_that_is_not_quiet(command, ready):
    """The in-tree driver has something to do whenever one looks."""
    more = IN_TREE_FIGURES.replace("25600", "25$(($(date +%s%N) % 1000000))")
    command.program("sleep", f"cat >{ready.root / IN_TREE} <<END\n{more}END")
    result = command.run("takeover")
    assert result.returncode == 1 and "the host is not quiet" in result.stderr


@DASH
def test_interrupts_count(command, ready):
    """A message that changes no figure is one."""
    file = f"{BUS}/devices/{DEVICE}/channels/14/interrupts"
    ready.write(file, "5")
    assert_dry(command, "takeover")
    command.program("sleep", f"date +%s%N >{ready.root / file}")
    assert "not quiet" in command.run("takeover", "--dry-run").stderr


@DASH
def test_module_that_does_not_load(command, ready):
    """The words of the tool that loads it are passed on."""
    command.program("modprobe", "echo 'modprobe: Key was rejected by service' >&2; exit 1")
    assert "cannot be loaded: modprobe: Key was rejected" in refusal(command, "takeover")


@DASH
def test_module_signed_by_somebody(command, ready):
    """What tools say where it is refused for its key is not always enough to know that."""
    ready.write("sys/kernel/security/lockdown", "none [integrity] confidentiality")
    command.program("modprobe", "echo 'modprobe: Operation not permitted' >&2; exit 1")
    assert re.search("cannot be loaded: modprobe: Operation not permitted .*signed with a key that it"
                     " knows", refusal(command, "takeover"))


def test_way_back(command, ready):
    """A driver that does not get the device: the in-tree driver has it again, status 1."""
    ready.load(BESIDE)
    ready.write(f"{BESIDE}/parameters/takeover", "")
    for name in ("hv_balloon", "hv_dynmem"):
        for file in ("bind", "unbind"):
            ready.write(f"{BUS}/drivers/{name}/{file}", "")
    ready.write("var/log/dmesg", "[9.0] hv_dynmem x: takeover refused: 5 pages too many\n")
    command.program("rmmod", "exit 1")
    result = command.run("takeover")
    assert (result.returncode, result.stdout) == (1, "")
    # The words in the log are those of an earlier try.
    assert result.stderr == ("takeover failed: hv_dynmem did not get the device (the driver does not"
                             ' serve it); see "dmesg | grep hv_dynmem". The in-tree driver serves'
                             " the device again\n")
    written = (ready.root / BESIDE / "parameters/takeover").read_text(encoding="ascii")
    assert written == f"{BALLOONED},{ADDED}\n"
    assert not (ready.root / "run/hvballoon/takeover").exists()


def test_taken_over_already(command, taken):
    """As hv_dynmem, or as hv_balloon at boot."""
    assert command.run("takeover").stdout == "hv_dynmem serves the device already.\n"
    assert taken.root  # which has it


def test_not_beside_ours(command, tree):
    """Where this project's driver was loaded as hv_balloon there is nothing to take over."""
    tree.install_beside()
    assert "already, as hv_balloon" in command.run("takeover").stdout


@DASH
def test_driver_that_is_bound_is_not_unloaded(command, ready):
    """It was bound since; the device would be left without a driver."""
    place = ready.root / BUS / "drivers"
    (place / "hv_balloon/unbind").mkdir()
    command.program("modprobe", f"mkdir -p {place}/hv_dynmem; : >{place}/hv_dynmem/{DEVICE}")
    command.program("rmmod", f"echo $1 >{ready.root}/unloaded")
    result = command.run("takeover")
    assert result.returncode == 1 and "cannot be unbound" in result.stderr
    assert not (ready.root / "unloaded").exists()


@pytest.mark.parametrize("name, guest", [("takeover", "ready"), ("release", "taken")])
def test_one_at_a_time(command, request, name, guest):
    """While another one runs, for long, it is refused; a dry run is not."""
    script = command.tree.root.with_name("tools") / "takeover.sh"
    text = script.read_text(encoding="ascii")
    script.write_text(text.replace("lock_tries=30", "lock_tries=1"), encoding="ascii")
    file = request.getfixturevalue(guest).root / LOCK
    file.parent.mkdir(parents=True)
    lock = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another takeover or release runs" in refusal(command, name)
        assert "another" not in assert_dry(command, name)
    finally:
        os.close(lock)


def test_waits_for_another_one(command, taken):
    """What that has changed by then is seen: here it has released the device."""
    _unsigned(taken)
    file = taken.root / LOCK
    file.parent.mkdir(parents=True)
    lock = os.open(file, os.O_WRONLY | os.O_CREAT)

    def release():
        taken.remove(BESIDE, GROUP, f"{BUS}/drivers/hv_dynmem")
        taken.write(IN_TREE, IN_TREE_FIGURES)
        taken.write(f"{BUS}/drivers/hv_balloon/{DEVICE}", "")
        os.close(lock)

    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(1.5, release)
    timer.start()
    try:
        result = command.run("takeover")
    finally:
        timer.join()
    assert result.returncode == 1 and "has no signature" in result.stderr, result.stdout


@pytest.mark.parametrize("name, guest", [("takeover", "ready"), ("release", "taken")])
def test_lock_is_for_root_only(command, request, name, guest):
    """What other users can open they can lock, for ever: the folder is not the lock."""
    file = request.getfixturevalue(guest).root / LOCK
    file.parent.mkdir(parents=True)
    lock = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        plant = {"takeover": _unsigned, "release": lambda tree: tree.figures(state="failed")}[name]
        plant(command.tree)
        assert "another" not in refusal(command, name)
    finally:
        os.close(lock)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name, guest", [("takeover", "ready"), ("release", "taken")])
def test_nowhere_to_remember(command, request, name, guest):
    """A file where the folder should be is as bad as one that cannot be written."""
    request.getfixturevalue(guest).write("run/hvballoon", "")
    assert "/run/hvballoon cannot be written" in refusal(command, name)


# Release


def test_release_dry_run(command, taken):
    """It says which driver would have the device."""
    assert "would bind" in assert_dry(command, "release")
    assert taken.root


def _gap(tree):
    tree.write(REGIONS, "region 0x100000 0x108000 32768\ngap 0x104000 0x108000 16384")


@pytest.mark.parametrize("plant, words", [
    (lambda tree: tree.figures(ballooned_kb=300 * MIB), "300 MiB (76800 pages) of this guest"),
    (_gap, "64 MiB (16384 pages) are missing"),
    (lambda tree: tree.figures(hot_added_online_kb=256 * MIB), "256 MiB of hot-added memory are"),
    (lambda tree: tree.figures(state="failed"), "hv_dynmem is in state failed"),
    (lambda tree: tree.remove(REGIONS), "is debugfs there?"),
    (lambda tree: tree.remove(f"{BUS}/drivers/hv_balloon"), "modprobe hv_balloon"),
], ids=["ballooned", "gap", "offline", "failed", "no debugfs", "in-tree driver not loaded"])
def test_release_refused(command, taken, plant, words):
    """With what is in the way, and how much of it."""
    plant(taken)
    assert words in refusal(command, "release")
    assert words in refusal(command, "release", "--dry-run")


def test_nothing_to_release(command, ready):
    """The in-tree driver has the device."""
    assert "nothing to release" in command.run("release").stdout
    assert (ready.root / OURS).exists() and not (ready.root / GROUP).exists()
