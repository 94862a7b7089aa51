# SPDX-License-Identifier: GPL-2.0-only
"""What all cases of packages share."""

import subprocess
from typing import Any

# Files that name the version, beside hv_balloon.c.
VERSIONED = ("CHANGES", "dkms.conf", "debian/changelog", "packaging/rpm/hv_balloon-dkms.spec",
             "packaging/arch/PKGBUILD", "tools/hvballoon")
OLDER = "0.0.9"  # the version that is upgraded


def run(*command: Any, **options: Any) -> str:
    """Run a command that must succeed; return all that it printed."""
    result = subprocess.run([str(word) for word in command], text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert result.returncode == 0, result.stdout
    return result.stdout
