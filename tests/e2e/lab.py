#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The test lab at the command line: stock kernels, headers, sources, and guests to work in."""

import argparse
import sys

from lab import LabError, kernels


def print_kdir(options):
    """Print the folder to pass as KDIR for that kernel."""
    print(kernels.kernel(options.kernel).headers)


def print_source(options):
    """Print the folder of that kernel's unpacked source."""
    print(kernels.source(options.kernel))


def parse_arguments():
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
            ("kdir", print_kdir, "print the stock headers of a kernel, for make KDIR=..."),
            ("source", print_source, "print the unpacked stock source of a kernel")):
        command = commands.add_parser(name, help=text, description=action.__doc__)
        command.add_argument("kernel", choices=kernels.VERSIONS)
        command.set_defaults(action=action)
    return parser.parse_args()


def main():
    """Run the command; return the exit status."""
    options = parse_arguments()
    try:
        return options.action(options)
    except LabError as error:
        print(f"lab.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
