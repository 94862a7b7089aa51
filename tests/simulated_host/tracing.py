# SPDX-License-Identifier: GPL-2.0-only
"""Trace events, and a guest whose memory makes the driver step down."""

import contextlib
from collections.abc import Iterator

from lab.memhog import Memhog
from lab.memory import KIB

from .simulator import Simulator

TRACING = "/sys/kernel/tracing"
# What part of a guest is left in blocks of 2 MiB: less than it can spare, more than the kernel
# keeps for itself. Of the rest every second run of so many pages is left.
WHOLE, RUN = 1 / 8, 64


@contextlib.contextmanager
def cut_up(guest: Simulator) -> Iterator[None]:
    """Locked pages, which do not move, cut memory into runs; few blocks of 2 MiB are left."""
    guest.run("echo 0 >/proc/sys/vm/compact_unevictable_allowed")
    hog = Memhog(guest, 0, f"--small-pages --quick --lock --run={RUN}")
    hog.leave(int(guest.total() * WHOLE) * KIB)
    hog.thin()
    yield
    hog.kill()
    guest.run("echo 1 >/proc/sys/vm/compact_unevictable_allowed")
