# SPDX-License-Identifier: GPL-2.0-only
"""A Dynamic Memory driver in a guest of a real host: QEMU's own."""

import contextlib
import re
import time

from lab import accel, build
from lab.memory import MIB
from lab.real_guest import HOST_DELAY, Config, RealGuest

from .subjects import HERE, LIMIT, DynamicMemory, InTree, Taken

STEP = 2            # MiB: the least that the host asks for
ANSWER = 2          # seconds between two looks at the trace, which take time of what is measured
RESPONSE = re.compile(r"incoming balloon response \d+, ranges (\d+)")
MESSAGE = re.compile(r"@(\d+\.\d+):hv_balloon_(?:incoming|outgoing)_")


class Started:
    """A guest of QEMU's host with a Dynamic Memory driver. A context manager."""

    name = DynamicMemory.name
    in_tree = False
    parameters = ""     # of the driver
    curve = ()          # nothing is noted over time

    def __init__(self, config: Config) -> None:
        """Start the guest and load the driver."""
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as started:
            started.enter_context(self._stack)
            carrier = self._stack.enter_context(accel.open_carrier(config.maximum))
            self.guest = self._stack.enter_context(RealGuest(carrier, config))
            self.guest.load(self.parameters, intree=self.in_tree)
            self._begin()
            started.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _begin(self):
        """Bring the host to where a workload begins."""


class RealHost(Started):
    """Like the subjects with a simulated host; nothing counts instructions here."""

    def __init__(self, version, mib, append="", told=0):
        """Start a guest of that size and bring the host to its first request."""
        assert not told, "this guest knows all of its memory"
        self.mib = mib
        self._seen = 0
        super().__init__(Config(version, mib, mib, append=append,
                                files={"spinner": build.program("spinner", HERE)}))

    def _begin(self):
        self._reach(self.mib - STEP, HOST_DELAY + LIMIT)
        self._reach(self.mib)

    def _reach(self, mib, limit=LIMIT):
        """Let the host count that much for the guest."""
        self.guest.set_target(mib)
        self.guest.wait_actual(mib, limit)

    def _note(self):
        """Note where the host's trace of the next operation begins."""
        self._seen = len(self.guest.trace())

    def _operation(self):
        """Return the host's trace of the last operation."""
        return self.guest.trace()[self._seen:]

    def take(self, pages):
        """Take pages and return Taken, without the ranges themselves."""
        self._note()
        self._reach(self.mib - pages // MIB)
        found = [int(count) for count in RESPONSE.findall(self._operation())]
        return Taken(pages, count=sum(found), messages=len(found))

    def _answered(self):
        trace = self._operation()
        return trace.rfind("incoming unballoon") > trace.rfind("posting unballoon")

    def give(self, taken):
        """Give all back; returns when the guest has answered the last message."""
        self._note()
        self._reach(self.mib)
        time.sleep(ANSWER)
        self.guest.wait(self._answered, LIMIT, lambda: "the last message is not answered", ANSWER)

    def took(self):
        """Return the seconds between the host's first message and the guest's last one."""
        times = [float(when) for when in MESSAGE.findall(self._operation())]
        return times[-1] - times[0]

    def counted(self):
        """Nothing counts instructions."""

    executed = counted


class InTreeOnRealHost(RealHost):
    """The kernel's own driver."""

    name = InTree.name
    in_tree = True


REAL = {one.name: one for one in (RealHost, InTreeOnRealHost)}
