# SPDX-License-Identifier: GPL-2.0-only
"""The packages and the release archive, by the rules of those who distribute them."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from lab import PROJECT, kernels
from lab import packages as bundles

from .commands import VERSIONED, run


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


KERNEL = "6.12.0-1.x86_64"
# A DKMS that keeps in its folder what it was told to add and to build, and notes each call.
DKMS = """#!/bin/sh
echo "dkms $*" >>/calls
tree=/var/lib/dkms/hv_balloon/0.1.0
case $1 in
add) [ ! -e $tree ] || exit 3; mkdir -p $tree ;;
remove) rm -r $tree ;;
install) [ -d $tree ] || exit 4; cat /usr/src/hv_balloon-0.1.0/RELEASE >$tree/built ;;
status) [ ! -d $tree ] || echo hv_balloon/0.1.0: added ;;
esac
""".replace("0.1.0", "VERSION")


def _rpms(clone, topdir, release):
    """Build the packages with that number of release, which their sources tell."""
    spec = clone / "packaging/rpm/hv_balloon-dkms.spec"
    text = spec.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^Release:.*", f"Release: {release}", text)
    sources = "make install-source SOURCE=$src\n"
    assert sources in text
    text = text.replace(sources, f"{sources}echo {release} >$src/RELEASE\n")
    changed = topdir / "changed.spec"
    changed.write_text(text, encoding="utf-8")
    run("rpmbuild", "-bb", "--define", f"_topdir {topdir}", changed)
    return sorted(topdir.glob(f"RPMS/*/*-{release}.*.rpm"))


@pytest.mark.skipif(os.getuid() != 0, reason="rpm enters a folder as its root: only root may")
def test_rpm_scriptlets(clone, tmp_path):
    """Installed, upgraded to another release of the same version, removed, in a root of its own."""
    version = run("sh", clone / "packaging/version.sh").strip()
    (tmp_path / "SOURCES").mkdir()
    run("sh", clone / "packaging/dist.sh", tmp_path / "SOURCES")
    root = tmp_path / "root"
    for folder in ("bin", "dev", "usr/sbin", f"lib/modules/{KERNEL}/kernel",
                   f"lib/modules/{KERNEL}/build/include"):
        (root / folder).mkdir(parents=True)
    (root / "lib/modules/6.13.0-1.x86_64/kernel").mkdir(parents=True)
    (root / "dev/null").touch()
    busybox = shutil.copy(bundles.bundle("guest") / "bin/busybox", root / "bin")
    for name in run(busybox, "--list").split():
        if name not in ("busybox", "dpkg", "rpm"):
            (root / "bin" / name).symlink_to("busybox")
    (root / "usr/sbin/dkms").write_text(DKMS.replace("VERSION", version), encoding="utf-8")
    (root / "usr/sbin/dkms").chmod(0o755)
    built = root / f"var/lib/dkms/hv_balloon/{version}/built"

    def rpm(action, *words):
        (root / "calls").write_text("")
        text = run("rpm", "--root", root, "--nodeps", "--nosignature", action, *words)
        assert "scriptlet failed" not in text, text
        return text, (root / "calls").read_text().splitlines()

    text, calls = rpm("-i", *_rpms(clone, tmp_path, 1))
    assert built.exists(), (text, calls)
    assert built.read_text().strip() == "1"
    assert "NOT built for kernel 6.13.0-1.x86_64, whose headers are missing: " in text
    assert (root / "usr/bin/hvballoon").exists()
    _, calls = rpm("-U", *_rpms(clone, tmp_path, 2))
    assert built.read_text().strip() == "2", calls
    _, calls = rpm("-e", "hv_balloon-dkms")
    assert not built.parent.exists(), calls
    assert (root / "usr/bin/hvballoon").exists()


def test_makepkg(clone, tmp_path):
    """The PKGBUILD makes both packages for Arch, and the sources in one are those that DKMS needs."""
    nobody = 65534
    place = Path(tempfile.mkdtemp(prefix="makepkg-"))  # that of pytest is for its owner only
    try:
        shutil.copy(clone / "packaging/arch/PKGBUILD", place)
        run("sh", clone / "packaging/dist.sh", place)
        options = {}
        if os.getuid() == 0:  # which makepkg refuses
            for path in (place, *place.iterdir()):
                os.chown(path, nobody, nobody)
            options = {"user": nobody, "group": nobody}
        # It asks for pacman only to have asked.
        environment = {**os.environ, "HOME": str(place), "PACMAN": "true"}
        run("makepkg", "--nodeps", cwd=place, env=environment, **options)
        names = {}
        for package in place.glob("*.pkg.tar.*"):
            shutil.unpack_archive(package, tmp_path / "root")
            with tarfile.open(package) as archive:
                names[package.name.rsplit("-", 3)[0]] = set(archive.getnames())
    finally:
        shutil.rmtree(place)
    assert set(names) == {"hv-balloon-dkms", "hvballoon"}
    assert {"usr/bin/hvballoon", "usr/lib/udev/rules.d/60-hv-balloon.rules"} <= names["hvballoon"]
    sources = next((tmp_path / "root/usr/src").glob("hv_balloon-*"))
    for name in ("Kbuild", "dkms.conf", "hv_balloon.c", "compat/probe.sh"):
        assert (sources / name).read_bytes() == (clone / name).read_bytes()


def test_rpmlint(clone, tmp_path):
    """The spec builds, and rpmlint has neither an error nor a warning for it and its packages."""
    (tmp_path / "SOURCES").mkdir()
    run("sh", clone / "packaging/dist.sh", tmp_path / "SOURCES")
    spec = clone / "packaging/rpm/hv_balloon-dkms.spec"
    run("rpmbuild", "-ba", "--define", f"_topdir {tmp_path}", spec)
    built = [*tmp_path.glob("SRPMS/*.rpm"), *tmp_path.glob("RPMS/*/*.rpm")]
    assert len(built) == 3
    output = run("rpmlint", "-r", clone / "packaging/rpm/rpmlintrc", spec, *built)
    assert " 0 errors, 0 warnings" in output, output
