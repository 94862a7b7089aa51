# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of our own, built from the stock source in the cache: one with all checkers on, see
debug.config, and one that has the driver built in, see builtin.config.

They are built again when configuration, source or compiler changes.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import LabError, cache, packages

CONFIG = Path(__file__).with_name("debug.config")
BUILT_IN = Path(__file__).with_name("builtin.config")
WANTED = "wanted.config"
CHECKERS = "# The checkers.\n"    # from there on debug.config is not about machine and user space
NAME = re.compile(r"^(CONFIG_\w+)=", re.MULTILINE)


def objects(version: str, source: Path) -> Path:
    """Return the folder with the kernel with checkers, of that version's unpacked source."""
    return _objects("debug", CONFIG.read_text(encoding="ascii"), version, source)


def built_in(version: str, source: Path) -> Path:
    """Return the folder with the kernel that has the driver built in, and its key."""
    own = BUILT_IN.read_text(encoding="ascii")
    machine = CONFIG.read_text(encoding="ascii").partition(CHECKERS)[0]
    names = set(NAME.findall(own))
    lines = (line for line in machine.splitlines(keepends=True)
             if line.partition("=")[0] not in names)
    return _objects("built-in", "".join(lines) + own, version, source)


def _objects(kind, config, version, source):
    name = f"{kind}-{version}-"
    folder = cache.root() / "build" / (name + _digest(config, version))
    for old in set(folder.parent.glob(name + "*")) - {folder}:
        shutil.rmtree(old)
    return cache.folder_once(folder, lambda partial: _build(kind, config, source, partial))


def _digest(config, version):
    compiler = subprocess.run(["gcc", "--version"], check=True, stdout=subprocess.PIPE).stdout
    listing = (packages.bundle(f"source-{version}") / "PACKAGES").read_bytes()
    return hashlib.sha256(config.encode("ascii") + listing + compiler).hexdigest()[:12]


def _build(kind, config, source, folder):
    cache.say(f"building the {kind} kernel, which takes some ten minutes; it is kept in the cache")
    wanted = folder / WANTED
    wanted.write_text(config, encoding="ascii")
    configure(source, folder, wanted)
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
