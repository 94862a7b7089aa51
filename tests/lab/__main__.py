# SPDX-License-Identifier: GPL-2.0-only
"""The test lab at the command line: stock kernels, headers, sources, and guests to work in."""

import argparse
import sys
from pathlib import Path

from . import accel, build, carrier, interactive, kernels, packages
from .real_guest import Config, RealGuest


def print_kdir(options):
    """Print the folder to pass as KDIR for that kernel."""
    print(kernels.kernel(options.kernel).headers)


def print_source(options):
    """Print the folder of that kernel's unpacked source."""
    print(kernels.source(options.kernel))


def print_bundle(options):
    """Print the folder of unpacked packages of that name."""
    print(packages.bundle(options.name))


def boot(options):
    """Boot a guest on a Dynamic Memory host, load hv_balloon, and take commands from stdin."""
    config = Config(options.kernel, options.mem, max(options.mem, options.max), options.smp,
                    _module(options), options.append)
    with accel.open_carrier(config.maximum) as opened, RealGuest(opened, config) as guest:
        if not options.no_load:
            guest.load(" ".join(options.param), intree=options.intree)
        return interactive.Session(guest).run()


def _module(options):
    if options.intree:
        return build.intree_module(options.kernel)
    return options.module.resolve(strict=True) if options.module else None


def parse_arguments():
    """Return the parsed command line."""
    parser = argparse.ArgumentParser("lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
            ("kdir", print_kdir, "print the stock headers of a kernel, for make KDIR=..."),
            ("source", print_source, "print the unpacked stock source of a kernel")):
        command = commands.add_parser(name, help=text, description=action.__doc__)
        command.add_argument("kernel", choices=kernels.VERSIONS)
        command.set_defaults(action=action)
    command = commands.add_parser("bundle", help="print the folder of packages that are unpacked",
                                  description=print_bundle.__doc__)
    command.add_argument("name", choices=sorted(packages.BUNDLES))
    command.set_defaults(action=print_bundle)
    _add_boot(commands)
    return parser.parse_args()


def _add_boot(commands):
    command = commands.add_parser(
        "boot", help="boot a guest and take commands from stdin", description=boot.__doc__,
        epilog="Commands:\n" + interactive.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--kernel", choices=kernels.VERSIONS, default="6.1")
    command.add_argument("--mem", type=int, default=1024, metavar="MIB", help="startup memory")
    command.add_argument("--max", type=int, default=4096, metavar="MIB", help="maximum memory")
    command.add_argument("--smp", type=int, default=2, metavar="N", help="processors")
    command.add_argument("--module", type=Path, metavar="FILE",
                         help="module to load (default: this tree's, built for the kernel)")
    command.add_argument("--param", action="append", default=[], metavar="NAME=VALUE",
                         help="parameter of the module; may be given more than once")
    command.add_argument("--intree", action="store_true",
                         help="load the distribution's own hv_balloon instead")
    command.add_argument("--no-load", action="store_true", help="load no hv_balloon yet")
    command.add_argument("--append", default="", metavar="TEXT", help="kernel command line")
    command.set_defaults(action=boot)


def main():
    """Run the command; return the exit status."""
    options = parse_arguments()
    return carrier.program("lab", lambda: options.action(options))


if __name__ == "__main__":
    sys.exit(main())
