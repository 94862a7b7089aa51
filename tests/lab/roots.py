# SPDX-License-Identifier: GPL-2.0-only
"""Root file systems of Debian releases, such as those with the tools that build for their kernels.

Headers of other releases bring programs that need a newer C library than this machine has. Making
and entering a root needs the rights of root.
"""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import LabError, cache, packages

HERE = "bookworm"  # the release that the lab runs on, whose kernels need no other tools
DESCRIPTIONS = {"bookworm": "12", "trixie": "13"}
TOOLS = ("gcc", "libc6-dev", "make", "kmod", "perl", "libelf1t64", "pahole", "clang", "lld",
         "llvm")
# Folders that are named have the same path inside. objtool reads /proc.
ENTER = """set -e
root=$1
shift
while [ "$1" != -- ]; do
	mkdir -p "$root$1"
	mount --rbind "$1" "$root$1"
	shift
done
shift
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


def command(release: str, *words: str | Path) -> list[str | Path]:
    """Return the command line that runs `words` with the tools of that release."""
    if release == HERE:
        return [*words]
    return enter(root(release, release, TOOLS), *words, shared=(cache.root(),))


def enter(folder: Path, *words: str | Path,
          shared: Iterable[str | Path] = ()) -> list[str | Path]:
    """Return the command line that runs `words` in a root, which sees these folders of ours."""
    return ["unshare", "--mount", "sh", "-c", ENTER, "sh", folder, *shared, "--",
            "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", *words]


def root(name: str, release: str, include: Iterable[str]) -> Path:
    """Return the root of that name, a small system of that release with the packages of a list."""
    return cache.folder_once(cache.root() / "roots" / name,
                             lambda folder: _fill(release, include, folder),
                             lambda folder: _has_all(folder, include))


def _has_all(folder, include):
    """Tell whether each package of a list is in a root."""
    return all(any(folder.glob(f"var/lib/dpkg/info/{name}[.:]*list")) for name in include)


def _fill(release, include, folder):
    if os.getuid():
        raise LabError(f"a root file system of Debian {release} needs the rights of root")
    cache.say(f"making a root file system of Debian {release}, some minutes")
    result = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(include)}",
         "--format=directory", release, folder, "-"], input=packages.sources(release), text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"mmdebstrap failed:\n{result.stdout[-2000:]}")
