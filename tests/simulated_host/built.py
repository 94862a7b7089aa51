# SPDX-License-Identifier: GPL-2.0-only
"""What a guest of the simulated host boots: the driver and what plays the host, built once a run.

What is built stays in the cache, a folder for each kernel, which runs at the same time share: one
builds while the others wait, and each takes copies before it lets go.
"""

import atexit
import functools
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from lab import HV_BALLOON, PROJECT, LabError, cache, kernels
from lab.build import copy_sources, intree_module, stripped
from mutants import faults, guest_files

HERE = Path(__file__).resolve().parent
MODULE = HERE / "module"    # what plays the host in the guest
EXAMPLES = PROJECT / "packaging/examples"
STAGES = ("atomic", "lock", "ref", "slab")  # sim_NAME.ko makes a rare state of the guest
IN_TREE = "in-tree"

# What follows a module that is signed: the signature, its header with the length, these words.
SIGNED = b"~Module signature appended~\n"
SIGNATURE_HEADER, SIGNATURE_LENGTH = 12, 4     # bytes; the length is the last of the header


@functools.cache
def driver(version: str, module: str = HV_BALLOON, mutant: str = "") -> Path:
    """Return the driver, under one of its names, built against the symbols of the simulated host,
    which also takes its hypercalls; with a bug planted, if one is named.

    On a kernel that counts how often each line is run (gcov) that is done for the driver.
    """
    folder = sources_folder(version, module, mutant)
    with _building(version):
        symbols = _built_host(version) / "Module.symvers"
        copy_sources(folder)
        for name in ("hypercall.c", "hvb_sim.h"):
            shutil.copy2(MODULE / name, folder)
        if mutant:
            faults.plant(guest_files.named(mutant), folder)
        _make(folder, version, f"KBUILD_EXTRA_SYMBOLS={symbols}", "GCOV_PROFILE=y",
              f"MODULE={module}")
        return _kept(folder / f"{module}.ko")


@functools.cache
def host(version: str) -> dict[str, Path]:
    """Return what plays the host, what stages rare states of the guest, the relay, and the
    example, built; and the driver of the kernel."""
    with _building(version):
        folder = _built_host(version)
        programs = {"relay": HERE / "relay.c", "example": EXAMPLES / "memory-events.c"}
        return {"sim": _kept(folder / "hvb_sim.ko"),
                **{name: _kept(folder / f"sim_{name}.ko") for name in STAGES},
                **{name: _program(source) for name, source in programs.items()},
                IN_TREE: _unsigned(intree_module(version)),
                "example-rule": EXAMPLES / "61-memory-events.rules"}


def sources_folder(version: str, module: str, mutant: str = "") -> Path:
    """Return the folder in which the driver is built for a kernel, under one of its names."""
    name = "driver" if module == HV_BALLOON else module
    return _folder(version) / (f"mutant-{name}" if mutant else name)


def _folder(version):
    return cache.root() / "build" / f"{version}-sim"


def _building(version):
    """While the block runs, no other run builds for that kernel."""
    return cache.lock(f"build-{version}-sim")


@functools.cache
def _built_host(version):
    folder = _folder(version) / "sim"
    copy_sources(folder, MODULE)
    _make(folder, version)
    return folder


def _make(folder, version, *arguments):
    """Build the modules in a folder; LabError if they do not build."""
    result = subprocess.run(["make", "-C", kernels.kernel(version).headers, f"M={folder}",
                             f"-j{os.cpu_count()}", "modules", *arguments], text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"the module does not build:\n{result.stdout}")


@functools.cache
def _own_folder():
    """Return a folder of this run."""
    runs = cache.root() / "run"
    runs.mkdir(parents=True, exist_ok=True)
    # Removed by the next run if this one is killed: see carrier.py, which knows it by its number.
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-built-", dir=runs))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _place(name):
    """Return a path for a file, which keeps its name, in a folder of this run."""
    return Path(tempfile.mkdtemp(dir=_own_folder())) / name


def _kept(module):
    """Return a copy, which later builds do not change."""
    return stripped(module, _place(module.name))


def _program(source):
    """Compile a program for guests."""
    binary = _place(source.stem)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", binary, source],
                   check=True)
    return binary


def _unsigned(module):
    """Return a copy of a module without its signature, which does not hold once insmod -f has
    changed it."""
    data = module.read_bytes()
    if module.suffix == ".xz":
        data = lzma.decompress(data)
    if data.endswith(SIGNED):
        end = len(data) - len(SIGNED)
        length, = struct.unpack_from(">I", data, end - SIGNATURE_LENGTH)
        data = data[:end - SIGNATURE_HEADER - length]
    copy = _place(f"{HV_BALLOON}.ko")
    copy.write_bytes(data)
    return copy
