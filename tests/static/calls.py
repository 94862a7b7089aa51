# SPDX-License-Identifier: GPL-2.0-only
"""Which file of the driver calls which: the calls, and the circles among them.

Run as a program it prints the drawing of docs/design.md: the files from those that call to those
that are called; for each those that it calls, but for calls of a file that it reaches over another
one, too. A file is named without its ending; a header counts with the file that it belongs to.
"""

import re
import sys

from lab import PROJECT

DEFINITION = re.compile(r"^(?!static\b)(?:[\w*]+[ \t*]+)+(hvb_\w+)\([^;{]*?\)\n\{", re.MULTILINE)
VARIABLE = re.compile(r"^(?!static\b|extern\b)(?:const )?struct \w+(?: \*)? ?\*?(hvb_\w+)(?:\[\])? = ",
                      re.MULTILINE)
USE = re.compile(r"\b(hvb_\w+)\b")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

Graph = dict[str, set[str]]


def sources() -> dict[str, str]:
    """Return the text of each .c file of the driver, by its name, without comments."""
    paths = sorted([*PROJECT.glob("*.c"), *PROJECT.glob("lib/*.c")])
    return {str(path.relative_to(PROJECT).with_suffix("")):
            COMMENT.sub("", path.read_text(encoding="utf-8"))
            for path in paths if not path.name.endswith(".mod.c")}


def calls(texts: dict[str, str] | None = None) -> Graph:
    """Return, for each file, the files whose functions it names."""
    texts = texts or sources()
    owner = {name: file for file, text in texts.items()
             for pattern in (DEFINITION, VARIABLE) for name in pattern.findall(text)}
    return {file: {owner[name] for name in USE.findall(text) if owner.get(name, file) != file}
            for file, text in texts.items()}


def reach(graph: Graph, start: str) -> set[str]:
    """Return all files that can be reached from one."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        for file in graph[todo.pop()] - seen:
            seen.add(file)
            todo.append(file)
    return seen


def circles(graph: Graph) -> list[frozenset[str]]:
    """Return the sets of files that call each other in a circle, the largest first."""
    reached = {file: reach(graph, file) for file in graph}
    found = {frozenset(other for other in reached[file] if file in reached[other])
             for file in graph if file in reached[file]}
    return sorted(found, key=len, reverse=True)


def levels(graph: Graph) -> dict[str, int]:
    """Return how far each file is from those that call none; there must be no circle."""
    found: dict[str, int] = {}

    def level(file: str) -> int:
        if file not in found:
            found[file] = 1 + max(map(level, graph[file]), default=-1)
        return found[file]

    for file in graph:
        level(file)
    return found


def drawing(graph: Graph) -> list[str]:
    """Return the lines of the drawing."""
    height = levels(graph)
    lines = []
    for file in sorted(graph, key=lambda file: (-height[file], file)):
        over = {far for near in graph[file] for far in reach(graph, near)}
        called = sorted(graph[file] - over, key=lambda one: (-height[one], one))
        if called:
            lines.append(f"{file:<17} -> {' '.join(called)}")
    return lines


def main() -> int:
    """Print the drawing, or the circles that it cannot show."""
    graph = calls()
    found = circles(graph)
    for circle in found:
        print(f"circle of {len(circle)}: {' '.join(sorted(circle))}")
    if not found:
        print(*drawing(graph), sep="\n")
        print(f"{sum(map(len, graph.values()))} calls between {len(graph)} files")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
