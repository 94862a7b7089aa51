# SPDX-License-Identifier: GPL-2.0-only
"""Timeline and memory layout as a picture, PNG and SVG."""

import itertools
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import Patch

from .story import Record

# Okabe-Ito: told apart with every common kind of colour blindness, and in grey.
IN_USE, FREE, BALLOONED = "#0072B2", "#BFE0F2", "#E69F00"
ASSIGNED, DEMAND = "#000000", "#D55E00"
FAINT = "#777777"
PIECE_PAGES = 1024  # of one line of memlayout
PIECE_MIB = 4
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
         "axes.titlelocation": "left", "axes.titleweight": "bold", "svg.fonttype": "none",
         "font.family": "DejaVu Sans"}


def draw(record: Record, kernel: str, folder: Path) -> None:
    """Write demo.png and demo.svg into the folder."""
    with pyplot.rc_context(STYLE):
        figure = pyplot.figure(figsize=(12, 10.5), layout="constrained")
        figure.suptitle("Dynamic Memory at work: a Linux guest between "
                        f"{record.limits.minimum} and {record.limits.maximum} MiB", x=0.01,
                        ha="left", fontsize=15, fontweight="bold")
        upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1), hspace=0.04)
        _timeline(upper.subplots(), record, kernel)
        _layouts(lower, record)
        figure.savefig(folder / "demo.png", dpi=130)
        figure.savefig(folder / "demo.svg")
        pyplot.close(figure)


def _timeline(axes, record, kernel):
    samples = record.samples
    seconds = [sample.seconds for sample in samples]
    available = [sample.available for sample in samples]
    ballooned = [sample.ballooned for sample in samples]
    in_use = [max(0, sample.total - sample.available - taken)
              for sample, taken in zip(samples, ballooned)]
    axes.stackplot(seconds, in_use, available, ballooned, colors=(IN_USE, FREE, BALLOONED),
                   labels=("guest: in use", "guest: available", "guest: held by the balloon"))
    axes.step(seconds, [sample.assigned for sample in samples], where="post", color=ASSIGNED,
              linewidth=2.4, label="host: assigned memory")
    axes.plot(seconds, [sample.demand for sample in samples], color=DEMAND, linewidth=2,
              linestyle=(0, (4, 1.5)), label="host: demand")
    axes.set_title(f"Timeline (guest kernel {kernel})", pad=56)
    axes.set_xlabel("seconds since the guest was up (this host waits 50 s before it acts; "
                    "the guest's figures leave out what its kernel keeps for itself)")
    axes.set_ylabel("MiB")
    axes.set_xlim(0, seconds[-1])
    axes.set_ylim(0, record.limits.maximum * 1.08)
    _mark_limits(axes, record.limits)
    _mark_steps(axes, record)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=5, frameon=False)


def _mark_limits(axes, limits):
    for name, value in (("minimum", limits.minimum), ("startup", limits.startup),
                        ("maximum", limits.maximum)):
        axes.axhline(value, color=FAINT, linewidth=0.9, linestyle=":")
        axes.annotate(f"{name}\n{value}", (1.006, value), xycoords=("axes fraction", "data"),
                      color=FAINT, va="center", fontsize=9, annotation_clip=False)


def _mark_steps(axes, record):
    """Number the steps above the timeline and draw their borders."""
    end = record.samples[-1].seconds
    starts = [(index, next(group).seconds) for index, group
              in itertools.groupby(record.samples, key=lambda sample: sample.step)]
    ends = [start for _, start in starts[1:]] + [end]
    for (index, start), stop in zip(starts, ends):
        if start > 0:
            axes.axvline(start, color=FAINT, linewidth=0.9)
        wide = stop - start > 0.1 * end
        title = record.steps[index].title.replace(" ", "\n", 1) if wide else ""
        axes.annotate(f"{index + 1}", ((start + stop) / 2, 1.115),
                      xycoords=("data", "axes fraction"), ha="center", va="center",
                      fontweight="bold", color="white", annotation_clip=False,
                      bbox={"boxstyle": "circle,pad=0.25", "color": "#444444"})
        axes.annotate(title, ((start + stop) / 2, 1.045), xycoords=("data", "axes fraction"),
                      ha="center", va="center", fontsize=9, annotation_clip=False)


def _layouts(figure, record):
    """Draw one strip per step: physical memory by address, and what it is used for."""
    figure.suptitle("Memory layout at the end of each step, by physical address",
                    x=0.01, ha="left", fontsize=12, fontweight="bold")
    rows = figure.subplots(len(record.layouts), 1, sharex=True, squeeze=False)[:, 0]
    for index, (axes, layout) in enumerate(zip(rows, record.layouts)):
        _layout(axes, record, index, layout)
    rows[-1].set_xlabel("MiB of guest memory (hot-added memory is drawn next to boot memory; "
                        "it lies higher)")
    rows[-1].tick_params(bottom=True, labelbottom=True)
    figure.legend(handles=[Patch(color=IN_USE, label="in use (caches included)"),
                           Patch(color=FREE, label="free"),
                           Patch(color=BALLOONED, label="ballooned: the host has it")],
                  loc="upper right", ncols=3, frameon=False)


def _layout(axes, record, index, layout):
    boot = [piece for piece in layout if piece[0] < _hot_added_from(layout, record.limits)]
    pieces = boot + layout[len(boot):]
    edges = [number * PIECE_MIB for number in range(len(pieces) + 1)]
    shares = [[piece[column] / PIECE_PAGES for piece in pieces + pieces[-1:]]
              for column in (1, 3, 2)]
    axes.stackplot(edges, shares, colors=(IN_USE, BALLOONED, FREE), step="post", linewidth=0)
    border = len(boot) * PIECE_MIB
    if len(pieces) > len(boot):
        axes.axvline(border, color="black", linewidth=2)
        axes.annotate("hot-added", (border + 8, 1.04), fontsize=8, va="bottom",
                      annotation_clip=False)
    axes.annotate("boot memory", (0, 1.04), fontsize=8, va="bottom", annotation_clip=False)
    axes.set(xlim=(0, record.limits.reachable), ylim=(0, 1), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(bottom=False)
    axes.set_ylabel(f"{index + 1}  {record.steps[index].title}\n{_summary(layout)}", rotation=0,
                    ha="right", va="center", fontsize=9)


def _hot_added_from(layout, limits):
    """Return the address behind which memory is hot-added: the boot memory ends before it."""
    high = layout[0][0]
    for number, piece in enumerate(layout):
        if number * PIECE_MIB >= limits.startup:
            return piece[0]
        high = piece[0]
    return high + PIECE_MIB


def _summary(layout):
    in_use, free, ballooned = (sum(piece[column] for piece in layout) // 256
                               for column in (1, 2, 3))
    text = f"{in_use} in use, {free} free"
    return f"{text},\n{ballooned} ballooned" if ballooned else text
