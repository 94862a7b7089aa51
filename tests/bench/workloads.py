# SPDX-License-Identifier: GPL-2.0-only
"""What the guests of the benchmark go through. Each workload returns its figures by name."""

import contextlib
import dataclasses
import random
import statistics
import time

from lab import memory
from lab.memhog import Memhog
from lab.memory import MIB
from simulated_host.machine import HIGH_MIB

from . import policy
from .policy import POLICY
from .real_host import REAL
from .subjects import LIMIT, SUBJECTS

HALVES_MIB = 3700       # what a program touches before it gives every second page back
FRAGMENT_MIB = 3000
SHELL_KIB = 3072        # what the commands of the benchmark need
ROOM_MIB = 128          # what the guest keeps when it makes large pages
ROUNDS = 4              # of 1 GiB beside programs
PROCESSORS = 2
KILLED = policy.KILLED
SPINNERS = """
for cpu in 0 1; do
    taskset $((cpu + 1)) /lab/spinner/spinner >/tmp/spinner.$cpu & echo $! >>/tmp/spinners
done
"""


class Measured:
    """Figures of what runs inside the block."""

    def __init__(self, subject):
        self._subject = subject
        self.figures = {}

    def __enter__(self):
        self._moved = self._pages_moved()
        self._executed = self._subject.executed()
        self._start = time.monotonic()
        return self

    def __exit__(self, *_):
        seconds = self._subject.took() or time.monotonic() - self._start
        answered, quiet = self._subject.counted(), self._subject.executed()
        if answered is not None:
            self.figures |= {"instructions": answered - self._executed,
                             "instructions until the guest is quiet": quiet - self._executed}
        self.figures |= {"seconds": seconds, "pages moved": self._pages_moved() - self._moved}

    def _pages_moved(self):
        return memory.vmstat(self._subject.guest)["pgmigrate_success"]


def huge_pages(guest):
    """Return how many pages of 2 MiB the guest can make now, and how many once it was told to
    compact its memory; it does not keep them."""
    pool = "/proc/sys/vm/nr_hugepages"
    wanted = (memory.meminfo(guest)["MemFree"] // 1024 - ROOM_MIB) // 2
    more = f"echo {wanted} >{pool}; cat {pool}"
    got = int(guest.run(more, LIMIT))
    compacted = int(guest.run(f"echo 1 >/proc/sys/vm/compact_memory; {more}", LIMIT))
    guest.run(f"echo 0 >{pool}", LIMIT)
    return {"2 MiB pages left": got, "the same, memory compacted": compacted}


def out(subject, mib):
    """Take memory; return what was taken and the figures."""
    with Measured(subject) as measured:
        taken = subject.take(mib * MIB)
    return taken, measured.figures | taken.figures()


def back(subject, taken):
    """Give all back; return the figures."""
    with Measured(subject) as measured:
        subject.give(taken)
    return measured.figures


@contextlib.contextmanager
def spinning(guest):
    """A busy program on each processor; yields a list that gets its figures in the end."""
    guest.run(f"rm -f /tmp/spinners; {SPINNERS}")
    found = []
    time.sleep(0.5)
    yield found
    guest.run("kill $(cat /tmp/spinners); while pidof spinner; do sleep 0.1; done")
    lines = [line.split() for line in guest.run("cat /tmp/spinner.[01]").splitlines()]
    found += [max(int(gap) for gap, _ in lines) / 1e6, sum(int(speed) for _, speed in lines)]


def both(subject, mib, prefix="", large=False):
    """Take memory and give it back; `large`: count the large pages that can be had then."""
    alive = memory.oom_kills(subject.guest)
    taken, figures = out(subject, mib)
    if large:
        pages = huge_pages(subject.guest)
        figures["programs killed"] = memory.oom_kills(subject.guest) - alive
        # What the dead had would count, too.
        figures |= {} if figures["programs killed"] else pages
    return {f"{prefix}out": figures, f"{prefix}back": back(subject, taken)}


def mostly_free(subject):
    """Unused memory: 2 GiB out and back."""
    return both(subject, 2048)


def every_second_page(subject):
    """A program has every second page: 1 GiB out, large pages, and back."""
    hog = Memhog(subject.guest, HALVES_MIB, "--small-pages --quick")
    hog.thin()
    result = both(subject, 1024, large=True)
    hog.kill()
    return result


def fragmented(subject, seed=1):
    """What hours of mixed work leave: 1 GiB out, large pages, and back."""
    guest = subject.guest
    guest.run("mkdir -p /tmp/fragments && mount -t tmpfs -o nr_inodes=0,size=100% none"
              f" /tmp/fragments && {{ /lab/fragment/fragment {seed} {FRAGMENT_MIB} /tmp/fragments"
              " >/tmp/fragment.out 2>&1 & } && until [ -s /tmp/fragment.out ]; do sleep 0.5; done",
              LIMIT)
    result = both(subject, 1024, large=True)
    guest.run("killall fragment; umount -l /tmp/fragments")
    return result


def full_cache(subject):
    """Memory full of page cache: 1 GiB out and back."""
    guest = subject.guest
    # The cache of a disk goes when the last program closes it.
    guest.run("sleep 10000 </dev/vda & echo $! >/tmp/reader;"
              " dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null", LIMIT)
    result = both(subject, 1024)
    guest.run("kill $(cat /tmp/reader); echo 3 >/proc/sys/vm/drop_caches")
    return result


def pieces(subject):
    """256 MiB come back page by page, in no order."""
    taken, _ = out(subject, 256)
    if taken.ranges is None:
        subject.give(taken)
        return {}
    singles = [(start + i, 1) for start, count in taken.ranges for i in range(count)]
    random.Random(1).shuffle(singles)
    with Measured(subject) as measured:
        subject.guest.host.deflate(singles)
    return {"back": measured.figures}


def busy_programs(subject):
    """A busy program on each processor: 2 GiB out and back, what is taken from the programs."""
    with spinning(subject.guest) as idle:
        time.sleep(3)
    with spinning(subject.guest) as during_out:
        taken = subject.take(2048 * MIB)
    with spinning(subject.guest) as during_back:
        subject.give(taken)
    return {"idle": {"longest stall, ms": idle[0]},
            "out": {"longest stall, ms": during_out[0]},
            "back": {"longest stall, ms": during_back[0]}}


def streaming(subject):
    """Programs stream through memory while 1 GiB goes out and back, again and again: how much of
    the processors' time do they lose by that?"""
    subject.give(subject.take(1024 * MIB))  # the first time is slower than all others
    found = [slowed_down(subject) for _ in range(3)]
    return {"programs": {figure: statistics.median(one[figure] for one in found)
                         for figure in found[0]}}


def slowed_down(subject):
    """Return how much slower programs were while 1 GiB went out and back some times."""
    with spinning(subject.guest) as alone:
        time.sleep(6)
    start = time.monotonic()
    with spinning(subject.guest) as beside:
        for _ in range(ROUNDS):
            subject.give(subject.take(1024 * MIB))
        seconds = time.monotonic() - start
    speed = beside[1] / alone[1]
    return {"speed, %": 100 * speed,
            "lost for 1 GiB out and back, s": (1 - speed) * seconds * PROCESSORS / ROUNDS}


def cycles(subject):
    """1 GiB out and back, 100 times, then large pages."""
    before = huge_pages(subject.guest)
    with Measured(subject) as measured:
        for _ in range(100):
            subject.give(subject.take(1024 * MIB))
    return {"before": before, "cycles": measured.figures | huge_pages(subject.guest)}


def sizes(subject):
    """1, 2, 8 GiB out and back in one guest: does a GiB cost more when it is one of many?"""
    result = {}
    for gib in (1, 2, 8):
        if subject.can_take(gib * 1024):
            result |= both(subject, gib * 1024, f"{gib} GiB ")
    return result


def added(subject):
    """Add 1 GiB; return the figures."""
    guest = subject.guest
    before = guest.total()
    with Measured(subject) as measured:
        answer, _ = guest.host.add(HIGH_MIB * MIB, 1024 * MIB)
    return measured.figures | {"MiB added": answer // MIB,
                               "MiB online": (guest.total() - before) // MIB}


def hot_add(subject):
    """1 GiB on top, with memory at hand."""
    return {"hot-add": added(subject)}


def hot_add_exhausted(subject):
    """1 GiB on top, while a locked program has all that it can get."""
    guest = subject.guest
    reserve = int(guest.run("awk '/^ +min / { pages += $2 } END { print pages * 4 }'"
                            " /proc/zoneinfo"))
    # What one zone keeps for another's users, no program can get.
    guest.run("echo 0 0 0 0 0 >/proc/sys/vm/lowmem_reserve_ratio")
    hog = Memhog(guest, 256, "--quick --lock")
    hog.leave(reserve + SHELL_KIB)
    alive = memory.oom_kills(guest)
    result = added(subject)
    result["programs killed"] = memory.oom_kills(guest) - alive
    hog.kill()
    failures = guest.run("dmesg | grep -c -e 'page allocation failure' -e 'alloc failure' || true")
    return {"hot-add": result | {"allocation failures in the log": int(failures)}}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a guest is started, and the workloads that it goes through."""

    workloads: dict
    mib: int = 4096
    told: int = 0       # what it knows of that at boot, 0 for all: the rest can be added
    append: str = ""    # more arguments of its kernel
    subjects: dict = dataclasses.field(default_factory=lambda: SUBJECTS)


NOT_ZEROED = "init_on_alloc=0"
GUESTS = {
    "4 GiB": Setting({"mostly free": mostly_free, "pieces": pieces, "full cache": full_cache}),
    "4 GiB, every second page in use": Setting({"every second page": every_second_page}),
    "4 GiB, memory not zeroed": Setting({"not zeroed": mostly_free, "cycles": cycles,
                                       "streaming, not zeroed": streaming}, append=NOT_ZEROED),
    "4 GiB, fragmented": Setting({"fragmented": fragmented}),
    "4 GiB, busy": Setting({"busy programs": busy_programs, "streaming": streaming}),
    "10 GiB": Setting({"sizes": sizes}, mib=10240, append=NOT_ZEROED),
    "4 GiB, every second page in use, real host": Setting(
        {"every second page, real host": every_second_page}, subjects=REAL),
    "4 GiB, busy, real host": Setting({"busy programs, real host": busy_programs}, subjects=REAL),
    "1 GiB": Setting({"hot-add": hot_add}, told=1024),
    "1 GiB, full": Setting({"hot-add, memory exhausted": hot_add_exhausted}, told=1024),
    **{f"{name}, host with a policy": Setting(workloads, mib=mib, subjects=POLICY)
       for name, (mib, workloads) in policy.GUESTS.items()},
}
DRIVERS = tuple(dict.fromkeys((*SUBJECTS, *POLICY)))
