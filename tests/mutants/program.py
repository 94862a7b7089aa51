# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of the pure files, in the program of the layer `unit`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from lab import PROJECT, LabError

from .faults import Fault, plant

PARTS = ("lib", "tests/unit", "hv_balloon_proto.h")
LIMIT = 60      # seconds
WARN = "INSTRUMENT=-Wno-error"  # of the pure files: what a bug leaves unused is no error


def copy(folder: Path) -> None:
    """Copy what the program is built of."""
    for name in PARTS:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def run(folder: Path) -> tuple[list[str], str]:
    """Build and run the program; return the cases that fail, and its output.

    A sanitizer ends it: that is a case, too.
    """
    try:
        result = subprocess.run(["make", "--no-print-directory", "-s", f"-j{os.cpu_count()}", "-C",
                                 folder / "tests/unit", "check", WARN], text=True, check=False,
                                timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return ["it does not end"], ""
    failed = re.findall(r"^not ok \d+ - (.*)$", result.stdout, re.MULTILINE)
    if result.returncode and not failed:
        failed = re.findall(r"^SUMMARY: (.*?) /|(?<=runtime error: )(.*)$", result.stdout,
                            re.MULTILINE)[:1]
        failed = ["".join(one) for one in failed]
    if result.returncode and not failed:
        raise LabError(f"it does not build, or ends by itself:\n{result.stdout[-3000:]}")
    return failed, result.stdout


def try_out(fault: Fault, folder: Path) -> list[str]:
    """Run the program with a bug; return the cases that fail."""
    path = folder / fault.file
    shutil.copyfile(PROJECT / fault.file, path)
    plant(fault, folder)
    try:
        return run(folder)[0]
    finally:
        shutil.copyfile(PROJECT / fault.file, path)
