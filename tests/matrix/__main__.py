# SPDX-License-Identifier: GPL-2.0-only
"""Build the driver for each kernel, boot each with it, and print a table for the README.

Builds link against the symbols of the stock kernel, without a warning. "works" is the scenario
of a 1 GiB guest on QEMU's Dynamic Memory host: 700, 1024, 1536, 1024 MiB. What was not run says
so. Needs the rights of root where the compilers of another Debian release are needed.

For other processors, compilers and configurations a small kernel is built first, to link against,
once, in some twenty minutes each; nothing boots there.

What compat/probe.sh has found in each kernel is listed too, and must be what the kernel is known to
have.
"""

import argparse
import os
import re
import subprocess
import sys
import time

from lab import PROJECT, LabError, build, cache, features, kernels, variants
from lab.roots import DESCRIPTIONS

RESULTS = PROJECT / "build/results/matrix"
NOT_RUN = "not run"
FAILED = "**no**"
HEADING = ("kernel", "of Debian", "builds without a warning", "works on QEMU's host")
VARIANTS_HEADING = ("kernel", "for", "builds without a warning")
FEATURES_HEADING = ("kernel", "features that were found")


def parse_arguments():
    """Return the parsed command line."""
    parser = argparse.ArgumentParser("matrix", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (*kernels.VERSIONS, *kernels.OTHERS, *variants.VARIANTS)
    parser.add_argument("--kernel", action="append", choices=names,
                        help="only this kernel; may be given more than once")
    parser.add_argument("--no-boot", action="store_true", help="build only")
    options = parser.parse_args()
    options.kernel = options.kernel or names
    return options


def build_folder(version):
    """Return where the driver is built for a kernel."""
    return cache.root() / "build" / f"matrix-{version}"


def built(version, kernel, *arguments):
    """Build for a kernel; return the cell of the table."""
    folder = build_folder(version)
    with cache.lock(folder.name):
        build.copy_sources(folder)
        build.make(folder, kernel, *arguments, "clean")
        result = build.make(folder, kernel, *arguments, "W=1", f"-j{os.cpu_count()}", "modules")
    (RESULTS / f"{version}-build.log").write_text(result.stdout, encoding="utf-8")
    if result.returncode:
        return FAILED
    warnings = re.findall(r"\bwarning\b", result.stdout, re.IGNORECASE)
    return f"**{len(warnings)} warnings**" if warnings else "yes"


def works(version):
    """Run the scenario on a kernel; return the cell of the table."""
    started = time.monotonic()
    log = RESULTS / f"{version}-scenario.log"
    with open(log, "wb") as output:
        status = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short",
             "-s", "tests/real_host", "-k", "one_gib", f"--kernel={version}", f"--logs={RESULTS}"],
            cwd=PROJECT, check=False, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT).returncode
    return f"yes, {time.monotonic() - started:.0f} s" if status == 0 else FAILED


def features_row(version, release):
    """Return the kernel and the cell with its features."""
    found, expected = features.of_build(build_folder(version)), features.expected(release)
    text = ", ".join(sorted(found)) or "none"
    if expected is None:
        text += " (not known which it has)"
    elif found != expected:
        text = f"**{text}; expected: {', '.join(sorted(expected)) or 'none'}**"
    return f"{release} ({version})", text


def row(version, boot):
    """Return the cells of a kernel."""
    kernel = kernels.kernel(version)
    build_cell = built(version, kernel)
    boot_cell = works(version) if boot and build_cell == "yes" else NOT_RUN
    cells = (kernel.release, DESCRIPTIONS[kernel.debian], build_cell, boot_cell)
    cache.say(" | ".join(cells))
    return cells


def variant_row(name):
    """Return the cells of a variant."""
    variant, kernel = variants.VARIANTS[name], variants.kernel(name)
    cells = (kernel.release, variant.description, built(name, kernel, *variant.arguments))
    cache.say(" | ".join(cells))
    return cells


def table(heading, rows):
    """Return the lines of a table; of one without rows none."""
    lines = [heading, ("---",) * len(heading), *rows] if rows else []
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main():
    """Fill the table, row by row; return the exit status."""
    options = parse_arguments()
    RESULTS.mkdir(parents=True, exist_ok=True)
    # The options of the make that called us are not for the builds.
    os.environ.pop("MAKEFLAGS", None)
    stock = [name for name in options.kernel if name not in variants.VARIANTS]
    rows = [row(version, not options.no_boot) for version in stock]
    names = [name for name in options.kernel if name in variants.VARIANTS]
    others = [variant_row(name) for name in names]
    found = [features_row(name, cells[0]) for name, cells in zip(stock + names, rows + others)
             if cells[2] != FAILED]
    text = "\n".join(filter(None, (
        table(HEADING, rows), table(VARIANTS_HEADING, others), table(FEATURES_HEADING, found))))
    (RESULTS / "table.md").write_text(text, encoding="ascii")
    print(text, end="")
    return 1 if "**" in text else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"matrix: {error}")
