# SPDX-License-Identifier: GPL-2.0-only
"""Figures of a guest's memory, in pages unless said."""

import contextlib
from collections.abc import Iterable, Iterator

from lab.memory import MIB

from .simulator import Simulator


def meminfo(guest: Simulator, name: str) -> int:
    """Return a figure of /proc/meminfo in pages; 0 where the kernel has none."""
    program = f"/^{name}:/ {{ kib = $2 }} END {{ print kib + 0 }}"
    return int(guest.run(f"awk '{program}' /proc/meminfo")) // 4


def available(guest: Simulator) -> int:
    """Return the pages that could be used without swapping."""
    return meminfo(guest, "MemAvailable")


def kernel_zones(guest: Simulator, name: str) -> int:
    """Return a figure of /proc/zoneinfo, such as free or min, of all zones but ZONE_MOVABLE."""
    program = (f'/^Node/ {{ kernel = $4 != "Movable" }} kernel && $(NF - 1) == "{name}"'
               " && NF <= 3 { pages += $NF } END { print pages + 0 }")
    return int(guest.run(f"awk '{program}' /proc/zoneinfo"))


def floor(guest: Simulator) -> int:
    """Return the pages that the driver leaves."""
    return guest.floor()


def spare(guest: Simulator) -> int:
    """Return the pages that the guest has above its floor, in MiB."""
    return (available(guest) - floor(guest)) // MIB


def pages_in_blocks(guest: Simulator, least: int = 3, besides: Iterable[str] = ()) -> int:
    """Return the free pages in blocks of that order or more; `besides`: zones that do not count."""
    lines = [line.split() for line in guest.run("cat /proc/buddyinfo").splitlines()]
    return sum(int(count) << order for line in lines if line[3] not in besides
               for order, count in enumerate(line[4:]) if order >= least)


def node_figure(guest: Simulator, name: str, nodes: Iterable[int] = (0, 1)) -> list[int]:
    """Return a figure of /sys/devices/system/node/nodeN/meminfo of each node, in pages."""
    return [int(guest.run(f"grep '{name}:' /sys/devices/system/node/node{node}/meminfo").split()[3])
            // 4 for node in nodes]


# The free pages in blocks of two or more, without those of ZONE_DMA, all the time. Without a
# process of its own for each look: a fork wants such a block itself.
SAMPLER = """
while [ ! -e /tmp/enough ]; do
    pages=0
    while read -r _ _ _ zone _ b1 b2 b3 b4 b5 b6 b7 b8 b9 b10; do
        [ $zone = DMA ] || pages=$((pages + 2 * b1 + 4 * b2 + 8 * b3 + 16 * b4 + 32 * b5 + 64 * b6
            + 128 * b7 + 256 * b8 + 512 * b9 + 1024 * b10))
    done </proc/buddyinfo
    echo $pages
done >/tmp/blocks
"""


@contextlib.contextmanager
def blocks_sampled(guest: Simulator) -> Iterator[list[int]]:
    """Yield a list, which afterwards has the free pages in blocks as they were all the time."""
    samples: list[int] = []
    guest.run(f"rm -f /tmp/enough /tmp/blocks; cat >/tmp/sampler <<'END'\n{SAMPLER}END\n"
              "sh /tmp/sampler & echo $! >/tmp/sampler.pid;"
              " until [ -s /tmp/blocks ]; do sleep 0.1; done")
    yield samples
    guest.run("touch /tmp/enough; while kill -0 $(cat /tmp/sampler.pid) 2>/dev/null; do"
              " sleep 0.1; done")
    samples += [int(line) for line in guest.run("cat /tmp/blocks").split()]
