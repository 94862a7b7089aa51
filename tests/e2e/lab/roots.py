# SPDX-License-Identifier: GPL-2.0-only
"""Root file systems of other Debian releases, with the tools that build for their kernels.

Their headers bring programs that need a newer C library than this machine has. Making and
entering such a root needs the rights of root; nothing runs in it but compilers.
"""

import os
import subprocess

from . import LabError, cache, packages

HERE = "bookworm"  # the release that the lab runs on, whose kernels need no other tools
DESCRIPTIONS = {"bookworm": "12", "trixie": "13"}
TOOLS = ("gcc", "libc6-dev", "make", "kmod", "perl", "libelf1t64", "pahole", "clang", "lld",
         "llvm")
# The cache has the same path inside. objtool reads /proc.
ENTER = """set -e
mkdir -p "$1$2"
mount --rbind "$2" "$1$2"
mount -t proc proc "$1/proc"
root=$1
shift 2
exec chroot "$root" "$@"
"""


def command(release, *words):
    """Return the command line that runs `words` with the tools of that release."""
    if release == HERE:
        return [*words]
    return ["unshare", "--mount", "sh", "-c", ENTER, "sh", _root(release), cache.root(),
            "env", "LC_ALL=C", *words]


def _root(release):
    return cache.folder_once(cache.root() / "roots" / release,
                             lambda folder: _fill(release, folder))


def _fill(release, folder):
    if os.getuid():
        raise LabError(f"building for kernels of Debian {release} needs the rights of root")
    cache.say(f"making a root file system with the compilers of Debian {release}, some minutes")
    result = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(TOOLS)}",
         "--format=directory", release, folder, "-"], input=packages.sources(release), text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"mmdebstrap failed:\n{result.stdout[-2000:]}")
