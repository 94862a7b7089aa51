# SPDX-License-Identifier: GPL-2.0-only
"""The table of the layers in docs/testing.md: made of what is run, and counted."""

import os
import re
import subprocess
from concurrent import futures

from . import PROJECT, LabError
from .layers import ALL, LAYERS, NONE, Layer

HEADING = ("layer", "what runs", "cases, daily / all", "kernels", "checkers beside the cases",
           "minutes daily", "finds")


def lines() -> list[str]:
    """Return the lines of the table."""
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [_row(HEADING), _row(["---"] * len(HEADING)), *pool.map(_layer_row, LAYERS)]


def count(layer: Layer, select: str, thorough: bool) -> int:
    """Return how many cases pytest finds."""
    # Who collects those of the kernel runs it: they are those of the program, and one more.
    folder = layer.folder.replace("test_kunit", "test_unit")
    command = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q",
               "--collect-only", folder, *layer.arguments, *(layer.thorough if thorough else ())]
    both = " and ".join(f"({one})" for one in (layer.cases, select) if one)
    if both:
        command += ["-k", both]
    output = subprocess.run(command, cwd=PROJECT, check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    found = re.search(r"^(\d+)(?:/\d+)? tests? collected", output, re.MULTILINE)
    if not found:
        raise LabError(f"{layer.name}: pytest finds no cases:\n{output}")
    return int(found.group(1)) + (folder != layer.folder)


def _layer_row(layer):
    every = count(layer, ALL, True)
    if layer.daily is NONE:
        daily, minutes = 0, "`make check-all`"
    else:
        same = layer.daily == ALL and not layer.thorough
        daily = every if same else count(layer, layer.daily, False)
        minutes = layer.minutes
    return _row([f"`{layer.name}`", layer.purpose, f"{daily} / {every}", layer.kernels,
                 layer.checkers, minutes, layer.finds])


def _row(cells):
    return f"| {' | '.join(cells)} |"
