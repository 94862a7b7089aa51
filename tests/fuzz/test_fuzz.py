# SPDX-License-Identifier: GPL-2.0-only
"""The pure logic under libFuzzer: a short run of each harness, from a seeded corpus.

HV_BALLOON_FUZZ is how many seconds each runs, if not the few of a daily run.
"""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from lab import PROJECT

from . import make_corpus

FUZZ = Path(__file__).resolve().parent
BUILD = PROJECT / "build/fuzz"
RESULTS = PROJECT / "build/results"
DAILY = {"codec": 25, "regions": 25, "arithmetic": 10}  # seconds
LONGEST = {"codec": 4200, "regions": 200, "arithmetic": 2600}  # bytes of an input
HANG = 30  # seconds after which one input counts as endless
AT_LEAST = 1000  # executions, or something is wrong with the harness itself
SHOWN = 512  # bytes of an input that a report shows in full


@pytest.fixture(scope="session", name="built")
def fixture_built():
    """All harnesses, built; the build must have no warning."""
    result = subprocess.run(["make", "--no-print-directory", "-s", "-C", FUZZ], text=True,
                            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0 and result.stdout == "", result.stdout


def command(harness, seed):
    """Return the command of a run. What is new goes into the first folder, and is kept."""
    grown = BUILD / f"corpus-{harness}"
    grown.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    seconds = int(os.environ.get("HV_BALLOON_FUZZ") or DAILY[harness])
    return [str(BUILD / harness), f"-seed={seed}", f"-max_total_time={seconds}",
            f"-max_len={LONGEST[harness]}", f"-timeout={HANG}", "-print_final_stats=1",
            f"-artifact_prefix={RESULTS}/fuzz-{harness}-", str(grown),
            str(make_corpus.CORPUS / harness)]


def explain(harness, log):
    """Return what a person needs after a finding: the input, where it is, how to repeat it."""
    told = "\n".join(line for line in log.splitlines() if not line.startswith("#"))
    found = re.search(r"Test unit written to (\S+)", log)
    if not found:
        return told
    path = Path(found.group(1))
    content = path.read_bytes()
    text = content[:SHOWN].hex() + ("..." if len(content) > SHOWN else "")
    why = re.search(r"^\S+: expected .*|^SUMMARY: .*", log, re.MULTILINE)
    return (f"{why.group(0) if why else 'libFuzzer stopped'}\n"
            f"input, {len(content)} bytes: {text}\nkept in: {path}\n"
            f"to repeat it: make -C tests/fuzz && build/fuzz/{harness} {path}\n\n{told}")


def figures(log):
    """Return how many inputs were run, and how many edges of the code they reached."""
    runs = re.search(r"^stat::number_of_executed_units: (\d+)", log, re.MULTILINE)
    edges = re.findall(r"^#\d+\s.*\bcov: (\d+)", log, re.MULTILINE)
    return int(runs.group(1)) if runs else 0, int(edges[-1]) if edges else 0


def test_corpus_is_as_its_script_writes_it():
    """Each input has a source that a person can read."""
    assert not make_corpus.wrong()


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("harness", DAILY)
def test_fuzz(harness, capsys, record_testsuite_property):
    """No input makes the code and its model differ, or the sanitizers complain."""
    seed = int(time.time())
    result = subprocess.run(command(harness, seed), cwd=PROJECT, check=False, text=True,
                            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    runs, edges = figures(result.stdout)
    with capsys.disabled():
        print(f"\n{harness}: seed {seed}, {runs} inputs, {edges} edges reached")
    record_testsuite_property(f"{harness} inputs", runs)
    record_testsuite_property(f"{harness} edges", edges)
    assert result.returncode == 0, explain(harness, result.stdout)
    assert runs >= AT_LEAST, result.stdout
