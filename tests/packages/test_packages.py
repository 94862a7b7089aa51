# SPDX-License-Identifier: GPL-2.0-only
"""The packages and the release archive, by the rules of those who distribute them."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/e2e"))

from lab import kernels  # noqa: E402  pylint: disable=wrong-import-position


# Files that name the version, beside hv_balloon.c.
VERSIONED = ("CHANGES", "dkms.conf", "debian/changelog", "packaging/rpm/hv_balloon-dkms.spec",
             "packaging/arch/PKGBUILD", "tools/hvballoon")


def run(*command, **options):
    """Run a command that must succeed; return all that it printed."""
    result = subprocess.run([str(word) for word in command], text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(name="clone")
def fixture_clone(tmp_path):
    """A clone of the last commit, in a folder of its own, that may be changed."""
    run("git", "clone", "-q", "--no-hardlinks", PROJECT, tmp_path / "clone")
    return tmp_path / "clone"


def test_every_file_says_its_licence():
    """The specification of REUSE."""
    run("reuse", "--root", PROJECT, "lint")


def test_files_agree_on_the_version(clone):
    """One that names another version is told, with what it says."""
    version = run("sh", clone / "packaging/version.sh").strip()
    for name in VERSIONED:
        path = clone / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(version, "9.8.7"), encoding="utf-8")
        result = subprocess.run(["sh", clone / "packaging/version.sh"], text=True, check=False,
                                stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        assert result.returncode == 1 and f"{name} says '9.8.7'" in result.stderr
        path.write_text(text, encoding="utf-8")


def test_archive_is_the_same_twice(clone, tmp_path):
    """From two clones, at two times; the checksum is right; all that is tracked is in it."""
    archives = []
    for source, target in ((PROJECT, tmp_path / "one"), (clone, tmp_path / "two")):
        archives.append(Path(run("sh", source / "packaging/dist.sh", target).splitlines()[-1]))
    run("sha256sum", "-c", archives[1].with_name(archives[1].name + ".sha256"),
        cwd=archives[1].parent)
    with tarfile.open(archives[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(run("git", "ls-files", cwd=clone).split()) <= names
    if not run("git", "-C", PROJECT, "status", "--porcelain", "-uno"):
        assert archives[0].read_bytes() == archives[1].read_bytes()


@pytest.mark.parametrize("version", kernels.VERSIONS)
def test_module_is_the_same_in_every_folder(clone, tmp_path, version):
    """Byte for byte, in two folders whose names differ in length.

    But for type information: pahole before 1.26 writes it in the order in which its threads end.
    """
    modules = []
    for folder in (clone, tmp_path / "a-folder-with-a-longer-name"):
        if folder != clone:
            shutil.copytree(clone, folder, symlinks=True)
        run("make", "-C", folder, f"KDIR={kernels.kernel(version).headers}", "modules")
        module = tmp_path / f"{folder.name}.ko"
        run("objcopy", "--remove-section=.BTF", folder / "hv_balloon.ko", module)
        modules.append(module.read_bytes())
        run("make", "-C", folder, f"KDIR={kernels.kernel(version).headers}", "clean")
    assert len(modules[0]) > 100000 and modules[0] == modules[1], "they differ"


def test_lintian(clone):
    """Neither an error nor a warning, in the sources and in the binary package."""
    run("make", "-C", clone, "deb")
    changes = next((clone / "build/deb").glob("*.changes"))
    root = ("--allow-root",) if os.getuid() == 0 else ()
    assert run("lintian", "--fail-on=error,warning", *root, changes) == ""


def test_rpmlint(clone, tmp_path):
    """The spec builds, and rpmlint has neither an error nor a warning for it and its packages."""
    (tmp_path / "SOURCES").mkdir()
    run("sh", clone / "packaging/dist.sh", tmp_path / "SOURCES")
    spec = clone / "packaging/rpm/hv_balloon-dkms.spec"
    run("rpmbuild", "-ba", "--define", f"_topdir {tmp_path}", spec)
    built = [*tmp_path.glob("SRPMS/*.rpm"), *tmp_path.glob("RPMS/*/*.rpm")]
    assert len(built) == 2
    output = run("rpmlint", "-r", clone / "packaging/rpm/rpmlintrc", spec, *built)
    assert " 0 errors, 0 warnings" in output, output
