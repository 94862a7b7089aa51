# SPDX-License-Identifier: GPL-2.0-only
"""The driver's files in sysfs."""

from typing import Any

from .simulator import Simulator

FILES = "/sys/bus/vmbus/devices/dynamic-memory/dynamic_memory"


def figures(guest: Simulator) -> dict[str, Any]:
    """Return what all files say, numbers as int; each has one line."""
    lines = guest.run(f"cd {FILES} && grep '' *").splitlines()
    pairs = [line.split(":", 1) for line in lines]
    found = {name: int(value) if value.isdigit() else value for name, value in pairs}
    assert len(found) == len(pairs), "a file with more than one line"
    return found
