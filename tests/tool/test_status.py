# SPDX-License-Identifier: GPL-2.0-only
"""What status prints, in a table and for programs, of guests made of files."""

import pytest

from .conftest import Command
from .tree import (ASSIGNED, AVAILABLE, DEMAND, FIGURES, GROUP, MIB, TOTAL, Tree)


def rows(command):
    """Return the rows of the table: the first figure of each, by name."""
    lines = command.run("status").stdout.splitlines()
    return {line[2:24].strip(): line[24:].split() for line in lines if line.startswith("  ")}


def test_table(command):
    """Each figure is in its row, in MiB."""
    table = rows(command)
    assert table["assigned by the host"] == f"{ASSIGNED // MIB} MiB of at most 4096 MiB".split()
    assert table["ballooned"][0] == "324"
    assert table["hot-added"] == ["512", "MiB", *"all of it online".split()]
    assert table["floor"][0] == "300"
    assert table["available"][0] == str(AVAILABLE // MIB)
    pressure = DEMAND * 100 // ASSIGNED
    assert table["demand"] == f"{DEMAND // MIB} MiB pressure {pressure} %".split()
    assert table["requests for memory"] == "3 0 MiB refused, 100 MiB returned".split()
    assert table["offers of memory"] == "1 0 MiB refused".split()
    assert table["reports to the host"] == ["60"]
    assert table["page reporting"] == ["off"]
    assert table["health"] == ["good"]
    assert not [line for line in command.run().stdout.splitlines() if line != line.rstrip()]
    assert command.run("status").stdout.startswith(
        "Dynamic Memory: running, protocol 2.0, hv_balloon 0.1.0\n")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_figures_are_never_run(tree, folder, shell):
    """Those of a bug report may be anything: bash runs what it finds in an index."""
    text = "pages_ballooned : BASH_VERSINFO[$(touch${IFS}" + str(folder) + "/run)]"
    tree.load_in_tree(f"host_version : 2.0\nstate : 1 (Initialized)\n{text}\n")
    result = Command((shell, str(folder / "tools/hvballoon")), tree).run("status")
    assert (result.returncode, result.stderr) == (0, "")
    assert not (folder / "run").exists()


@pytest.mark.parametrize("rule, text", [
    ("floor_mib", "ballooning stops there"),
    ("cost", "no ballooning now: programs paid with refaults or swapping"),
    ("oom", "no ballooning now: recent OOM"),
])
def test_what_ends_ballooning(tree, command, rule, text):
    """The row of the floor says it."""
    tree.write(f"{GROUP}/floor_rule", rule)
    assert rows(command)["floor"] == ["300", "MiB", *text.split()]


def test_status_is_the_default(command):
    """Without a command it prints the table."""
    assert command.run().stdout == command.run("status").stdout != ""


def bar(command):
    """Return the bar of the table."""
    return next(line.strip() for line in command.run().stdout.splitlines() if "[" in line)


def test_bar_is_to_scale(command):
    """Each kind of memory has its part of the most that the host gives."""
    shown = bar(command)
    scale = (len(shown) - 2) / FIGURES["max_kb"]
    for mark, kib in {"#": ASSIGNED - AVAILABLE, "-": AVAILABLE, "%": FIGURES["ballooned_kb"],
                      "o": 0, ".": FIGURES["max_kb"] - TOTAL}.items():
        assert abs(shown.count(mark) - kib * scale) <= 1, mark


def test_bar_is_full_where_the_maximum_is_not_known(command, tree):
    """Then it ends where the guest's memory does; what is offline is seen."""
    tree.figures(max_kb=0, hot_added_online_kb=256 * MIB)
    shown = bar(command)
    assert "." not in shown
    share = 256 * MIB / (TOTAL + 256 * MIB)
    assert abs(shown.count("o") - (len(shown) - 2) * share) <= 1


def test_json(command):
    """Every figure of the driver is there under its name, and what follows from them."""
    found = command.json("status")
    figures = {name: value for name, value in FIGURES.items() if name != "new_blocks"}
    assert {name: found[name] for name in figures} == figures
    assert (found["driver"], found["driver_version"]) == ("hv_balloon", "0.1.0")
    assert found["assigned_kb"] == ASSIGNED
    assert (found["demand_kb"], found["offline_kb"]) == (DEMAND, 0)
    assert (found["mem_total_kb"], found["mem_available_kb"]) == (TOTAL, AVAILABLE)
    assert found["problems"] == []


def test_accounting_that_shrinks(command, tree):
    """Then the guest's total is without the balloon already, or without a part of it."""
    tree.figures(hidden_kb=FIGURES["ballooned_kb"])
    assert command.json("status")["assigned_kb"] == TOTAL
    tree.figures(hidden_kb=MIB)
    assert command.json("status")["assigned_kb"] == ASSIGNED + MIB


def test_no_report_yet(command, tree):
    """Demand is not known before the first report."""
    tree.figures(reported_committed_kb=0)
    assert "demand_kb" not in command.json("status")
    assert rows(command)["demand"] == "? MiB not reported yet".split()


def test_in_tree(command, tree):
    """The driver of the kernel has fewer figures, in pages; the table says whose they are."""
    tree.load_in_tree()
    found = command.json("status")
    assert (found["driver"], found["state"], found["protocol_version"]) == ("in-tree",
                                                                             "initialized", "2.0")
    assert (found["ballooned_kb"], found["hot_added_kb"], found["hot_added_online_kb"]) == (
        100 * MIB, 512 * MIB, 256 * MIB)
    assert found["assigned_kb"] == TOTAL + 256 * MIB
    assert found["max_kb"] == 4096 * MIB
    assert "driver of the kernel" in command.run().stdout
    assert rows(command)["floor"][0] == "?"


def test_in_tree_without_figures(command, tree):
    """Who may not read them sees question marks."""
    tree.load_in_tree(figures=None)
    assert rows(command)["ballooned"][0] == rows(command)["assigned by the host"][0] == "?"


@pytest.mark.parametrize("plant", [Tree.unload, lambda tree: tree.remove("sys")],
                         ids=["not loaded", "no Hyper-V"])
def test_nothing_to_show(command, tree, plant):
    """Then it says why, and fails."""
    plant(tree)
    result = command.run("status")
    assert result.returncode == 1 and not result.stderr
    assert "no driver of Dynamic Memory runs" in result.stdout
    assert "See: hvballoon doctor" in result.stdout


@pytest.mark.parametrize("value", ["", "-1", "007", "12x", "%s %n", 'a "quoted" \\ word'])
def test_figures_that_make_no_sense(command, tree, value):
    """It goes on, and what it prints for programs stays JSON."""
    tree.write(f"{GROUP}/ballooned_kb", value)
    tree.write(f"{GROUP}/state", value)
    assert command.run("status").returncode == 0
    assert command.json("status").get("state", "") == value


def test_driver_vanishes(command, tree):
    """Files that go while they are read are unknown figures, not errors."""
    tree.remove(f"{GROUP}/floor_kb", "proc/meminfo")
    assert command.run("status").stderr == ""
    assert "floor_kb" not in command.json("status")
