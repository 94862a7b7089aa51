# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the command's tests: a shell to run it in, a guest made of files."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import PROJECT, packages

from .tree import Tree

NOBODY = 65534
STATUS = {"critical": 2, "warning": 1, "unknown": 3}  # the worst first
TOOLS = ("hvballoon", "checks.sh", "bundle.sh", "print.awk", "rules.awk", "metrics.awk", "takeover.sh")


@dataclass(frozen=True)
class Command:
    """The command, as one of the shells runs it, on a guest made of files."""

    words: tuple[str, ...]
    tree: Tree

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run it; return its status and what it printed."""
        return subprocess.run([*self.words, *arguments], env=self.environment(), text=True,
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30, **options)

    def environment(self) -> dict[str, str]:
        """Return the environment that it runs in."""
        programs = self.tree.root.with_name("programs")
        return {"PATH": f"{programs}:{os.environ['PATH']}", "HVBALLOON_ROOT": str(self.tree.root)}

    def program(self, name: str, text: str) -> None:
        """Put a program before all others of that name."""
        file = self.tree.root.with_name("programs") / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(0o755)

    def json(self, *arguments: str, status: int = 0, **options: Any) -> Any:
        """Return what it prints for programs; its errors must be none."""
        result = self.run(*arguments, "--json", **options)
        assert (result.returncode, result.stderr) == (status, ""), result.stderr
        return json.loads(result.stdout)

    def problems(self, **options: Any) -> list[str]:
        """Return the names of the problems that it finds; status and text must say the same."""
        text = self.run("doctor", **options)
        found = self.json("doctor", status=text.returncode, **options)["problems"]
        names = [one["name"] for one in found]
        assert text.returncode == bool(names), text.stderr
        headings = [line for line in text.stdout.splitlines() if line[:1].isdigit()
                    and line[1:3] == ". "]
        assert headings == [f"{number}. {name}" for number, name in enumerate(names, 1)]
        assert text.stdout.count("To do: ") == len(names)
        assert all(one[part].endswith(".") for one in found for part in ("what", "do"))
        assert all(one["severity"] in STATUS for one in found)
        plugin = self.run("doctor", "--monitoring", **options)
        worst = [status for word, status in STATUS.items()
                 if word in [one["severity"] for one in found]]
        assert (plugin.returncode, plugin.stderr) == ((worst or [0])[0], "")
        return names


@pytest.fixture
def folder():
    """A folder that anybody may read, with a copy of the command."""
    path = Path(tempfile.mkdtemp(prefix="hvballoon-"))
    path.chmod(0o755)
    (path / "tools").mkdir()
    for name in TOOLS:
        shutil.copy(PROJECT / "tools" / name, path / "tools")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def tree(folder):
    """A guest in which all is well."""
    return Tree(folder / "root")


@pytest.fixture(params=["dash", "busybox"])
def command(request, folder, tree):
    """The command, in each of the shells that it must run in."""
    shell = ("dash",)
    if request.param == "busybox":
        shutil.copy(packages.bundle("guest") / "bin/busybox", folder)
        shell = (str(folder / "busybox"), "sh")
    return Command((*shell, str(folder / "tools/hvballoon")), tree)
