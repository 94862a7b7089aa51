# SPDX-License-Identifier: GPL-2.0-only
"""The example in five steps, observed from the host and from inside the guest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab import LabError
from lab.memhog import Memhog
from lab.real_guest import HOST_DELAY, RealGuest

from .policy import Limits, Policy, memory_status
from .table import Table

TICK = 1.0  # seconds between two looks
PAGES_PER_MIB = 256
STEP_LIMIT = 240  # seconds for a step to be reached
PIECE_MIB, LEAST_PIECE_MIB = 128, 16  # what the program takes at once
RESERVE_MIB = 64  # what the program leaves available
SPARE, SPARE_MIB = 0.15, 448  # what the program leaves of the maximum, and at least that
LOW = 0.1  # the program's use of memory when demand is low, as a share of the minimum


@dataclass(frozen=True)
class Step:
    """One step of the example; the program in the guest is to hold `hold` MiB."""

    title: str
    hold: int
    condition: str
    reached: Callable[["Sample"], bool]


@dataclass(frozen=True)
class Sample:
    """One look: host figures, then those of the guest's free -m, in MiB."""

    seconds: float
    step: int
    assigned: int
    demand: int
    status: str
    given: int
    total: int
    used: int
    free: int
    available: int
    ballooned: int  # as the driver counts it
    held: int
    action: str = ""
    settled: bool = False


@dataclass
class Record:
    """What was observed."""

    limits: Limits
    steps: list[Step]
    samples: list[Sample] = field(default_factory=list)
    layouts: list = field(default_factory=list)  # per step: [(address, in use, free, ballooned)]
    free: list[str] = field(default_factory=list)  # per step: the text of free -m


def steps_of(limits: Limits) -> list[Step]:
    """Return the steps of the example for these settings."""
    high = limits.reachable - max(int(limits.reachable * SPARE), SPARE_MIB)
    low = int(limits.minimum * LOW)
    full = (f"all {limits.reachable} MiB are assigned and in the guest's total",
            lambda s: s.assigned == limits.reachable and s.held == high)
    lean = ("idle memory is ballooned out, and the host wants no more",
            lambda s: s.settled and s.held <= low and s.assigned < s.given)
    return [
        Step("startup memory", 0, f"{limits.startup} MiB are assigned",
             lambda s: s.assigned == limits.startup),
        Step("the guest idles", 0, *lean),
        Step("demand rises", high, *full),
        Step("demand falls", low, *lean),
        Step("demand rises again", high, *full),
    ]


class Story:
    """Runs the example on a guest and keeps the record."""

    def __init__(self, guest: RealGuest, limits: Limits, table: Table) -> None:
        self._guest = guest
        self._table = table
        self._policy = Policy(limits)
        self._program: Memhog
        self._held = 0
        self._demand = 0
        self._start = time.monotonic()
        self.record = Record(limits, steps_of(limits))

    def tell(self) -> None:
        """Go through all steps; LabError if one is not reached."""
        self._program = Memhog(self._guest, 0, "--quick")
        for index, step in enumerate(self.record.steps):
            self._table.begin(index, step)
            self._until_reached(index, step)
            self._close(step)

    def _until_reached(self, index, step):
        begin = time.monotonic()
        while True:
            sample = self._look(index)
            self._table.show(sample)
            if step.reached(sample):
                return
            self._check(step, sample, time.monotonic() - begin)
            self._move_program(step.hold, sample)
            time.sleep(TICK)

    def _check(self, step, sample, seconds):
        if sample.assigned < self.record.limits.minimum:
            raise LabError(f"{step.title}: {sample.assigned} MiB is below the minimum")
        if seconds > STEP_LIMIT + HOST_DELAY:
            raise LabError(f"{step.title}: not reached after {seconds:.0f} s: {step.condition}")

    def _look(self, index):
        """Take a sample and let the policy act on it."""
        assigned, report, reports = (self._guest.actual(), self._guest.report(),
                                     self._guest.report_count())
        total, used, free, _, _, available = _free_figures(self._guest.run("free -m"))
        ballooned = self._guest.status()["pages_ballooned"] // PAGES_PER_MIB
        steady = self._policy.settled(assigned, reports)
        if steady or not self.record.samples:  # in between, one side's figures are old
            self._demand = assigned - (report["available"] if report else available)
        settled, action = self._decide(assigned, self._demand) if steady and index else (False, "")
        sample = Sample(time.monotonic() - self._start, index, assigned, self._demand,
                        memory_status(assigned, self._demand), self._policy.given, total, used,
                        free, available, ballooned, self._held, action, settled)
        self.record.samples.append(sample)
        return sample

    def _decide(self, assigned, demand):
        """Return whether the host is content, and what it does if not."""
        decision = self._policy.decide(assigned, demand)
        if decision is None:
            return True, "takes no more: the guest keeps its floor" if self._policy.refused else ""
        self._guest.set_target(decision[0])
        return False, decision[1]

    def _move_program(self, hold, sample):
        """Let the program grow as far as there is room, or shrink at once."""
        if self._held > hold:
            self._program.shrink(self._held - hold)
            self._held = hold
        left = hold - self._held
        piece = min(PIECE_MIB, left, sample.available - RESERVE_MIB)
        if piece >= min(left, LEAST_PIECE_MIB) > 0:
            self._program.grow(piece)
            self._held += piece

    def _close(self, step):
        """Check what the program holds, and keep the guest's own view of the step."""
        if self._program.verify():
            raise LabError(f"{step.title}: the program's memory has lost its contents")
        self.record.free.append(self._guest.run("free -m"))
        lines = self._guest.run("memlayout", limit=120).splitlines()
        self.record.layouts.append([tuple(map(int, line.split())) for line in lines])
        self._table.end(step, self.record.free[-1])


def _free_figures(text):
    line = next(line for line in text.splitlines() if line.startswith("Mem:"))
    return [int(word) for word in line.split()[1:]]
