# SPDX-License-Identifier: GPL-2.0-only
"""The example of Dynamic Memory, live: a stock Debian guest with this project's hv_balloon on a
real Dynamic Memory host, watched from the host, from inside the guest, and as a picture."""

import argparse
import sys
from pathlib import Path

from lab import PROJECT, LabError, accel, cache, kernels
from lab.carrier import end_on_sigterm
from lab.real_guest import HOST_DELAY, CarrierBroken, Config, RealGuest

from . import picture
from .policy import BLOCK_MIB, Limits
from .story import Story, steps_of
from .table import Table


def parse_arguments():
    """Return the parsed and checked command line."""
    parser = argparse.ArgumentParser("demo", description=__doc__)
    parser.add_argument("--kernel", choices=kernels.VERSIONS, default="6.1",
                        help="stock Debian kernel of the guest (default: %(default)s)")
    for name, default, text in (("startup", 1024, "what the guest starts with"),
                                ("minimum", 512, "the least it is left with"),
                                ("maximum", 2048, "the most it is given")):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="MIB",
                            help=f"{text} (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=PROJECT / "demo-out", metavar="FOLDER",
                        help="folder for the pictures and logs (default: demo-out in the tree)")
    options = parser.parse_args()
    if not 384 <= options.minimum <= options.startup <= options.maximum - BLOCK_MIB:
        parser.error("384 <= minimum <= startup <= maximum - 128 must hold")
    return options


def show(options, table):
    """Run the example on a fresh guest and write the pictures; LabError if a step fails."""
    limits = Limits(options.startup, options.minimum, options.maximum)
    config = Config(options.kernel, limits.startup, limits.maximum)
    with accel.open_carrier(limits.maximum) as carrier:
        cache.say(f"booting a Debian guest, kernel {options.kernel}")
        with RealGuest(carrier, config) as guest:
            guest.load()
            table.say(f"The guest is up and has loaded hv_balloon. This host waits {HOST_DELAY} s "
                      "after that before it asks for anything.")
            try:
                _tell(guest, limits, table, options.out)
            finally:
                (options.out / "guest.log").write_text(guest.log(), encoding="utf-8")


def _tell(guest, limits, table, folder):
    story = Story(guest, limits, table)
    try:
        story.tell()
    finally:
        if story.record.layouts:
            picture.draw(story.record, guest.release, folder)
    warnings = guest.warnings()
    if warnings:
        raise LabError("the guest's log has warnings:\n" + "\n".join(warnings))


def main():
    """Run the demo; return the exit status."""
    options = parse_arguments()
    end_on_sigterm()
    options.out.mkdir(parents=True, exist_ok=True)
    steps = len(steps_of(Limits(options.startup, options.minimum, options.maximum)))
    table = Table(steps)
    try:
        try:
            show(options, table)
        except CarrierBroken as error:
            cache.say(f"starting over once, since {error}")
            show(options, table)
    except LabError as error:
        table.say(f"\ndemo FAILED: {error}", "Warning")
        return 1
    except KeyboardInterrupt:
        return 130
    table.say(f"\nPictures: {options.out}/demo.png, {options.out}/demo.svg")
    table.say(f"demo PASSED: {steps} of {steps} steps reached on kernel {options.kernel}, "
              "no warning in the guest's log", "OK")
    return 0


if __name__ == "__main__":
    sys.exit(main())
