# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's figures as a picture: how many times ours each driver needs."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

# What less is better of, and what each driver has.
FIGURES = ("instructions", "ranges", "messages", "longest stall, ms",
           "lost for 1 GiB out and back, s")
COLOURS = ("#D55E00", "#999999", "#0072B2", "#E69F00", "#009E73")  # told apart in grey, too
BAR = 0.8


def draw(found: dict[str, Any], ours: str, others: Sequence[str], path: Path) -> None:
    """Write the picture; nothing if there is nothing to compare."""
    rows = list(_rows(found, ours, others))
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(11, 1.5 + 0.45 * len(rows)), layout="constrained")
    height = BAR / len(others)
    for number, (other, colour) in enumerate(zip(others, COLOURS)):
        places = [place + number * height for place, (_, row) in enumerate(rows) if other in row]
        axes.barh(places, [row[other] - 1 for _, row in rows if other in row], height, left=1,
                  color=colour, label=other)
    axes.set_yticks([place + BAR / 2 - height / 2 for place in range(len(rows))],
                    [name for name, _ in rows])
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black")
    axes.set_xlabel("times what this driver needs (right of 1: the other driver needs more)")
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    pyplot.close(figure)


def _rows(found, ours, others):
    """Yield what is compared: its name and each other driver's ratio."""
    for workload, steps in found.items():
        for step, figures in steps.items():
            for figure in FIGURES:
                row = figures.get(figure, {})
                mine = statistics.median(row[ours]) if ours in row else 0
                ratios = {name: statistics.median(row[name]) / mine for name in others
                          if name in row and mine and statistics.median(row[name])}
                if ratios:
                    yield f"{workload}: {step}, {figure}", ratios
