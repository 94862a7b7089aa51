# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with all checkers on, built from the stock source in the cache; see debug.config.

It is built again when its configuration, its source or the compiler changes.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from . import LabError, cache, packages

CONFIG = Path(__file__).with_name("debug.config")


def objects(version: str, source: Path) -> Path:
    """Return the folder with the built kernel of that version's unpacked source."""
    name = f"debug-{version}-"
    folder = cache.root() / "build" / (name + _digest(version))
    for old in set(folder.parent.glob(name + "*")) - {folder}:
        shutil.rmtree(old)
    return cache.folder_once(folder, lambda partial: _build(source, partial))


def _digest(version):
    compiler = subprocess.run(["gcc", "--version"], check=True, stdout=subprocess.PIPE).stdout
    listing = (packages.bundle(f"source-{version}") / "PACKAGES").read_bytes()
    return hashlib.sha256(CONFIG.read_bytes() + listing + compiler).hexdigest()[:12]


def _build(source, folder):
    cache.say("building the debug kernel, which takes some ten minutes; it is kept in the cache")
    configure(source, folder, CONFIG)
    make(source, folder, f"-j{os.cpu_count()}", "bzImage", "modules")
    make(source, folder, f"INSTALL_MOD_PATH={folder}/root", "DEPMOD=true", "modules_install")
    for path in folder.glob("**/*.o"):
        # What links modules and checks them stays.
        if not {"scripts", "tools"} & set(path.relative_to(folder).parts):
            path.unlink()


def configure(source: Path, folder: Path, wanted: Path, *arguments: str) -> None:
    """Make a kernel's configuration from the file `wanted`, with all else off.

    Kconfig drops what it does not know or cannot have; a checker must not vanish like that.
    """
    make(source, folder, f"KCONFIG_ALLCONFIG={wanted}", *arguments, "allnoconfig")
    lines = {line for line in wanted.read_text(encoding="ascii").splitlines()
             if line.startswith("CONFIG_")}
    lost = lines - set((folder / ".config").read_text(encoding="utf-8").splitlines())
    if lost:
        raise LabError(f"this kernel does not take from {wanted}: " + ", ".join(sorted(lost)))


def make(source: Path, folder: Path, *arguments: str) -> None:
    """Run make for a kernel whose objects are in `folder`."""
    result = subprocess.run(["make", "-C", source, f"O={folder}", *arguments], check=False,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError("the kernel does not build:\n"
                       + "\n".join(result.stdout.splitlines()[-30:]))
