# SPDX-License-Identifier: GPL-2.0-only
"""The tests' own code and all shell scripts: pyflakes, mypy, shellcheck."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lab import PROJECT

from . import crossing

TESTS = PROJECT / "tests"
PROGRAMS = (TESTS / "check",)       # of Python, without an ending
NOT_OURS = {"build", ".git"}
SHEBANG = re.compile(r"#! ?/bin/(?:ba)?sh\b")


def output(*command: str | Path) -> str:
    """Return what a program prints, with its status if that is no success."""
    result = subprocess.run(command, text=True, check=False, cwd=TESTS, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.stdout + (f"status {result.returncode}\n" if result.returncode else "")


def pyflakes(*paths: Path) -> str:
    """Return what pyflakes has to say of files and folders."""
    return output("/usr/bin/python3", "-m", "pyflakes", *paths)


def mypy(folder: Path, *paths: Path) -> str:
    """Return what mypy has to say; what it remembers is in a folder."""
    return output("/usr/bin/python3", "-m", "mypy", "--config-file", TESTS / "mypy.ini",
                  "--no-error-summary", "--cache-dir", folder, *paths)


def shellcheck(*paths: Path) -> str:
    """Return what shellcheck has to say; scripts may read others."""
    return output("shellcheck", "-x", "--source-path=SCRIPTDIR", *paths)


def is_script(path: Path) -> bool:
    """Tell whether a file is of the shell: by its ending or its first line."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(80).decode("ascii", "replace")
    return path.suffix == ".sh" or SHEBANG.match(first) is not None


def scripts() -> list[Path]:
    """Return all shell scripts of the project."""
    found = []
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = set(folders) - NOT_OURS
        found += [Path(folder, name) for name in names]
    return sorted(filter(is_script, found))


def test_pyflakes():
    """Names that are not used or not defined."""
    assert pyflakes(TESTS, *PROGRAMS) == ""


def test_mypy(tmp_path):
    """Types that do not fit."""
    assert mypy(tmp_path, TESTS, *PROGRAMS) == ""


def test_shellcheck():
    """All scripts, also those of packages and of guests."""
    found = scripts()
    assert {"hvballoon", "postinst", "init-guest.sh", "run"} <= {
        path.name.rpartition("dkms.")[2] for path in found}
    assert shellcheck(*found, PROJECT / "tools/hvballoon.bash-completion") == ""


def test_what_modules_take_from_each_other_has_types():
    """Each parameter, and what is returned."""
    texts = crossing.sources()
    assert len(texts) > 100
    assert crossing.untyped(texts) == []


@pytest.mark.parametrize("text, fault", [
    ("import os\n", "imported but unused"),
    ("def a():\n    return b\n", "undefined name 'b'"),
], ids=("unused", "undefined"))
def test_pyflakes_finds(tmp_path, text, fault):
    """What pyflakes is there for."""
    file = tmp_path / "a.py"
    file.write_text(text, encoding="ascii")
    assert fault in pyflakes(file)


def test_mypy_finds(tmp_path):
    """A call with another type than that of the parameter."""
    file = tmp_path / "a.py"
    file.write_text("def a(b: int) -> None:\n    print(b)\n\n\na('c')\n", encoding="ascii")
    assert 'has incompatible type "str"' in mypy(tmp_path / "cache", file)


def test_shellcheck_finds(tmp_path):
    """A word that the shell splits, in a file without an ending."""
    file = tmp_path / "a"
    file.write_text("#!/bin/sh\necho $1\n", encoding="ascii")
    assert is_script(file) and "SC2086" in shellcheck(file)


@pytest.mark.parametrize("use", ["from . import b\nb.c(1)\n", "from .b import c\nc(1)\n",
                                 "from a.b import c\nc(1)\n"])
def test_what_lacks_types_is_found(use):
    """If another module takes it, however it names it; and of what has types nothing."""
    texts = {"a": "", "a.b": "def c(d):\n    pass\n\n\ndef e(d):\n    pass\n", "a.f": use}
    assert crossing.untyped(texts) == ["a.b.c"]
    texts["a.b"] = "def c(d: int) -> None:\n    pass\n"
    assert crossing.untyped(texts) == []


def test_method_that_lacks_types_is_found():
    """Of a class that another module takes, and not a private one."""
    texts = {"a": "class B:\n    def c(self):\n        pass\n\n    def _d(self):\n        pass\n",
             "e": "from a import B\nB().c()\n"}
    assert crossing.untyped(texts) == ["a.B.c"]
