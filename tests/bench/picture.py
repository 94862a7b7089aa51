# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's figures as pictures: how many times ours each driver needs, and curves."""

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
LINES = {"assigned": "#0072B2", "demand": "#E69F00", "used": "#D55E00"}


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


def draw_curves(curves: dict[str, Any], folder: Path) -> None:
    """Write a picture for each workload and driver: a row for each run, over its time."""
    for workload, drivers in curves.items():
        for driver, runs in drivers.items():
            name = f"{workload}-{driver}".replace(", ", "-").replace(" ", "-")
            _draw_runs(f"{workload}, {driver}", runs, folder / f"{name}.svg")


def _draw_runs(title, runs, path):
    figure, rows = pyplot.subplots(len(runs), figsize=(9, 1 + 2.2 * len(runs)), sharex=True,
                                   squeeze=False, layout="constrained")
    for axes, samples in zip(rows[:, 0], runs):
        _draw_run(axes, samples)
    figure.suptitle(title)
    rows[-1, 0].set_xlabel("seconds")
    rows[0, 0].legend(frameon=False, loc="upper left")
    figure.savefig(path)
    pyplot.close(figure)


def _draw_run(axes, samples):
    times = [sample["seconds"] for sample in samples]
    for name, colour in LINES.items():
        axes.plot(times, [sample[name] for sample in samples], color=colour, label=name)
    axes.fill_between(times, [sample["used"] for sample in samples],
                      [sample["assigned"] for sample in samples], color="#DDDDDD")
    for before, sample in zip(samples, samples[1:]):
        if sample["kills"] > before["kills"]:
            axes.axvline(sample["seconds"], color="black", linestyle=":")
            axes.annotate(" killed", (sample["seconds"], 0))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("MiB")
    axes.spines[["top", "right"]].set_visible(False)
