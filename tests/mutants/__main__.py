# SPDX-License-Identifier: GPL-2.0-only
"""Plant each bug in a copy of the driver, and print what finds it.

What runs next is said on stderr, with how long the last one took. The status is 0 only if none
survives.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lab import LabError, cache, carrier

from . import guest_files, program, pure_files, table
from .faults import Fault

if TYPE_CHECKING:
    from .guests import Guests  # which needs pytest

# Scripts whose cases start a guest for each mutant: those come last.
OWN_GUESTS = {"adopt", "edges", "exhaustion", "fragmented", "hangs", "hibernation", "kexec", "numa",
              "offline", "oom", "takeover"}
ENDED = 143     # status of a program that SIGTERM ends
FIRST = 2       # cases that are named; of the others the number


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser("mutants", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-T", metavar="NAME", dest="select", default="",
                        help="only those with that in their names or files")
    parser.add_argument("--pure", action="store_true", help="only those of lib/")
    parser.add_argument("--guests", action="store_true", help="only those that need a guest")
    parser.add_argument("--new", action="store_true", help="only those that were not run, or survived")
    return parser.parse_args()


def chosen(faults: tuple[Fault, ...], options: argparse.Namespace) -> list[Fault]:
    """Return the bugs to plant, those of one script after the other."""
    known = table.known()
    old = (table.NOT_RUN, *table.BAD)
    found = [one for one in faults if options.select in f"{one.name} {one.file}"
             and (not options.new or known.get(one.name, table.NOT_RUN).startswith(old))]
    return sorted(found, key=lambda one: (one.script in OWN_GUESTS, one.kernel, one.script))


def named(cases: list[str]) -> str:
    """Return the cases that fail, in a few words."""
    if not cases:
        return table.SURVIVED
    more = len(cases) - FIRST
    words = ", ".join(f"`{one}`" for one in cases[:FIRST])
    return (f"{words} and {more} more" if more > 0 else words).replace("|", "\\|")


def pure(faults: list[Fault]) -> Iterator[tuple[Fault, str]]:
    """Yield each bug of the pure files with what finds it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program.copy(folder)
        failed, output = program.run(folder)
        if failed:
            raise LabError(f"cases fail without a bug: {failed}\n{output[-2000:]}")
        for fault in faults:
            try:
                yield fault, named(program.try_out(fault, folder))
            except LabError as error:
                cache.say(str(error))
                yield fault, table.BROKEN


def in_guest(fault: Fault, guests: "Guests") -> str:
    """Return what finds a bug."""
    found, output = guests.try_out(fault)
    if found.layer_failed or not found.passed and not found.failed:
        raise LabError(f"{fault.name}: no case ran\n{output[-3000:]}")
    for case, why in found.failed:
        cache.say(f"    {case}: {why}")
        if "SystemExit" in why:     # pytest takes a signal for a failure of the case
            sys.exit(ENDED)
    return named(sorted({case for case, _ in found.failed}))


def in_guests(faults: list[Fault]) -> Iterator[tuple[Fault, str]]:
    """Yield each bug of other files with what finds it."""
    from .guests import Guests
    with tempfile.TemporaryDirectory() as name:
        guests = Guests(Path(name))
        try:
            for fault in faults:
                try:
                    yield fault, in_guest(fault, guests)
                except LabError as error:
                    cache.say(str(error))
                    yield fault, table.BROKEN
        finally:
            guests.finish()


def run(options: argparse.Namespace) -> int:
    """Run the mutants; return the exit status."""
    every = (*pure_files.FAULTS, *guest_files.FAULTS)
    todo: list[Iterator[tuple[Fault, str]]] = []
    if not options.guests:
        todo.append(pure(chosen(pure_files.FAULTS, options)))
    if not options.pure:
        todo.append(in_guests(chosen(guest_files.FAULTS, options)))
    found: dict[str, str] = {}
    table.write(every, found)
    started = time.monotonic()
    for results in todo:
        for fault, how in results:
            found[fault.name] = how
            table.write(every, found)
            now = time.monotonic()
            print(f"{fault.name} | {fault.file} | {how} | {now - started:.0f} s", flush=True)
            started = now
    bad = [name for name, how in found.items() if how in table.BAD]
    print(f"{len(found) - len(bad)} killed, {len(bad)} not")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(carrier.program("mutants", lambda: run(parse_arguments())))
