# SPDX-License-Identifier: GPL-2.0-only
"""What compat/probe.sh finds in a kernel, and what it must find in those of Debian."""

import re
import subprocess
from pathlib import Path

from . import PROJECT, LabError

PROBE = PROJECT / "compat/probe.sh"
PROBED = "-DHVB_PROBED"
OF_6_12 = frozenset({"VOID_REMOVE", "MEMMAP_WISH", "OFFLINE_HOTPLUG", "FREE_HIGHATOMIC"})
OF_7_3 = OF_6_12 | {"NR_BALLOON_PAGES", "CONFIG_BALLOON", "ACR_FLAGS", "HEAT_TYPE"}
# By the first two numbers of the release.
EXPECTED = {"6.1": frozenset(), "6.12": OF_6_12, "7.3": OF_7_3}


def of_tree(tree: Path) -> frozenset[str]:
    """Return the names of the features of a kernel's source or headers; LabError if unsure."""
    result = subprocess.run(["sh", PROBE, tree], check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode or PROBED not in result.stdout.split():
        raise LabError(result.stderr)
    return _names(result.stdout)


def of_build(folder: Path) -> frozenset[str]:
    """Return the names of the features that the driver in that folder was built with."""
    return _names((folder / ".hv_balloon_core.o.cmd").read_text(encoding="utf-8"))


def expected(release: str) -> frozenset[str] | None:
    """Return what a kernel of Debian must have; None if that is not known."""
    series = re.match(r"\d+\.\d+", release)
    return EXPECTED.get(series[0]) if series else None


def _names(text):
    return frozenset(re.findall(r"-DHVB_HAVE_(\w+)", text))
