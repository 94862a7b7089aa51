# SPDX-License-Identifier: GPL-2.0-only
"""The verdict of tests/check: what counts as failed, and what is shown."""

import importlib.machinery
import os
import pty
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lab import PROJECT, layers, real_guest, results, table

TESTS = PROJECT / "tests"
PYTEST = ("/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q")

SKIP = "this kernel injects no faults"
CASES = f'''\
import pytest
from lab import results


def test_passes():
    pass


def test_fails():
    assert 1 == 2


def test_is_skipped():
    pytest.skip("{SKIP}")


def test_has_no_reason():
    pytest.skip("no idea")


def test_is_repeated():
    results.note_repeat("the guest did not boot in time")


def test_is_repeated_without_an_excuse():
    results.note_repeat("the machine hung")
'''


def run(folder: Path, *options: str, text: str = CASES) -> results.Results:
    """Run cases as a layer is run; return its results."""
    (folder / "conftest.py").write_text((TESTS / "conftest.py").read_text(encoding="utf-8"),
                                        encoding="utf-8")
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    report = folder / "a-layer.xml"
    status = subprocess.run([*PYTEST, folder, f"--junitxml={report}", *options], check=False,
                            env=os.environ | {"PYTHONPATH": str(TESTS)},
                            stdout=subprocess.DEVNULL).returncode
    return results.read(report, status, may_be_empty=False)


def test_each_kind_of_case(tmp_path):
    """Passed, failed, skipped for a reason that is known or not, repeated."""
    found = run(tmp_path)
    assert found.passed == 2
    assert found.failed == [
        ("test_fails", "assert 1 == 2"),
        ("test_has_no_reason", "skipped for a reason that is not known: no idea"),
        ("test_is_repeated_without_an_excuse",
         "repeated for a reason that is not known: the machine hung")]
    assert found.skipped == [("test_is_skipped", SKIP)]
    assert found.repeated == [("test_is_repeated", "the guest did not boot in time"),
                              ("test_is_repeated_without_an_excuse", "the machine hung")]
    found.seconds = 12.3
    assert results.summary([found], 12.9) == [
        "layer                   passed  failed  skipped  repeated     time",
        "a-layer                      2       3        1         2     12 s",
        "in all                                                        13 s",
        f"SKIPPED a-layer: 1: {SKIP}",
        "REPEATED a-layer: test_is_repeated: the guest did not boot in time",
        "REPEATED a-layer: test_is_repeated_without_an_excuse: the machine hung",
        "FAILED a-layer: test_fails: assert 1 == 2",
        "FAILED a-layer: test_has_no_reason: skipped for a reason that is not known: no idea",
        "FAILED a-layer: test_is_repeated_without_an_excuse:"
        " repeated for a reason that is not known: the machine hung"]


HANDLER = "RIP: 0010:asm_sysvec_hyperv_callback+0x0/0x20\n"


@pytest.mark.parametrize("output, log, why", [
    ("", "", ""),
    ("qemu: gpadl_iter_seek: Assertion `iter->active' failed.", "", results.ASSERTION),
    ("qemu: hv_balloon_x: Assertion `y' failed.", "", ""),
    ("", HANDLER, results.TWICE),
    ("", "RIP: 0010:asm_sysvec_hyperv_callback+0x5/0x20\n", ""),
    ("", "RIP: 0010:free_balloon_pages+0x0/0x20\n", ""),
    ("", "rcu: INFO: rcu_preempt self-detected stall on CPU\n", ""),
    ("", f"{HANDLER} hvb_send+0x10/0x80 [hv_balloon]\n", ""),
    ("", f"{HANDLER} hvb_send+0x10/0x80 [hv_dynmem]\n", ""),
], ids=("silent", "assertion", "another assertion", "handler", "in a handler", "function", "stall",
        "driver", "driver by its other name"))
def test_what_excuses_a_repeat(output, log, why):
    """Two signatures of the emulated machine; any other silence fails the case."""
    assert real_guest.excuse(output, log) == why


def test_error_of_a_fixture_counts(tmp_path):
    """As one failure, of the case that needed it."""
    found = run(tmp_path, text="import pytest\n\n\n@pytest.fixture\ndef a():\n    assert 0, 'no a'"
                               "\n\n\ndef test_it(a):\n    pass\n")
    assert (found.passed, len(found.failed), found.failed[0][0]) == (0, 1, "test_it")


@pytest.mark.parametrize("options, text, why", [
    (("-k", "nothing_of_that"), CASES, "no case ran"),
    ((), "this is no Python", "collection failure"),
    (("--no-such-option",), CASES, "no results"),
], ids=("empty", "broken", "no report"))
def test_layer_that_does_not_run_fails(tmp_path, options, text, why):
    """Whatever pytest calls it."""
    found = run(tmp_path, *options, text=text)
    assert found.passed == 0 and any(why in reason for _, reason in found.failed), found


def test_layer_may_be_empty_if_names_were_chosen(tmp_path):
    """What `make check T=` names need not be in each layer."""
    report = tmp_path / "a-layer.xml"
    report.write_text("<testsuites><testsuite/></testsuites>", encoding="ascii")
    assert results.read(report, 5, may_be_empty=True).failed == []
    assert results.read(report, 5, may_be_empty=False).failed == [("the layer", "no case ran")]


def _check():
    """Return tests/check as a module."""
    loader = importlib.machinery.SourceFileLoader("check", str(TESTS / "check"))
    module = types.ModuleType(loader.name)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("words, chosen", [
    ((), {"static": "not coccinelle", "unit": ""}),
    (("-T", "floor"), {"static": "floor", "unit": "floor"}),
    (("--layer", "packages", "-T", "floor"), {"packages": "floor"}),
    (("--layer", "static"), {"static": ""}),
    (("--all",), {"static": "", "unit": "", "proof": "", "packages": ""}),
], ids=("make check", "T", "LAYER and T", "LAYER", "make check-all"))
def test_which_layers_run(monkeypatch, words, chosen):
    """T is for the layers of `make check`; LAYER runs all of one, what is left out there too."""
    check = _check()
    monkeypatch.setattr(sys, "argv", ["check", *words])
    found = {layer.name: select for layer, select in check.chosen(check.parse_arguments())}
    assert len(found) == 1 or "--layer" not in words
    known = {"static", "unit", "proof", "packages"}
    assert {name: select for name, select in found.items() if name in known} == chosen


def test_layer_with_a_part_of_the_scripts(monkeypatch):
    """T chooses among these."""
    check = _check()
    for words, added in (((), ""), (("--all",), ""), (("-T", "floor"), "floor")):
        monkeypatch.setattr(sys, "argv", ["check", *words])
        found = {layer.name: select for layer, select in check.chosen(check.parse_arguments())}
        expected = f"({layers.DYNMEM}) and ({added})" if added else layers.DYNMEM
        assert found["simulated-host-hv_dynmem"] == expected


def test_parts_are_the_whole():
    """Each script is in one part of a layer that has parts, and the longest part begins."""
    whole = next(layer for layer in layers.LAYERS if layer.name in layers.SECONDS)
    parts = whole.parts()
    scripts = [script for part in parts for script in part.scripts]
    assert len(parts) == layers.PARTS and all(part.scripts for part in parts)
    assert sorted(scripts) == sorted(str(path.relative_to(PROJECT)) for path in
                                     (PROJECT / whole.folder).glob("test_*.py"))
    assert max(part.seconds for part in parts) < 2 * min(part.seconds for part in parts)


def test_parts_have_one_row():
    """Their counts and times are added; layers stay in their order."""
    parts = [results.Results("b", 3, 2, [("c", "d")]), results.Results("a", 1, 1),
             results.Results("b", 4, 5, [], [("e", "f")], [("g", "h")])]
    assert results.merged(parts, ["a", "b"]) == [
        results.Results("a", 1, 1),
        results.Results("b", 7, 7, [("c", "d")], [("e", "f")], [("g", "h")])]


@pytest.mark.parametrize("words, together", [((), True), (("--streams", "1"), False),
                                             (("--keep",), False)])
def test_streams(monkeypatch, capfd, tmp_path, words, together):
    """Two layers wait for each other, which only those can that run at the same time."""
    check = _check()
    monkeypatch.setattr(check, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["check", *words])
    found = []
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"test_{name}.py").write_text(
            f"import pathlib, time\n\n\ndef test_it():\n"
            f"    here = pathlib.Path(__file__).parent\n    (here / '{name}').touch()\n"
            f"    end = time.monotonic() + {120 if together else 1}\n"
            f"    while not (here / '{other}').exists():\n"
            f"        assert time.monotonic() < end\n        time.sleep(0.1)\n", encoding="ascii")
        found.append(layers.Layer(name, "", str(tmp_path / f"test_{name}.py"), ""))
    options = check.parse_arguments()
    every = check.run_all([check.Run(layer, "") for layer in found], options)
    assert sorted((one.layer, one.passed) for one in every) == [("a", int(together)), ("b", 1)]
    assert ("a | collecting" in capfd.readouterr().out) == (not options.keep)


def test_table_of_the_layers_is_true():
    """Each row, with the numbers of its cases: `tests/check --table` prints it."""
    page = (PROJECT / "docs/testing.md").read_text(encoding="utf-8")
    assert "\n".join(table.lines()) in page


def test_reasons_to_skip_are_those_that_are_known():
    """Each by its words, and none that no case has."""
    found = {reason for path in TESTS.rglob("*.py") if path != Path(__file__)
             for reason in re.findall(r'(?:pytest\.skip\(|skipif\(.*reason=)"([^"]*)"',
                                      path.read_text(encoding="utf-8"))}
    assert found == results.KNOWN_SKIPS


def test_reader_that_ends_by_an_error_fails_the_case(tmp_path):
    """With the options that all layers have."""
    (tmp_path / "pytest.ini").write_text((TESTS / "pytest.ini").read_text(encoding="utf-8"),
                                         encoding="utf-8")
    found = run(tmp_path, text="import threading\n\n\ndef test_it():\n"
                               "    thread = threading.Thread(target=lambda: 1 / 0)\n"
                               "    thread.start()\n    thread.join()\n")
    assert found.passed == 0 and found.failed[0][0] == "test_it"
    assert "Exception in thread" in found.failed[0][1]


def test_log_is_kept_whole(tmp_path):
    """Under a name that a file can have."""
    results.keep_log(tmp_path, "simulated-6.1-test_a[x/y-0 1]", {"guest.log": "a\n" * 10000})
    assert (tmp_path / "simulated-6.1-test_a-x-y-0-1/guest.log").stat().st_size == 20000


PROMPT = '''\
from lab import interactive
from lab.shell import Result


class Guest:
    def call(self, command, limit):
        return Result(3, f"ran {command}\\\\n")


class Prompt(interactive.Prompt):
    def _other(self, line):
        return f"other {line}"


def test_it(pytestconfig):
    interactive.keep(pytestconfig, "a case has failed", Prompt(Guest()))
    assert input is not None
'''.replace("\\\\n", "\\n")


def test_prompt_is_there_while_pytest_waits(tmp_path):
    """It reads the terminal, although pytest has taken that from the case."""
    (tmp_path / "test_it.py").write_text(PROMPT, encoding="utf-8")
    here, there = pty.openpty()
    with subprocess.Popen([*PYTEST, tmp_path], stdin=there, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"PYTHONPATH": str(TESTS)}) as program:
        os.write(here, b"free -m\n!host\n!quit\n")
        output, _ = program.communicate(timeout=60)
    os.close(here)
    os.close(there)
    assert program.returncode == 0, output
    for words in ("a case has failed", "guest# ran free -m\n[status 3]", "other host"):
        assert words in output, output
