# SPDX-License-Identifier: GPL-2.0-only
"""The packages that are installed; cases with guests are repeated as those of the scenarios are."""

import shutil

import pytest

from lab import PROJECT, repeat

from .commands import OLDER, VERSIONED, run


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Repeat a case if that failed which carries its guest."""
    return repeat.call(pyfuncitem)


def _build(clone):
    """Return both binary packages, in an order in which dpkg can unpack them."""
    run("make", "-C", clone, "deb")
    return sorted((clone / "build/deb").glob("*.deb"))


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The binary packages of the last commit, after those of an older version."""
    new = tmp_path_factory.mktemp("package") / "new"
    run("git", "clone", "-q", "--no-hardlinks", PROJECT, new)
    old = shutil.copytree(new, new.with_name("old"))
    version = run("sh", old / "packaging/version.sh").strip()
    for name in ("hv_balloon.c", "debian/control", *VERSIONED):
        text = (old / name).read_text(encoding="utf-8")
        (old / name).write_text(text.replace(version, OLDER), encoding="utf-8")
    built = _build(old), _build(new)
    run("git", "-C", new, "diff", "--exit-code")
    return built
