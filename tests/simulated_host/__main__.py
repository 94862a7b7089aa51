# SPDX-License-Identifier: GPL-2.0-only
"""Boot a guest with a simulated host, load the driver, agree with it, and take commands."""

import argparse
import sys

from lab import LabError, kernels
from lab.carrier import end_on_sigterm

from . import prompt
from .keeper import agreed
from .simulator import Simulator


def main() -> int:
    """Run the prompt; return the exit status."""
    parser = argparse.ArgumentParser("simulated_host", description=__doc__,
                                     epilog=f"Commands:\n{prompt.HELP}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=(*kernels.VERSIONS, kernels.DEBUG), default="6.1")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE",
                        help="parameter of the module; may be given more than once")
    options = parser.parse_args()
    end_on_sigterm()
    try:
        with Simulator(options.kernel) as guest:
            return prompt.HostPrompt(agreed(guest, " ".join(options.param))).run()
    except LabError as error:
        print(f"simulated_host: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
