# SPDX-License-Identifier: GPL-2.0-only
"""Which file of the driver calls which: the calls, and the circles among them.

Run as a program it prints, for each file, the files that it calls, and the circles. A file is
named without its ending; a header counts with the file that it belongs to.
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


def main():
    """Print the calls and the circles."""
    graph = calls()
    for file, called in sorted(graph.items()):
        print(f"{file:<20} {' '.join(sorted(called))}")
    print(f"{sum(map(len, graph.values()))} calls between {len(graph)} files")
    for circle in circles(graph):
        print(f"circle of {len(circle)}: {' '.join(sorted(circle))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
