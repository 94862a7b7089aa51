# SPDX-License-Identifier: GPL-2.0-only
"""The unit tests as a program of this machine: each of its cases is one here."""

import re
import subprocess
from pathlib import Path

import pytest

from lab import cache

UNIT = Path(__file__).resolve().parent


def run():
    """Build and run the program; return what it printed, and its cases with their verdicts."""
    # Other layers read the cases too, perhaps at the same time.
    with cache.lock("build-unit"):
        result = subprocess.run(["make", "--no-print-directory", "-s", "-C", UNIT, "check"],
                                text=True, check=False, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
    cases = re.findall(r"^(not ok|ok) \d+ - (.*)$", result.stdout, re.MULTILINE)
    return result, {name: verdict == "ok" for verdict, name in cases}


RESULT, CASES = run()


def test_the_program_ran_to_its_end():
    """It built, ended well, and ran as many cases as it had planned."""
    planned = re.search(r"^1\.\.(\d+)$", RESULT.stdout, re.MULTILINE)
    assert RESULT.returncode == 0 and planned, RESULT.stdout
    assert int(planned.group(1)) == len(CASES) > 0


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    """One case of a suite."""
    assert CASES[name], RESULT.stdout
