# SPDX-License-Identifier: GPL-2.0-only
"""Debian kernels: images, modules, headers that build without installing, sources."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache, debugkernel, packages, roots

DEBUG = "debug"         # our own build of DEBUG_VERSION, with checkers
BUILT_IN = "built-in"   # our own build of that version, which has the in-tree driver built in
DEBUG_VERSION = "6.1"
OWN = {DEBUG: debugkernel.objects, BUILT_IN: debugkernel.built_in}
VERSIONS = tuple(name.removeprefix("kernel-") for name in packages.BUNDLES
                 if name.startswith("kernel-"))
# Those of "make matrix" besides: built with the tools of their release.
OTHERS = tuple(name.removeprefix("matrix-") for name in packages.BUNDLES
               if name.startswith("matrix-"))


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its release name and where its parts lie."""

    release: str
    image: Path
    modules: Path
    headers: Path
    debian: str = roots.HERE    # the release whose tools build for it


def kernel(version: str) -> Kernel:
    """Return the kernel of that version, ready to boot and build against.

    That is the stock kernel of one of VERSIONS or OTHERS, DEBUG or BUILT_IN.
    """
    if version in OWN:
        return _own(OWN[version])
    name = f"kernel-{version}" if version in VERSIONS else f"matrix-{version}"
    tree = packages.bundle(name)
    image, release = _image(tree)
    headers = tree / "usr/src" / f"linux-headers-{release}"
    _relocate(tree, headers)
    return Kernel(release, image, _modules(tree, release), headers,
                  packages.BUNDLES[name].release)


def source(version: str) -> Path:
    """Return the unpacked source of the stock kernel (for its scripts and tools)."""
    tree = packages.bundle(f"source-{version}")
    archive = next((tree / "usr/src").glob("linux-source-*.tar.xz"))
    return cache.folder_once(cache.root() / "sources" / version,
                             lambda folder: _unpack(archive, folder))


def _own(make):
    """Return a kernel of our own: make(version, source) builds it."""
    objects = make(DEBUG_VERSION, source(DEBUG_VERSION))
    release = (objects / "include/config/kernel.release").read_text(encoding="ascii").strip()
    return Kernel(release, objects / "arch/x86/boot/bzImage",
                  objects / "root/lib/modules" / release, objects)


def _unpack(archive, folder):
    cache.say(f"unpacking {archive.name}")
    subprocess.run(["tar", "-xJf", archive, "-C", folder, "--strip-components=1"], check=True)


def _image(tree):
    """Return the bootable image of an unpacked kernel and its release name."""
    for image in tree.glob("boot/vmlinuz-*"):
        return image, image.name.removeprefix("vmlinuz-")
    # From 7.3 on it lies with its modules.
    image = next(tree.glob("usr/lib/modules/*/vmlinuz"))
    return image, image.parent.name


def _modules(tree, release):
    usual = tree / "lib/modules" / release
    return usual if usual.is_dir() else tree / "usr/lib/modules" / release


def _relocate(tree, headers):
    """Make the headers find their parts here: the package names them as /usr/src/...

    A cache that was copied or moved names where it was before.
    """
    makefile = headers / "Makefile"
    text = makefile.read_text(encoding="utf-8")
    here = re.sub(r"^(include |KBUILD_OUTPUT=)\S*/usr/src/", rf"\1{tree}/usr/src/", text,
                  flags=re.MULTILINE)
    if here != text:
        # At once: another run may read it.
        partial = makefile.with_name(f"{makefile.name}.{os.getpid()}")
        partial.write_text(here, encoding="utf-8")
        partial.rename(makefile)
