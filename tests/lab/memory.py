# SPDX-License-Identifier: GPL-2.0-only
"""Figures of a machine's memory; a machine is whatever has run(command, limit)."""

from .guest import Guest

MIB = 256   # pages
KIB = 4     # of a page

DROP_CACHES = "sync; echo 3 >/proc/sys/vm/drop_caches"
FREE_PAGES = ("awk '/^ +pages free/ { pages += $3 } / count:/ { pages += $2 }"
              " END { print pages }' /proc/zoneinfo")


def meminfo(machine: Guest) -> dict[str, int]:
    """Return /proc/meminfo as a dictionary, in KiB."""
    lines = machine.run("cat /proc/meminfo").splitlines()
    return {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}


def vmstat(machine: Guest) -> dict[str, int]:
    """Return /proc/vmstat as a dictionary."""
    lines = machine.run("cat /proc/vmstat").splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def oom_kills(machine: Guest) -> int:
    """Return how many programs the kernel has killed for want of memory."""
    return vmstat(machine)["oom_kill"]


def free_pages(machine: Guest) -> int:
    """Return the free memory without what caches hold, in pages.

    MemFree leaves out the free pages that each processor keeps at hand (17 MiB after the boot of
    a 4 GiB guest), so they are added. Both come from one file: the kernel moves them at any time.
    """
    return int(machine.run(f"{DROP_CACHES}; {FREE_PAGES}", limit=120))
