# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's host with a policy: once a second it gives the guest what its reports ask for. And what
programs do in guests of such a host.

Nothing runs in the guest to measure it: it would run out of memory with the guest. The host's
figures, the guest's reports and its log tell all.
"""

import dataclasses
import functools
import re
import time
from typing import Any

from lab import LabError
from lab.memhog import Memhog
from lab.real_guest import HOST_DELAY, Config

from .real_host import Started
from .subjects import LIMIT, DynamicMemory, InTree

MINIMUM, MAXIMUM = 512, 6144    # MiB
SHARE = 1.2         # of what the guest asks for
LEAST = 8           # MiB: a target that differs by less stays as it is; each stops the guest
PERIOD = 1.0        # seconds
REPEAT = 5          # seconds after which a target that was not reached is set again
STEADY = 15         # seconds without a change after which the host has what it wants
SETTLED = 120       # seconds for that
AFTER = 10          # seconds that a picture shows of the time after a program's end
KILLED = "killed"   # of a run, 0 or 1
LIFE_LIMIT = 600    # seconds for a program, killed or not
MAPPED_MIB, MAPPED_SECONDS = 2048, 60
PROGRAM_MIB = 200   # that starts in an idle guest
KILL = re.compile(r"Killed process \d+ \((\S+)\)")
END = re.compile(r"lab: the program ended with (\d+)")
START = """
{{
    {{ {commands}; echo quit; }} | memhog {options} 0 >/dev/null 2>&1
    echo "<4>lab: the program ended with $?" >/dev/kmsg
}} &
"""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What is known at a time, in MiB."""

    seconds: float
    assigned: int
    demand: int
    used: int
    kills: int      # so far


class PolicyHost(Started):
    """This driver, with its default demand."""

    def __init__(self, version, mib, append="", told=0):
        """Start a guest of that size."""
        assert not told, "this guest knows all of its memory"
        self._given = mib       # what the host has given at any time: the rest is ballooned
        self._target = mib
        self._start = self._next = self._aimed = time.monotonic()
        self._samples = []
        super().__init__(Config(version, mib, max(MAXIMUM, mib), append=append))

    @property
    def curve(self):
        """What was noted since record(), for the picture."""
        return [dataclasses.asdict(sample) for sample in self._samples]

    def _begin(self):
        self.guest.kills_expected = True
        self.guest.wait(self.guest.report, HOST_DELAY + LIMIT, lambda: "no report")
        end = time.monotonic() + HOST_DELAY + LIMIT
        # An idle guest needs less than it starts with: the host begins by taking some.
        while self.second().assigned == self._given:
            if time.monotonic() > end:
                raise LabError("the host takes nothing")
        self.settle()
        self.record()

    def record(self):
        """Begin to note samples anew."""
        self._samples = []
        self._start = self._next = time.monotonic()

    def second(self):
        """Let the policy work once, in the rhythm of a second; return the sample."""
        time.sleep(max(0, self._next - time.monotonic()))
        self._next = max(self._next + PERIOD, time.monotonic())
        report, assigned = self.guest.report(), self.guest.actual()
        self._given = max(self._given, assigned)
        demand = report["committed"] - (self._given - assigned)
        self._aim(min(max(round(SHARE * demand), MINIMUM), max(MAXIMUM, self._given)), assigned)
        sample = Sample(time.monotonic() - self._start, assigned, demand,
                        assigned - report["available"], len(KILL.findall(self.guest.log())))
        self._samples.append(sample)
        return sample

    def _aim(self, target, assigned):
        missed = (abs(target - assigned) >= LEAST
                  and time.monotonic() - self._aimed >= REPEAT)
        if missed or abs(target - self._target) >= LEAST:
            self.guest.set_target(target)
            self._target, self._aimed = target, time.monotonic()

    def settle(self):
        """Let the policy work until the guest's size does not change, or for two minutes; return the
        last sample."""
        steady, last, end = 0, None, time.monotonic() + SETTLED
        while steady < STEADY and time.monotonic() < end:
            sample = self.second()
            steady = steady + 1 if last == sample.assigned else 0
            last = sample.assigned
        return sample


class ByUse(PolicyHost):
    """This driver, with the demand by use."""

    name = f"{DynamicMemory.name}, by use"
    parameters = "demand=used"


class InTreeWithPolicy(PolicyHost):
    """The kernel's own driver."""

    name = InTree.name
    in_tree = True


POLICY = {one.name: one for one in (PolicyHost, ByUse, InTreeWithPolicy)}


def mean(samples, figure):
    """Return the mean over time of what figure() says of a sample."""
    spans = [(later.seconds - sample.seconds, figure(sample))
             for sample, later in zip(samples, samples[1:])]
    return sum(span * value for span, value in spans) / max(sum(span for span, _ in spans), 1e-9)


def live(subject, commands, options):
    """A program goes through commands, which the shell prints, and ends."""
    guest = subject.guest
    if subject.curve:
        subject.settle()
    samples, before = [], len(END.findall(guest.log()))
    guest.run(START.format(commands=commands, options=options))
    subject.record()
    while len(ended := END.findall(guest.log())) == before:
        samples.append(subject.second())
        if samples[-1].seconds > LIFE_LIMIT:
            raise LabError(f"the program is not done after {LIFE_LIMIT} s")
    seconds = subject.second().seconds
    failed = int(ended[-1]) != 0
    figures = {KILLED: int(failed), "MiB assigned, on average": mean(samples, _assigned),
               "assigned but not used, GiB s":
                   mean(samples, lambda one: max(one.assigned - one.used, 0)) * seconds / 1024}
    if not failed:
        figures["seconds"] = seconds
    for _ in range(AFTER):
        subject.second()
    return {"program": figures}


def _assigned(sample):
    return sample.assigned


def idle(subject):
    """Nothing but the policy, and then a program of some MiB."""
    guest = subject.guest
    subject.record()
    sample = subject.settle()
    figures = {"MiB assigned": sample.assigned, "MiB available": sample.assigned - sample.used}
    hog = Memhog(guest, 0, "--charge")
    hog.begin(f"grow {PROGRAM_MIB}")
    while not hog.answered():
        subject.second()
    lives = guest.call("kill -0 $(cat /tmp/memhog.pid)").status == 0
    figures[KILLED] = int(not lives or subject.second().kills > sample.kills)
    hog.kill()
    return {"idle": figures}


def untouched(subject):
    """A program has 2 GiB that it never touches, for a minute."""
    guest = subject.guest
    guest.run(f"(sleep {MAPPED_SECONDS}) | dd bs={MAPPED_MIB}M of=/dev/null 2>/dev/null &")
    subject.record()
    samples = [subject.second() for _ in range(MAPPED_SECONDS)]
    return {"program": {"MiB assigned, on average": mean(samples, _assigned)}}


BURST = "for i in $(seq 64); do echo grow 64; done"
SLOWLY = "for i in $(seq 100); do echo grow 16; sleep 1; done"
SAWTOOTH = ("for i in $(seq 3); do for j in $(seq 24); do echo grow 64; done; sleep 20;"
            " echo shrink 1536; sleep 20; done")
# Guests by name: their startup memory in MiB, and what they go through.
GUESTS: dict[str, tuple[int, dict[str, Any]]] = {
    "1 GiB": (1024, {
        "idle, 1 GiB": idle,
        "burst": functools.partial(live, commands=BURST,
                                   options="--charge --quick --small-pages")}),
    "1 GiB, huge pages": (1024, {
        "burst, huge pages": functools.partial(live, commands=BURST,
                                               options="--charge --quick --huge-pages")}),
    "1 GiB, not charged": (1024, {
        "burst, not charged": functools.partial(live, commands=BURST,
                                                options="--quick --small-pages")}),
    "1 GiB, for longer": (1024, {
        "slow growth": functools.partial(live, commands=SLOWLY, options="--charge --quick"),
        "sawtooth": functools.partial(live, commands=SAWTOOTH, options="--charge --quick"),
        "untouched mapping": untouched}),
    "4 GiB": (4096, {"idle, 4 GiB": idle}),
    "16 GiB": (16384, {"idle, 16 GiB": idle}),
}
