# SPDX-License-Identifier: GPL-2.0-only
"""The unit tests in a kernel (User Mode Linux): each of their cases is one here, too."""

import json
import subprocess
from pathlib import Path

import pytest

from lab import cache, kernels

from . import test_unit

UNIT = Path(__file__).resolve().parent
VERSION = "6.1"
BUILD = f"kunit-{VERSION}"


def run():
    """Build and run the kernel; return what it printed, and its cases with their verdicts."""
    folder = cache.root() / "build" / BUILD
    report = folder / "report.json"
    command = [UNIT / "kunit.sh", kernels.source(VERSION), folder, f"--json={report}"]
    with cache.lock(f"build-{BUILD}"):
        report.unlink(missing_ok=True)
        result = subprocess.run(command, text=True, check=False, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not report.exists():
            return result, {}
        return result, dict(cases(json.loads(report.read_text(encoding="ascii"))))


def cases(group, depth=0, name=""):
    """Yield name and verdict of each case below a group of kunit.py's report.

    Below the whole are the suites, then their cases, then the rows of a case that has a table.
    """
    before = name + ("", ".", ": ")[min(depth, 2)]
    for case in group["test_cases"]:
        yield before + case["name"], case["status"] == "PASS"
    for part in group["sub_groups"]:
        yield from cases(part, depth + 1, before + part["name"])


RESULT, CASES = run()


def reason():
    """Return the errors of the build if it came no further, else all that was printed."""
    _, mark, errors = RESULT.stdout.partition("ERROR:root:")
    return errors if mark else RESULT.stdout


def test_the_kernel_ran_to_its_end():
    """It built without a warning and ran; kunit.py found its report whole and all cases well."""
    assert RESULT.returncode == 0 and CASES, reason()


def test_the_cases_are_those_of_the_program():
    """Nothing is tested in only one of the two."""
    assert set(CASES) == set(test_unit.CASES)


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    """One case of a suite."""
    assert CASES[name], RESULT.stdout
