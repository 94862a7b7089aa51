# SPDX-License-Identifier: GPL-2.0-only
"""What runs of the layers have to say besides passed and failed.

A case that is skipped names its reason, one of which something was repeated notes why. Both are in
the layer's result file (JUnit); a reason that is not among those that are known counts as failed.
"""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

WIDTH = 300             # characters of a message that are shown
ITSELF = "the layer"    # that failed, rather than a case
REPEATED = "repeated"   # name of the property in a result file

KNOWN_SKIPS = {
    "KASAN uses an eighth of all memory",
    "KASAN wants memory for each block that is onlined, and complains of none",
    "a debug kernel in emulation reads less in a second than the cost floor counts",
    "coccinelle is not installed: install-deps.sh --coccinelle",
    "is not root, who can be anybody",
    "needs this project's driver",
    "no release has this kernel",
    "not in this kernel",
    "rpm enters a folder as its root: only root may",
    "the debug kernel cannot start another one",
    "the driver gives no hints in a kernel that relies on free memory",
    "the lines of the document have the names of the driver's events as hv_balloon",
    "this kernel does not time functions",
    "this kernel has no disk driver",
    "this kernel injects no faults",
    "this kernel was built without UEFI",
    "this kernel was built without that",
}

# Before a driver is loaded; or the emulated machine fails in a way that is known.
NO_BOOT = "the guest did not boot"
ASSERTION = "QEMU ended by its known assertion"
TWICE = "the emulated machine delivered an interrupt twice"
KNOWN_REPEATS = (NO_BOOT, ASSERTION, TWICE)     # how a reason begins

_noted: list[str] = []


def file_name(case: str) -> str:
    """Return a name for what is kept of a case."""
    return re.sub(r"[^\w.=-]+", "-", case).strip("-")


def note_repeat(why: str) -> None:
    """Note that something of the case that runs was repeated."""
    _noted.append(why)


def noted() -> list[str]:
    """Return what was noted since the last call."""
    found, _noted[:] = list(_noted), []
    return found


def keep_log(folder: Path, case: str, files: dict[str, str]) -> None:
    """Keep texts of a case, whole, by their names."""
    target = folder / file_name(case)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")


@dataclasses.dataclass
class Results:
    """What a layer has to say; each list has (case, why)."""

    layer: str
    seconds: float = 0
    passed: int = 0
    failed: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    repeated: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def row(self) -> str:
        """Return the layer's line of the summary."""
        return (f"{self.layer:<22} {self.passed:7} {len(self.failed):7} {len(self.skipped):8}"
                f" {len(self.repeated):9} {self.seconds:6.0f} s")

    def fail(self, why: str) -> None:
        """Count the layer itself as failed."""
        self.failed.append((ITSELF, why))

    @property
    def layer_failed(self) -> bool:
        """Tell whether the layer did not run as it should."""
        return any(case == ITSELF for case, _ in self.failed)


HEADING = f"{'layer':<22} {'passed':>7} {'failed':>7} {'skipped':>8} {'repeated':>9} {'time':>8}"


def read(report: Path, status: int, may_be_empty: bool) -> Results:
    """Return what pytest has written, given its status; `may_be_empty`: no case need match."""
    results = Results(report.stem)
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        results.fail(f"no results: {error}")
        return results
    for case in cases:
        _add(results, case)
    # pytest ends with 5 if it had nothing to run; with 0 or 1 if it ran to the end.
    if status not in (0, 1, 5) and not results.failed:
        results.fail(f"pytest ended with status {status}")
    if not cases and not may_be_empty:
        results.fail("no case ran")
    return results


def _add(results: Results, case: ElementTree.Element) -> None:
    name, before = case.get("name", ""), len(results.repeated)
    results.repeated += [(name, one.get("value", "")) for one in case.iter("property")
                         if one.get("name") == REPEATED]
    bad = [(name, _message(one)) for tag in ("failure", "error") for one in case.iter(tag)]
    bad += [(name, f"repeated for a reason that is not known: {why[:WIDTH]}")
            for _, why in results.repeated[before:] if not why.startswith(KNOWN_REPEATS)]
    skipped = [(name, _message(one)) for one in case.iter("skipped")]
    unknown = [(name, f"skipped for a reason that is not known: {why}") for name, why in skipped
               if why not in KNOWN_SKIPS]
    results.failed += bad or unknown
    if skipped and not unknown:
        results.skipped += skipped
    results.passed += not bad and not skipped


def _message(element: ElementTree.Element) -> str:
    return " ".join(element.get("message", "").split())[:WIDTH]


def merged(found: Iterable[Results], names: Iterable[str]) -> list[Results]:
    """Return one Results for each layer that ran, in that order, from those of its parts.

    Its time is that of its parts together.
    """
    whole = {name: Results(name) for name in names}
    for part in found:
        one = whole[part.layer]
        one.seconds += part.seconds
        one.passed += part.passed
        for mine, more in ((one.failed, part.failed), (one.skipped, part.skipped),
                           (one.repeated, part.repeated)):
            mine += more
    return list(whole.values())


def summary(layers: Iterable[Results], seconds: float) -> list[str]:
    """Return the lines of the summary: a row for each layer, how long all took, which is less
    where some ran at the same time, then what is to be looked at."""
    layers = list(layers)
    lines = [HEADING, *(one.row() for one in layers), f"{'in all':<57} {seconds:6.0f} s"]
    for one in layers:
        reasons = [why for _, why in one.skipped]
        lines += [f"SKIPPED {one.layer}: {reasons.count(why)}: {why}"
                  for why in sorted(set(reasons))]
    lines += [f"REPEATED {one.layer}: {name}: {why}" for one in layers
              for name, why in one.repeated]
    return lines + [f"FAILED {one.layer}: {name}: {why}" for one in layers
                    for name, why in one.failed]
