# SPDX-License-Identifier: GPL-2.0-only
"""Proofs hold, and fail on planted faults."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import PROJECT, packages
from mutants.faults import plant

from . import planted

PROOF = Path(__file__).resolve().parent
LIMIT = 900  # seconds

# What takes part in the model. All of it at once is more than can be searched.
MODELS = {"remove": "-DREQUESTS=1 -DREMOVE", "two_requests": "-DREQUESTS=2 -DREMOVE",
          "offline": "-DREQUESTS=1 -DREMOVE -DOFFLINE", "oom": "-DREQUESTS=1 -DREMOVE -DOOM",
          "freeze": "-DREQUESTS=1 -DPM"}

PROVED = re.compile(r"^void (prove_\w+)\(void\)$", re.MULTILINE)
PROOFS = [name for file in sorted(PROOF.glob("*_proof.c")) for name in
          PROVED.findall(file.read_text(encoding="ascii"))]


def make(build, *words, source=PROJECT):
    """Run make in this folder; return what it printed."""
    result = subprocess.run(
        ["make", "--no-print-directory", "-s", "-C", PROOF, f"BUILD={build}", f"SOURCE={source}",
         f"BUNDLE={packages.bundle('cbmc')}", *words],
        text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    return result.stdout


@pytest.mark.parametrize("name", PROOFS)
def test_proof(tmp_path, name):
    """CBMC finds no values for which it does not hold."""
    output = make(tmp_path, name)
    assert output.rstrip().endswith("VERIFICATION SUCCESSFUL"), output[-6000:]


@pytest.mark.parametrize("parts", MODELS.values(), ids=MODELS)
def test_model(tmp_path, parts):
    """Spin finds no order in which it goes wrong, and has looked at all of them."""
    output = make(tmp_path, "model", f"MODEL={parts}")
    assert "errors: 0" in output and "Search not completed" not in output, output[-3000:]


@pytest.mark.parametrize("fault", planted.PURE + planted.MODEL, ids=lambda fault: fault.name)
def test_planted(tmp_path, fault):
    """A fault is found by the proof that is there for it."""
    source = tmp_path / "source"
    for name in (*Path(PROJECT).glob("lib/*.[ch]"), PROJECT / "hv_balloon_proto.h",
                 PROOF / "pump.pml"):
        copy = source / name.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, copy)
    plant(fault, source)
    model = fault.proof.startswith("-D")
    words = ("model", f"MODEL={fault.proof}") if model else (fault.proof,)
    output = make(tmp_path / "build", *words, source=source)
    assert ("errors: 1" if model else "VERIFICATION FAILED") in output, output[-3000:]
    found = output if model else "\n".join(re.findall(r"^.*: FAILURE$", output, re.MULTILINE))
    assert re.search(fault.sign, found), found[-3000:]
