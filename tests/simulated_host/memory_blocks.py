# SPDX-License-Identifier: GPL-2.0-only
"""Memory blocks: those that a guest can be given, and those that it has."""

import contextlib
from collections.abc import Iterator

from lab.memory import MIB

from .machine import GUEST_MIB, HIGH_MIB, MACHINE_MIB
from .simulator import CONTROL, Simulator

BLOCK = 128 * MIB
# First page frames of the memory blocks that can be added. The one below HIGH_MIB that is left
# out has tables of the firmware at its end.
BLOCKS = (*range(GUEST_MIB * MIB, MACHINE_MIB // 2 * MIB - BLOCK, BLOCK),
          *range(HIGH_MIB * MIB, (HIGH_MIB + MACHINE_MIB // 2) * MIB, BLOCK))
PAGE = 4096     # bytes
BLOCKS_FOLDER = "/sys/devices/system/memory"
AUTOMATIC = f"{BLOCKS_FOLDER}/auto_online_blocks"


class NewBlocks:
    """First page frames of the memory blocks that a guest does not have yet, in their order."""

    def __init__(self) -> None:
        self._left = list(BLOCKS)

    def __len__(self):
        return len(self._left)

    def __next__(self):
        return self.row(1)

    def row(self, count: int) -> int:
        """Return the first of so many blocks in a row; what lies below them is not used any more.

        There are holes in the machine's memory: two blocks that follow each other may be far apart.
        """
        while self._left[count - 1] != self._left[0] + (count - 1) * BLOCK:
            del self._left[0]
        first = self._left[0]
        del self._left[:count]
        return first


def folder_of(block: int) -> str:
    """Return the folder of a memory block in sysfs."""
    return f"{BLOCKS_FOLDER}/memory{block // BLOCK}"


def is_online(guest: Simulator, block: int) -> bool:
    """Tell whether a memory block is online."""
    return guest.run(f"cat {folder_of(block)}/state").strip() == "online"


def change(guest: Simulator, block: int, state: str) -> None:
    """Let a block go online or offline."""
    guest.run(f"echo {state} >{folder_of(block)}/state", limit=60)


def add_foreign(guest: Simulator, block: int) -> None:
    """Let a driver of another kind of memory add a block."""
    guest.run(f"echo {block * PAGE} >{CONTROL.replace('control', 'foreign_add')}")


def remove_foreign(guest: Simulator, block: int) -> None:
    """Let that driver remove a block, which is offline."""
    guest.run(f"echo {block * PAGE} >{CONTROL.replace('control', 'foreign_remove')}")


@contextlib.contextmanager
def onlined(guest: Simulator, how: str) -> Iterator[None]:
    """Let the kernel online what is added in that way, "offline" for not at all."""
    guest.run(f"echo {how} >{AUTOMATIC}")
    try:
        yield
    finally:
        guest.run(f"echo online >{AUTOMATIC}")


@contextlib.contextmanager
def coming_online(guest: Simulator, offer: bytes) -> Iterator[None]:
    """The host makes that offer; its first block is on its way online until the end of the block.
    """
    guest.run(f"echo hold-online >{CONTROL}")
    try:
        guest.host.send(offer)
        _wait_held(guest, "online")
        yield
    finally:
        guest.run(f"echo let-online >{CONTROL}")


@contextlib.contextmanager
def going_offline(guest: Simulator, block: int, end: str) -> Iterator[None]:
    """Let the block be on its way offline until the end of the block, then go or stay.

    It is held up before the driver knows of it if the `end` is "let-isolated", else after that.
    """
    gate = end.partition("-")[2]
    guest.run(f"echo hold-{gate} >{CONTROL};"
              f" (echo offline >{folder_of(block)}/state; echo $? >/tmp/went) 2>/dev/null &")
    _wait_held(guest, gate)
    try:
        yield
    finally:
        guest.run(f"echo {end} >{CONTROL}; wait; until [ -s /tmp/went ]; do sleep 0.1; done;"
                  f" rm /tmp/went; echo let-{gate} >{CONTROL}")


def _wait_held(guest, gate):
    """Wait until a block is held up at that gate."""
    guest.run(f"until grep -qx '{gate}_waits: 1' /sys/kernel/debug/hvb_sim/status;"
              " do sleep 0.1; done", limit=120)
