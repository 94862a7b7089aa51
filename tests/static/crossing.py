# SPDX-License-Identifier: GPL-2.0-only
"""What one module of the tests takes from another, and what of that has no types."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lab import PROJECT

TESTS = PROJECT / "tests"

Names = set[tuple[str, str]]    # module, name in it


def sources() -> dict[str, str]:
    """Return the text of each module by its name, as in `import`."""
    return {_module(path): path.read_text(encoding="utf-8")
            for path in sorted(TESTS.rglob("*.py"))}


def _module(path: Path) -> str:
    parts = path.relative_to(TESTS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def untyped(texts: dict[str, str]) -> list[str]:
    """Return functions that another module takes and that lack the type of a parameter or of
    what they return; of classes that it takes all methods but private ones."""
    trees = {module: ast.parse(text) for module, text in texts.items()}
    taken: Names = set()
    for module, tree in trees.items():
        taken |= _taken(module, tree, trees)
    return [f"{module}.{name}" for module, tree in trees.items()
            for name in _untyped_in(module, tree, taken)]


def _taken(module: str, tree: ast.Module, trees: dict[str, ast.Module]) -> Names:
    """Return what a module takes from others: by name, or as an attribute of a module."""
    found: Names = set()
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            origin = _origin(module, node, trees)
            for alias in node.names:
                if f"{origin}.{alias.name}" in trees:
                    modules[alias.asname or alias.name] = f"{origin}.{alias.name}"
                else:
                    found.add((origin, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in modules:
                found.add((modules[node.value.id], node.attr))
    return found


def _origin(module: str, node: ast.ImportFrom, trees: dict[str, ast.Module]) -> str:
    """Return the module or package that an import names."""
    if not node.level:
        return node.module or ""
    is_package = any(other.startswith(f"{module}.") for other in trees)
    parts = module.split(".") + [""] * is_package
    return ".".join([*parts[:-node.level], *filter(None, [node.module])])


def _untyped_in(module: str, tree: ast.Module, taken: Names) -> Iterator[str]:
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        if (module, node.name) not in taken:
            continue
        if isinstance(node, ast.FunctionDef) and _lacks_types(node):
            yield node.name
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(one, ast.FunctionDef) and _lacks_types(one) and (
                    one.name == "__init__" or not one.name.startswith("_")):
                yield f"{node.name}.{one.name}"


def _lacks_types(function: ast.FunctionDef) -> bool:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
             *filter(None, (arguments.vararg, arguments.kwarg))]
    return function.returns is None or any(
        one.annotation is None for one in named if one.arg not in ("self", "cls"))
