# SPDX-License-Identifier: GPL-2.0-only
"""Trace events and tracers, and a guest whose memory makes the driver step down."""

import contextlib
from collections.abc import Callable, Iterator

from lab import HV_BALLOON
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


def events_folder(guest: Simulator) -> str:
    """Return the folder of the driver's trace events. Beside the in-tree driver it has its own."""
    return f"{TRACING}/events/{'hyperv' if guest.module == HV_BALLOON else guest.module}"


def has_tracer(guest: Simulator, tracer: str) -> bool:
    """Tell whether the kernel was built with that tracer. The debug kernel has none."""
    return tracer in guest.run(f"cat {TRACING}/available_tracers").split()


@contextlib.contextmanager
def calls_counted(guest: Simulator, *names: str,
                  caller: str = "") -> Iterator[Callable[[], int]]:
    """Calls of a function of the kernel are counted; yields what tells how many there were.

    Its name is the first of these that the kernel has. If a `caller` is named, calls count of
    functions whose names begin so. There are no calls in a kernel that cannot count them.
    """
    if not has_tracer(guest, "function"):
        yield lambda: 0
        return
    function = guest.run(f"cd {TRACING} && for name in {' '.join(names)}; do grep -xm1 $name"
                         " available_filter_functions && break; done").strip()
    guest.run(f"cd {TRACING} && echo {function} >set_ftrace_filter &&"
              " echo function >current_tracer")
    try:
        yield lambda: int(guest.run(f"grep -c ' {function} <-{caller}' {TRACING}/trace; true"))
    finally:
        guest.run(f"cd {TRACING} && echo nop >current_tracer && echo >set_ftrace_filter")
