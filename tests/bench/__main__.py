# SPDX-License-Identifier: GPL-2.0-only
"""Run each workload on this driver and on its peers, in turn, and print tables.

Counts of instructions, messages, ranges and moved pages do not depend on the machine; seconds
do, and are worth something only as a ratio of one run. Nothing is asserted: figures are not tests.
All runs are printed. build/results gets the tables (bench.md), a picture (bench.svg), and all figures
for machines (bench.json); of each workload in which the host has a policy a picture over time, and its
figures (curves.json).
"""

import argparse
import collections
import json
import statistics
import sys

from lab import PROJECT, LabError, cache
from lab.real_guest import CarrierBroken

from . import picture
from .subjects import DynamicMemory, InTree
from .workloads import DRIVERS, GUESTS, KILLED

RESULTS = PROJECT / "build/results"
OURS = DynamicMemory.name


def parse_arguments():
    """Return the parsed command line."""
    parser = argparse.ArgumentParser("bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=("6.1", "6.12"), default="6.1")
    parser.add_argument("--runs", type=int, default=3, metavar="N",
                        help="guests for each driver and workload (default %(default)s)")
    parser.add_argument("--driver", action="append", choices=DRIVERS,
                        help="only this one; may be given more than once")
    parser.add_argument("--workload", action="append", metavar="NAME", choices=workload_names(),
                        help="only this one; may be given more than once: %(choices)s")
    parser.add_argument("--read", action="store_true", help="print the results of the last run")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


def workload_names():
    """Return the names of all workloads."""
    return [name for guest in GUESTS.values() for name in guest.workloads]


def plan(options):
    """Yield what to run: run, subject, guest and the workloads in it."""
    for guest, spec in GUESTS.items():
        chosen = [name for name in spec.workloads
                  if name in (options.workload or spec.workloads)]
        drivers = [name for name in options.driver or DRIVERS
                   if name in spec.subjects
                   and (not spec.told or spec.subjects[name].hot_adds)]
        for run in range(options.runs) if chosen else ():
            for driver in drivers:
                yield run, driver, guest, chosen


def run_guest(kernel, driver, guest, names):
    """Run workloads in one guest; yield each one's name, figures and curve."""
    spec = GUESTS[guest]
    with spec.subjects[driver](kernel, spec.mib, spec.append, spec.told) as subject:
        try:
            for name in names:
                yield name, spec.workloads[name](subject), subject.curve
        except CarrierBroken:
            raise
        except LabError as error:
            raise LabError(f"{error}\nthe guest's log:\n{subject.guest.log()[-4000:]}") from error
        for line in subject.guest.warnings():
            cache.say(f"{driver}: the guest's log: {line}")


def run_whole_guest(*arguments):
    """Return what run_guest() yields; a guest whose emulated machine broke down is repeated."""
    try:
        return list(run_guest(*arguments))
    except CarrierBroken as error:
        cache.say(f"once more, since {str(error)[:200]}")
        return list(run_guest(*arguments))


def run_all(options):
    """Run everything; return {workload: {step: {figure: {driver: [values]}}}} and
    {workload: {driver: [curves]}}."""
    found, curves = tree(), tree()
    steps = list(plan(options))
    for number, (run, driver, guest, names) in enumerate(steps, 1):
        cache.say(f"{number} of {len(steps)}: {driver}, guest of {guest}, run {run + 1}")
        try:
            for name, result, curve in run_whole_guest(options.kernel, driver, guest, names):
                note(found[name], driver, result)
                if curve:
                    curves[name].setdefault(driver, []).append(curve)
        except Exception as error:
            # One guest that fails must not cost the figures of the others.
            cache.say(f"{driver}, guest of {guest}: {type(error).__name__}: {str(error)[-5000:]}")
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "bench.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        (RESULTS / "curves.json").write_text(json.dumps(curves, indent=1), encoding="utf-8")
        picture.draw_curves(curves, RESULTS)
    return found


def tree():
    """Return a dictionary that makes its parts when they are asked for."""
    return collections.defaultdict(tree)


def note(found, driver, result):
    """Keep the figures of one run of a workload."""
    for step, figures in result.items():
        for figure, value in figures.items():
            found[step][figure].setdefault(driver, []).append(value)
            cache.say(f"    {step}, {figure}: {readable(value)}")


def readable(value):
    """Return a figure with three digits that count, large ones in millions."""
    if value >= 1e6:
        return f"{value / 1e6:,.3g} M" if value < 1e9 else f"{value / 1e6:,.0f} M"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def summary(figure, values):
    """Return the median, and what the runs varied between."""
    if figure == KILLED:
        return f"{sum(values)} of {len(values)}"
    text = readable(statistics.median(values))
    if min(values) == max(values):
        return text
    return f"{text} ({readable(min(values))} to {readable(max(values))})"


def ratio(drivers):
    """Return how many times the figure of this driver the kernel's own is."""
    ours, theirs = drivers.get(OURS), drivers.get(InTree.name)
    if not ours or not theirs or not statistics.median(ours):
        return ""
    return f"{statistics.median(theirs) / statistics.median(ours):.3g}"


def table(workload, steps):
    """Yield the lines of a workload's table."""
    drivers = [name for name in DRIVERS
               if any(name in row for rows in steps.values() for row in rows.values())]
    yield f"\n### {workload}\n"
    yield f"| | {' | '.join(drivers)} | in-tree / ours |"
    yield f"| --- |{' --- |' * (len(drivers) + 1)}"
    for step, rows in steps.items():
        for figure, row in rows.items():
            cells = (summary(figure, row[name]) if name in row else "" for name in drivers)
            yield f"| {step}, {figure} | {' | '.join(cells)} | {ratio(row)} |"


def main():
    """Run and print."""
    options = parse_arguments()
    if options.read:
        found = json.loads((RESULTS / "bench.json").read_text(encoding="utf-8"))
    else:
        found = run_all(options)
    text = "\n".join(line for name, steps in found.items() for line in table(name, steps))
    (RESULTS / "bench.md").write_text(text + "\n", encoding="utf-8")
    picture.draw(found, OURS, [name for name in DRIVERS if name != OURS], RESULTS / "bench.svg")
    print(f"{text}\n\nmedians (and what the runs varied between)")
    print(f"also in {RESULTS}/: bench.md, bench.svg, bench.json")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
