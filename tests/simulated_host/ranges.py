# SPDX-License-Identifier: GPL-2.0-only
"""Ranges of pages, as (page frame, number of pages)."""

from collections.abc import Iterator

from .memory_blocks import BLOCK
from .wire import Range, Ranges


def inside(ranges: Ranges, block: int) -> Ranges:
    """Return the parts of the ranges that lie in a block."""
    cut = ((max(start, block), min(start + count, block + BLOCK)) for start, count in ranges)
    return [(start, end - start) for start, end in cut if start < end]


def outside(ranges: Ranges, block: int) -> Iterator[Range]:
    """Return the parts of the ranges that lie elsewhere."""
    for start, count in ranges:
        if start < block:
            yield start, min(start + count, block) - start
        if start + count > block + BLOCK:
            first = max(start, block + BLOCK)
            yield first, start + count - first


def halves(ranges: Ranges) -> tuple[Ranges, Ranges]:
    """Cut each range in two; return all first parts and all second ones, large blocks split."""
    cut = [(start, count // 2, count - count // 2) for start, count in ranges]
    return ([(start, first) for start, first, _ in cut if first],
            [(start + first, second) for start, first, second in cut])
