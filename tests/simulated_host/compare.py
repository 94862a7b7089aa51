# SPDX-License-Identifier: GPL-2.0-only
"""Run the scripts of the simulated host on the kernel's own driver and print what it fails.

Where both drivers pass the scripts are right; where only this one does it is better. Figures that
the kernel's driver does not have count as right; scripts that are about such figures only, or need
a kernel that injects faults, are left out.
"""

import argparse
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from lab import PROJECT

SCRIPTS = PROJECT / "tests/simulated_host"
# What only this driver has: its files, events and tools, and what only the debug kernel has.
LEFT_OUT = {"adopt", "command", "debugfs", "edges", "examples", "hints",
            "hotplug_map", "injection", "signing", "sysfs", "takeover", "trace",
            "tracers"}
NAMES = sorted({path.stem.removeprefix("test_") for path in SCRIPTS.glob("test_*.py")} - LEFT_OUT)
CRASHED = "the guest does not answer any more"


def parse_arguments():
    """Return the parsed command line."""
    parser = argparse.ArgumentParser("simulated_host.compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=("6.1", "6.12", "debug"), default="6.1")
    parser.add_argument("-T", metavar="NAME", dest="select", default="",
                        help="only the cases whose names match (pytest -k)")
    parser.add_argument("--script", action="append", choices=NAMES,
                        help="only this one; may be given more than once")
    parser.add_argument("--read", action="store_true",
                        help="run nothing, print the results of all scripts that were run before")
    return parser.parse_args()


def run(options, name, report):
    """Run one script on the kernel's own driver."""
    subprocess.run(["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-v",
                    "--tb=short", SCRIPTS / f"test_{name}.py", f"--kernel={options.kernel}",
                    "--driver=in-tree", f"--junitxml={report}", "-k", options.select],
                   cwd=PROJECT, check=False, stdin=subprocess.DEVNULL)


def reason(case):
    """Return why a case failed, in a few words, or nothing if it passed."""
    bad = [*case.iter("failure"), *case.iter("error")]
    if not bad:
        return ""
    messages = [" ".join(one.get("message", "").split()) for one in bad]
    if any("MachineSilent" in one for one in messages):
        return CRASHED
    return messages[0].removeprefix("AssertionError: ").replace("|", "\\|")[:120]


def main():
    """Run and print the table."""
    options = parse_arguments()
    folder = PROJECT / f"build/results/in-tree-{options.kernel}"
    folder.mkdir(parents=True, exist_ok=True)
    if not options.read:
        for name in options.script or NAMES:
            run(options, name, folder / f"{name}.xml")
    cases = [case for report in sorted(folder.glob("*.xml"))
             for case in ElementTree.parse(report).getroot().iter("testcase")]
    print(f"\n| fails with the driver of kernel {options.kernel} | how |\n| --- | --- |")
    failed = {f"{case.get('classname').rpartition('.')[2]}: {case.get('name')}": reason(case)
              for case in cases if reason(case)}
    for name, why in failed.items():
        print(f"| {name} | {why} |")
    print(f"\n{len(cases) - len(failed)} of {len(cases)} cases pass with it.")


if __name__ == "__main__":
    sys.exit(main())
