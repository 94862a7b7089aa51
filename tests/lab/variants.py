# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that the lab builds the driver for but cannot boot: other compilers, other processors,
other configurations.

They are built from the stock source, with little in them, once, in the cache: their symbols are
what the driver is linked against.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from . import cache, debugkernel, kernels

MINIMAL = Path(__file__).with_name("minimal.config")
VERSION = "6.1"
WANTED = "wanted.config"
ARM64 = ("ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-")
X86 = "CONFIG_64BIT=y\nCONFIG_HYPERVISOR_GUEST=y\n"


@dataclass(frozen=True)
class Variant:
    """How a kernel, and a module for it, is built."""

    description: str
    config: str         # beside minimal.config
    arguments: tuple    # of make
    without: tuple = ()     # lines of minimal.config that do not hold


VARIANTS = {
    "clang": Variant("x86-64, clang", X86, ("LLVM=1",)),
    "arm64": Variant("arm64, pages of 4 KiB", "", ARM64),
    "arm64-64k": Variant("arm64, pages of 64 KiB", "CONFIG_ARM64_64K_PAGES=y\n", ARM64),
    "no-hotplug": Variant("x86-64, memory hotplug left out", X86, (),
                          ("CONFIG_MEMORY_HOTPLUG=y\n",)),
}


def kernel(name: str) -> kernels.Kernel:
    """Return that variant's Kernel, which the lab cannot boot."""
    variant = VARIANTS[name]
    wanted = _wanted(variant)
    objects = cache.folder_once(cache.root() / "build" / f"variant-{VERSION}-{name}",
                                lambda folder: _build(variant, wanted, folder),
                                lambda folder: _is_of(folder, wanted))
    release = (objects / "include/config/kernel.release").read_text(encoding="ascii").strip()
    return kernels.Kernel(release, objects / "vmlinux", objects, objects)


def _wanted(variant):
    """Return the configuration of that variant's kernel."""
    lines = MINIMAL.read_text(encoding="ascii").splitlines(keepends=True)
    return "".join(line for line in lines if line not in variant.without) + variant.config


def _is_of(folder, wanted):
    """Tell whether the kernel in a folder was built with that configuration."""
    path = folder / WANTED
    return path.exists() and path.read_text(encoding="ascii") == wanted


def _build(variant, wanted, folder):
    cache.say(f"building a kernel ({variant.description}), some twenty minutes; it is kept")
    source, config = kernels.source(VERSION), folder / WANTED
    config.write_text(wanted, encoding="ascii")
    debugkernel.configure(source, folder, config, *variant.arguments)
    debugkernel.make(source, folder, *variant.arguments, f"-j{os.cpu_count()}", "vmlinux",
                     "modules")
