# SPDX-License-Identifier: GPL-2.0-only
"""The layers of the tests: what each runs, on what, for how long, and when.

docs/testing.md has them as a table, which `tests/check --table` prints.
"""

import dataclasses

from . import PROJECT

RESULTS = PROJECT / "build/results"
LOGS = f"--logs={RESULTS}/logs"     # of the guests of cases that failed, whole

ALL, NONE = "", None

# Daily what is most likely to break: the others differ from these in the way back only.
REAL_DAILY = "targets or floor or reclaim or ballooned and not takeover"

# Of the driver as hv_dynmem: what it does beside the in-tree driver, and a part of all else.
DYNMEM = ("takeover or (adopt and (first_load or their_end)) or (lifecycle and unbind_and_bind)"
          " or (test_negotiation.py and (agrees or refuses))")

# Of the scripts, what differs most between kernels: how memory comes and goes, and its notifiers.
TELLING = ("test_balloon.py or test_hot_add.py or test_hints.py or test_lifecycle.py"
           " or test_offline.py")


@dataclasses.dataclass(frozen=True)
class Layer:
    """A group of cases that pytest runs together, or in parts."""

    name: str
    purpose: str
    folder: str
    finds: str
    arguments: tuple = ()
    daily: str | None = ALL  # which cases "make check" takes (pytest -k), NONE if the layer is left out
    thorough: tuple = ()  # more arguments in "make check-all"
    needs: tuple = ()  # options of install-deps.sh
    thorough_needs: tuple = ()  # more of them in "make check-all"
    has_guests: bool = False
    cases: str = ALL  # which of the folder's cases it has (pytest -k)
    kernels: str = ""   # where its code runs
    checkers: str = ""  # beside what its cases assert
    seconds: int = 600  # roughly, of a daily run: the longest begins
    minutes: str = "not timed"  # of the last daily run on two processors, see docs/testing.md
    scripts: tuple = ()  # of a part of it: what pytest runs, if not all of the folder

    def parts(self) -> list["Layer"]:
        """Return runs of pytest that are this layer together, and need not wait for each other."""
        known = SECONDS.get(self.name)
        if not known:
            return [self]
        found = sorted((PROJECT / self.folder).glob("test_*.py"))
        left = {str(path.relative_to(PROJECT)): known.get(path.stem, UNKNOWN) for path in found}
        bins: list[list[str]] = [[] for _ in range(PARTS)]
        for script in sorted(left, key=lambda one: (-left[one], one)):
            min(bins, key=lambda part: sum(left[one] for one in part)).append(script)
        return [dataclasses.replace(self, scripts=tuple(sorted(part)),
                                    seconds=sum(left[one] for one in part)) for part in bins]


# Of layers that are run in parts: how long each script takes, roughly; only the proportions matter.
# One that is missing takes UNKNOWN.
PARTS, UNKNOWN = 3, 60
SECONDS = {"simulated-host-6.1": {
    "test_adopt": 90, "test_balloon": 60, "test_command": 70, "test_cycles": 10, "test_debugfs": 15,
    "test_demand": 100, "test_edges": 130, "test_examples": 30, "test_exhaustion": 90,
    "test_fragmented": 70, "test_hangs": 200, "test_hibernation": 120, "test_hints": 100,
    "test_hot_add": 60, "test_hotplug_map": 1, "test_injection": 5, "test_interleaved": 120,
    "test_kexec": 60, "test_lifecycle": 50, "test_malformed": 50, "test_memory": 120,
    "test_negotiation": 50, "test_numa": 50, "test_offline": 80, "test_oom": 110,
    "test_pressure": 40, "test_signing": 40, "test_sysfs": 50, "test_takeover": 1,
    "test_trace": 20, "test_tracers": 1}}

KERNEL_LOG = "kernel log, sums of pages, the host's own memory"


def simulated(kernel, purpose, daily, seconds, *, arguments=(), thorough=(), name=None, cases=ALL,
              finds="faults with messages that no real host sends", checkers=KERNEL_LOG,
              minutes="not timed"):
    """The layer of scripts that play the host."""
    return Layer(f"simulated-host-{name or kernel}",
                 f"a guest with {purpose} in which scripts play the host",
                 "tests/simulated_host", finds, (f"--kernel={kernel}", LOGS, *arguments), daily,
                 ("--slow", "--garbage=100000", *thorough), thorough_needs=("--tracers",),
                 has_guests=True, cases=cases, kernels="6.1" if kernel == "debug" else kernel,
                 checkers=checkers, seconds=seconds, minutes=minutes)


def real(kernel, daily, seconds, minutes):
    """The layer of scenarios on QEMU's host."""
    return Layer(f"real-host-{kernel}",
                 f"a guest with kernel {kernel} on QEMU's Dynamic Memory host", "tests/real_host",
                 "wrong assumptions of the scripts", (f"--kernel={kernel}", "-s", LOGS), daily,
                 has_guests=True, kernels=kernel, checkers="kernel log, the host's count",
                 seconds=seconds, minutes=minutes)


LAYERS = (
    Layer("static", "builds for each kernel with all warnings, sparse, checkpatch, kernel-doc, lint",
          "tests/static", "warnings, style, symbols that a module may not use, a file without a"
          " description", daily="not coccinelle", thorough_needs=("--coccinelle",),
          kernels="6.1, 6.12 (builds)", checkers="gcc, sparse, modpost; pyflakes, mypy, shellcheck;"
          " coccicheck in `make check-all`", seconds=60, minutes="1.8"),
    Layer("unit", "pure logic, as a host program under ASan and UBSan",
          "tests/unit/test_unit.py", "wrong results, accesses out of bounds",
          kernels="none", checkers="ASan, UBSan", seconds=25, minutes="0.1"),
    Layer("kunit", "the same cases in a kernel, by KUnit in User Mode Linux",
          "tests/unit/test_kunit.py", "differences in a kernel", kernels="6.1 (UML)",
          checkers="KUnit", seconds=130, minutes="2.2"),
    Layer("fuzz", "the same logic under libFuzzer, from a seeded corpus", "tests/fuzz",
          "inputs that no case has", kernels="none", checkers="ASan, UBSan, models", seconds=70,
          minutes="1.2"),
    Layer("proof", "pure logic by CBMC, and a model of the work items by Spin", "tests/proof",
          "inputs and orders that no case has", daily=NONE, needs=("--proof",),
          kernels="none", checkers="CBMC, Spin", seconds=300),
    Layer("tool", "the command hvballoon, on guests made of files", "tests/tool",
          "wrong advice, shell syntax that is not portable", kernels="none",
          checkers="dash, busybox, promtool", seconds=100, minutes="2.4"),
    simulated("6.1", "kernel 6.1", "not takeover", 1500, minutes="30.5"),
    simulated("6.12", "kernel 6.12", TELLING, 500, minutes="9.2"),
    simulated("6.12", "the in-tree driver, or hv_dynmem,", ALL, 200, minutes="3.3",
              arguments=("--module=hv_dynmem",), name="hv_dynmem", cases=DYNMEM,
              finds="names that clash; memory of the in-tree driver that is not found"),
    simulated("debug", "a kernel full of checkers", NONE, 7200,
              arguments=(f"--coverage={RESULTS}/gcov",), thorough=("--checkers=all",),
              finds="races, leaks, sleeping in atomic context",
              checkers="KASAN, UBSAN, lockdep, DEBUG_VM, kmemleak, fault injection; gcov"),
    real("6.1", REAL_DAILY, 900, "16.3"),
    real("6.12", "one_gib or frozen_during", 250, "4.6"),
    Layer("packages", "the packages and the release archive, by the rules of each, and installed",
          "tests/packages", "what a distribution would reject, what fails at the next boot",
          ("-s",), daily=NONE, needs=("--packages",), kernels="those of Debian 12 and 13",
          checkers="lintian, reuse, rpmlint; each built twice", seconds=7200),
)
