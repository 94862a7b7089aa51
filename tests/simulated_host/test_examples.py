# SPDX-License-Identifier: GPL-2.0-only
"""The examples of packaging/examples, from the host's request to what the program does."""

import re
import time

import pytest

from lab.memory import KIB, MIB

from .sysfs import FILES

RULES = "/run/udev/rules.d"
PROGRAM = "/lab/example/memory-events"
LATE = 10   # seconds: a program that asks by itself now and then is later still
TRIES = 3   # a busy machine makes the guest slow now and then: its best counts
# In the guest's own time, from the last page that moves to the line that tells of it.
STOPWATCH = """
now() {{ cut -d ' ' -f 1 /proc/uptime; }}
until read -r value <{files}/ballooned_kb && [ "$value" = {kib} ]; do :; done
start=$(now)
until [ "$(wc -l <{log})" -gt {lines} ]; do sleep 0.02; done
echo "$start $(now)" >/tmp/watch.out
"""


class Watch:
    """Takes the time until a line more is in a file, once so much is ballooned."""

    def __init__(self, guest, log, pages):
        self._guest = guest
        lines = int(guest.run(f"wc -l <{log}"))
        guest.run("rm -f /tmp/watch.out")
        script = STOPWATCH.format(files=FILES, kib=pages * KIB, log=log, lines=lines)
        guest.run(f"cat >/tmp/watch.sh <<'END'\n{script}\nEND")
        guest.run("sh /tmp/watch.sh >/dev/null 2>&1 &")

    def seconds(self):
        """Return how long it took; waits until it is over."""
        self._guest.run("until [ -s /tmp/watch.out ]; do sleep 0.1; done")
        start, end = self._guest.run("cat /tmp/watch.out").split()
        return float(end) - float(start)


def caches(guest):
    """Return the sizes of the program's cache so far, in MiB."""
    return [int(size) for size in re.findall(r"cache of (\d+) MiB", guest.run("cat /tmp/program"))]


def follows(guest, least, most):
    """Wait until the cache is of that size: events come in steps."""
    deadline = time.monotonic() + 60 * guest.patience
    while not least < caches(guest)[-1] < most:
        assert time.monotonic() < deadline, f"{least} to {most} MiB expected: {caches(guest)}"
        time.sleep(0.1)


@pytest.fixture
def program(running):
    """The program, with a step of 32 MiB, when it has a cache; ends with the driver."""
    running.run(f"echo 32768 >{FILES}/event_step_kb")
    running.run(f"{PROGRAM} 25 >/tmp/program 2>&1 & echo $! >/tmp/program.pid; "
                "until grep -q cache /tmp/program; do sleep 0.1; done")
    yield running
    running.run("kill $(cat /tmp/program.pid)")


def test_program_follows(program):
    """It makes its cache smaller when the host takes memory, and larger when it gives it back.

    By a quarter of 200 MiB. Less than a step is no event: up to 8 MiB of cache are late.
    """
    first, taken, given = caches(program)[-1], [], []
    for _ in range(TRIES):
        watch = Watch(program, "/tmp/program", 200 * MIB)
        ranges, _ = program.host.inflate(200 * MIB)
        taken.append(watch.seconds())
        follows(program, first - 60, first - 30)
        watch = Watch(program, "/tmp/program", 0)
        program.host.deflate(ranges)
        given.append(watch.seconds())
        follows(program, first - 20, first + 10)
    assert max(min(taken), min(given)) < LATE


def test_program_without_a_driver(guest):
    """It says what is wrong, and how to call it."""
    result = guest.call(f"{PROGRAM} 25 2>&1")
    assert result.status == 1 and "driver hv_balloon loaded" in result.output
    result = guest.call(f"{PROGRAM} much 2>&1")
    assert result.status == 2 and "Usage" in result.output


@pytest.fixture
def ruled(guest):
    """The udev rule at work, with something that notes how systemctl is called."""
    guest.run(f"mkdir -p {RULES}; cp /lab/example-rule/*.rules {RULES}; udevadm control --reload")
    guest.run("rm -f /tmp/units; touch /tmp/units; printf '%s\\n' '#!/usr/bin/busybox sh' "
              "'echo \"$*\" >>/tmp/units' >/usr/bin/systemctl; chmod 755 /usr/bin/systemctl")
    yield guest
    guest.run(f"rm -r {RULES} /usr/bin/systemctl; udevadm control --reload")


def test_rule_sets_the_step_and_starts_a_unit(ruled):
    """From the moment the driver has agreed with the host."""
    ruled.load("pressure_report_delay=3600")
    ruled.offer()
    ruled.host.negotiate()
    ruled.run(f"until [ \"$(cat {FILES}/event_step_kb)\" = 262144 ]; do sleep 0.1; done")
    seconds = []
    for number in range(TRIES):
        watch = Watch(ruled, "/tmp/units", 300 * MIB)
        ranges, _ = ruled.host.inflate(300 * MIB)
        seconds.append(watch.seconds())
        ruled.host.deflate(ranges)
        ruled.run(f"until [ $(wc -l </tmp/units) -gt {2 * number + 1} ]; do sleep 0.1; done")
    assert min(seconds) < LATE
    assert ruled.run("cat /tmp/units").splitlines() == TRIES * [
        "--no-block start memory-event@taken.service",
        "--no-block start memory-event@given.service"]
