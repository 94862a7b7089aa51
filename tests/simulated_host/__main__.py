# SPDX-License-Identifier: GPL-2.0-only
"""Boot a guest with a simulated host, load the driver, agree with it, and take commands."""

import argparse
import sys

from lab import carrier, kernels

from . import prompt
from .keeper import agreed
from .simulator import Simulator


def run(kernel: str, parameters: list[str]) -> int:
    """Take commands for a guest with the driver."""
    with Simulator(kernel) as guest:
        return prompt.HostPrompt(agreed(guest, " ".join(parameters))).run()


def main() -> int | None:
    """Run the prompt; return the exit status."""
    parser = argparse.ArgumentParser("simulated_host", description=__doc__,
                                     epilog=f"Commands:\n{prompt.HELP}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=(*kernels.VERSIONS, kernels.DEBUG), default="6.1")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE",
                        help="parameter of the module; may be given more than once")
    options = parser.parse_args()
    return carrier.program("simulated_host", lambda: run(options.kernel, options.param))


if __name__ == "__main__":
    sys.exit(main())
