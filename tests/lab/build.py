# SPDX-License-Identifier: GPL-2.0-only
"""Build the module under test and the guest programs, in the cache, one folder per kernel."""

import os
import subprocess
from pathlib import Path

from . import HV_BALLOON, PROJECT, LabError, cache, kernels, roots

PROGRAMS = Path(__file__).with_name("programs")
EXCLUDED = (".git", "tests")    # besides what git ignores: what was built in the tree stays there


def module(version: str, name: str = HV_BALLOON) -> Path:
    """Build the project's driver for a kernel, under one of its names, and return its path."""
    own = version if name == HV_BALLOON else f"{version}-{name}"
    folder = cache.root() / "build" / own
    with cache.lock(f"build-{own}"):
        copy_sources(folder)
        result = make(folder, kernels.kernel(version), f"-j{os.cpu_count()}", f"MODULE={name}",
                      "modules")
    if result.returncode:
        raise LabError(f"the module does not build:\n{result.stdout}")
    return folder / f"{name}.ko"


def intree_module(version: str) -> Path:
    """Return the distribution's own hv_balloon of a kernel."""
    return next(kernels.kernel(version).modules.glob("kernel/drivers/hv/hv_balloon.ko*"))


def program(name: str, folder: Path = PROGRAMS) -> Path:
    """Compile a guest program statically and return its path."""
    source = folder / f"{name}.c"
    binary = cache.root() / "build" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock(f"build-{name}"):
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                            "-o", binary, source], check=True)
    return binary


def stripped(module: Path, copy: Path) -> Path:
    """Make a copy of a module without what is for debuggers, nine parts of ten; return it."""
    subprocess.run(["strip", "--strip-debug", "-o", copy, module], check=True)
    return copy


def udev_rule() -> Path:
    """Return the project's udev rule, which onlines hot-added memory."""
    return PROJECT / "packaging/udev/60-hv-balloon.rules"


def takeover_rule() -> Path:
    """Return the rule that takes over a device that is offered again."""
    return PROJECT / "packaging/udev/61-hv-dynmem.rules"


def copy_sources(folder: Path, source: Path = PROJECT) -> None:
    """Make the folder one with sources, of the driver by default, and what was built of them."""
    folder.mkdir(parents=True, exist_ok=True)
    exclude = [f"--exclude={name}" for name in EXCLUDED]
    exclude.append(f"--exclude-from={PROJECT / '.gitignore'}")
    # A copy is newer than what was built of the file before, whatever the age of its source.
    subprocess.run(["rsync", "-a", "--no-times", "--checksum", "--delete", *exclude,
                    f"{source}/", f"{folder}/"], check=True)


def make(folder: Path, kernel: kernels.Kernel, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder of sources, with the tools of the kernel's release."""
    return subprocess.run(
        roots.command(kernel.debian, "make", "-C", folder, f"KDIR={kernel.headers}", *arguments),
        check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
