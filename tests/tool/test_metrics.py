# SPDX-License-Identifier: GPL-2.0-only
"""Metrics in the format of Prometheus, its alerts, the dashboard, the unit that writes them."""

import configparser
import json
import os
import re
import shlex
import subprocess

import pytest

from lab import PROJECT, packages

from .conftest import NOBODY
from .tree import ASSIGNED, BUS, DEBUG_FILES, DEVICE, FIGURES, MIB, TOTAL, Tree

MONITORING = PROJECT / "packaging/monitoring"
RULES = MONITORING / "hv_balloon.rules.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
ALERTS = PROJECT / "tests/tool/alerts.test.yml"
KIB = 1024
PAGE = 4096

# Names of sysfs that say the unit, or that the value is a switch; what is no number.
SIZES = {f"hv_balloon_{name[:-3]}_bytes": value * KIB for name, value in FIGURES.items()
         if name.endswith("_kb") and name not in ("balloon_refused_kb", "returned_kb",
                                                  "hot_add_refused_kb")}
COUNTS = {f"hv_balloon_{name}_total": FIGURES[name]
          for name in ("balloon_requests", "hot_add_requests", "rejected_messages",
                       "foreign_ranges", "status_reports", "send_failures", "events")}
COUNTED_SIZES = {f"hv_balloon_{name[:-3]}_bytes_total": FIGURES[name] * KIB
                 for name in ("balloon_refused_kb", "returned_kb", "hot_add_refused_kb")}
SWITCHES = {f"hv_balloon_{name}_enabled": FIGURES[name]
            for name in ("hibernation", "hot_add", "page_reporting")}
INSIDE = {
    "hv_balloon_hinted_free_bytes": 512 * PAGE, "hv_balloon_hints_failed_total": 2,
    "hv_balloon_balloon_requested_bytes_total": 110000 * PAGE,
    "hv_balloon_balloon_given_bytes_total": 108544 * PAGE,
    "hv_balloon_hot_add_requested_bytes_total": 131072 * PAGE,
    "hv_balloon_hot_add_added_bytes_total": 131071 * PAGE,
    "hv_balloon_blocks_cleared_total": 5, "hv_balloon_blocks_kept_total": 1,
    "hv_balloon_unexpected_messages_total": 4, "hv_balloon_reserved_flags_messages_total": 6,
    "hv_balloon_wrong_size_messages_total": 7,
    'hv_balloon_blocks_taken_total{order="9"}': 29,
    'hv_balloon_block_failures_total{order="3"}': 3, 'hv_balloon_balloon_blocks{order="9"}': 2,
}


@pytest.fixture(name="promtool", scope="session")
def fixture_promtool():
    """Return a function that runs promtool, which must be content."""
    program = packages.bundle("prometheus") / "usr/bin/promtool"

    def run(*arguments, **options):
        result = subprocess.run([program, *arguments], text=True, check=False, timeout=60,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        assert result.returncode == 0, result.stdout
        return result.stdout
    return run


def values(text):
    """Return the samples: value by name with labels."""
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def metrics(command, **options):
    """Return the samples that the command prints; it must succeed, without a word."""
    result = command.run("metrics", **options)
    assert (result.returncode, result.stderr) == (0, "")
    return values(result.stdout)


def test_every_figure_of_sysfs(command):
    """Each has its metric, in bytes where it is a size."""
    found = metrics(command)
    expected = {**SIZES, **COUNTS, **COUNTED_SIZES, **SWITCHES}
    assert {name: found.get(name) for name in expected} == expected
    assert len(expected) == len(FIGURES) - len(("state", "protocol_version", "new_blocks", "floor_rule"))
    assert found["hv_balloon_assigned_bytes"] == ASSIGNED * KIB
    assert found["hv_balloon_total_bytes"] == TOTAL * KIB
    assert found["hv_balloon_up"] == found['hv_balloon_state{state="running"}'] == 1
    assert sum(value for name, value in found.items() if "_state{" in name) == 1
    info = next(name for name in found if name.startswith("hv_balloon_info{"))
    assert f'device="{DEVICE}"' in info and 'protocol_version="2.0"' in info
    assert not set(INSIDE) & set(found)


def test_figures_of_debugfs(command, tree):
    """They come on top where they can be read."""
    tree.debug()
    found = metrics(command)
    assert {name: found.get(name) for name in INSIDE} == INSIDE


def test_durations(command, tree):
    """Of at least 4 us is of less than 8: it counts from the next bucket on."""
    tree.debug()
    found = metrics(command)
    name = "hv_balloon_operation_duration_seconds"
    expected = {"0.000004": 3, "0.000016": 4, "0.262144": 4, "1.048576": 5, "4.194304": 6, "+Inf": 6}
    assert {le: found[f'{name}_bucket{{operation="inflate",le="{le}"}}']
            for le in expected} == expected
    assert found[f'{name}_sum{{operation="inflate"}}'] == 2.500123
    assert found[f'{name}_count{{operation="inflate"}}'] == 6
    assert found[f'{name}_count{{operation="deflate"}}'] == 0
    # Longer than the longest bucket.
    assert found[f'{name}_bucket{{operation="hot_add",le="1073.741824"}}'] == 0
    assert found[f'{name}_bucket{{operation="hot_add",le="+Inf"}}'] == 1


def _terabytes(tree):
    tree.figures(max_kb=64 << 30, returned_kb=(1 << 40) + 1)


PLANTS = {
    "healthy": lambda tree: None,
    "debugfs": Tree.debug,
    "in-tree": Tree.load_in_tree,
    "in-tree, not root": lambda tree: tree.load_in_tree(figures=None),
    "not loaded": Tree.unload,
    "no Hyper-V": lambda tree: tree.remove("sys", "proc"),
    "large": _terabytes,
    "odd text": lambda tree: tree.write("sys/module/hv_balloon/version", 'a "b" \\ {c}'),
    "cut short": lambda tree: tree.write("sys/kernel/debug/hv_balloon/latency", "inflate:"),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_format(command, tree, promtool, plant):
    """promtool has nothing to complain; each metric has a text and a type, once."""
    plant(tree)
    text = command.run("metrics").stdout
    assert promtool("check", "metrics", input=text) == ""
    names = {re.sub(r"(_bucket|_sum|_count)?(\{.*)? .*", "", line)
             for line in text.splitlines() if not line.startswith("#")}
    for word in ("HELP", "TYPE"):
        described = re.findall(rf"^# {word} (\w+) \S", text, re.MULTILINE)
        assert sorted(described) == sorted(names)
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert all((kind == "counter") == name.endswith("_total") for name, kind in types.items())


def test_no_figure_is_rounded(command, tree):
    """Also those that are larger than what some awks print."""
    _terabytes(tree)
    found = command.run("metrics").stdout
    assert f"hv_balloon_max_bytes {64 << 40}\n" in found
    assert f"hv_balloon_returned_bytes_total {((1 << 40) + 1) * KIB}\n" in found


@pytest.mark.parametrize("plant, expected", [
    (Tree.unload, 0), (lambda tree: tree.figures(state="failed"), 0), (Tree.load_in_tree, 1),
    (lambda tree: tree.remove(f"{BUS}/drivers/hv_balloon/{DEVICE}"), 0),
], ids=["not loaded", "failed", "in-tree", "not bound"])
def test_up(command, tree, plant, expected):
    """1 only if a driver does its work."""
    plant(tree)
    assert metrics(command)["hv_balloon_up"] == expected


def test_problems(command, tree):
    """Those of the doctor, with their severity."""
    tree.figures(state="failed", send_failures=1)
    found = metrics(command)
    assert found['hv_balloon_problem{name="failed",severity="critical"}'] == 1
    assert found['hv_balloon_problem{name="send-failures",severity="warning"}'] == 1


@pytest.mark.skipif(os.getuid() != 0, reason="is not root, who can be anybody")
def test_not_root(command, tree):
    """Without the right to read debugfs all else is there."""
    tree.debug()
    (tree.root / "sys/kernel/debug").chmod(0o700)
    found = metrics(command, user=NOBODY)
    assert found["hv_balloon_ballooned_bytes"] == 324 * MIB * KIB
    assert not set(INSIDE) & set(found)


# Into a file


def test_output(command, folder):
    """It becomes that file at once, everybody may read it, and nothing else is there after it."""
    place = folder / "textfile"
    place.mkdir()
    file = place / "hv balloon.prom"
    for _ in range(2):
        result = command.run("metrics", "--output", str(file))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert values(file.read_text(encoding="utf-8"))["hv_balloon_up"] == 1
        assert file.stat().st_mode & 0o777 == 0o644
        assert list(place.iterdir()) == [file]


@pytest.mark.parametrize("where", ["nowhere/file", "tools", ""])
def test_output_that_cannot_be(command, folder, where):
    """One line, status 2, nothing is written."""
    before = sorted(folder.rglob("*"))
    result = command.run("metrics", "--output", str(folder / where) if where else "")
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"hvballoon: .+\n", result.stderr)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/full")],
                         ids=["pipe", "link"])
def test_output_to_what_is_no_file(command, folder, make):
    """A device, a pipe or a link to one is not replaced by a file."""
    make(folder / "place")
    before = (folder / "place").lstat()
    result = command.run("metrics", "--output", str(folder / "place"))
    assert result.returncode == 2 and "no regular file" in result.stderr
    assert (folder / "place").lstat() == before


@pytest.mark.skipif(os.getuid() != 0, reason="is not root, who can be anybody")
def test_output_without_the_right(command, folder):
    """The same for who may not write there."""
    result = command.run("metrics", "-o", str(folder / "file"), user=NOBODY)
    assert result.returncode == 2 and "cannot be written" in result.stderr
    assert not (folder / "file").exists()


# What comes with it


def test_alerts(promtool):
    """Each alert is raised where it should be, and not where all is well."""
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(ALERTS))
    names = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
    assert len(names) >= 8
    assert set(names) == set(re.findall(r"alertname: (\w+)\n", ALERTS.read_text(encoding="utf-8")))


def _queries():
    """Return the queries of the dashboard, as Grafana would send them."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 8
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [query.replace("$instance", ".*").replace("$__rate_interval", "1m") for query in found]


def test_dashboard(promtool, tmp_path):
    """Each query of each panel is one that Prometheus understands."""
    queries = _queries()
    rules = [{"record": f"q:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.json"  # which is YAML too
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(file))
    assert not re.search(r"\$", "".join(queries))


def test_names_that_are_used_are_there(command, tree):
    """Alerts, dashboard and document ask for nothing that is never written."""
    tree.debug()
    tree.figures(send_failures=1)
    samples = {name.partition("{")[0] for name in metrics(command)}
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    document = (PROJECT / "docs/monitoring.md").read_text(encoding="utf-8")
    for text in (RULES.read_text(encoding="utf-8"), "\n".join(_queries()), document):
        used = set(re.findall(r"\bhv_balloon_\w+\b", text)) - {"hv_balloon_"}
        assert used and used <= samples | bare, used - samples - bare
    # And the document names all.
    assert bare <= set(re.findall(r"`(\w+)`", document)), bare


def test_unit(command, folder):
    """The unit runs the command with options that it has, and may write where it writes."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(MONITORING / "hvballoon-metrics.service")
    service = unit["Service"]
    file = service["Environment"].removeprefix("FILE=")
    assert service["ReadWritePaths"].lstrip("-") == os.path.dirname(file)
    words = shlex.split(service["ExecStart"].replace("${FILE}", str(folder / "file")))
    assert words[0] == "/usr/bin/hvballoon" and command.run(*words[1:]).returncode == 0
    timer = configparser.RawConfigParser()
    timer.read(MONITORING / "hvballoon-metrics.timer")
    assert int(timer["Timer"]["OnUnitActiveSec"]) == 15


assert set(DEBUG_FILES) == {"status", "blocks", "balloon", "latency"}
