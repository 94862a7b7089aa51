# SPDX-License-Identifier: GPL-2.0-only
"""CONTRIBUTING.md names what there is: the sample is a case that is run, the fixtures exist."""

import ast
import re

from lab import PROJECT

TESTS = PROJECT / "tests"
PAGE = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LAYERS = {"simulated host": "simulated_host", "real host": "real_host", "tool": "tool"}


def _fixtures(text: str) -> set[str]:
    """Return the names of the fixtures that a conftest.py defines."""
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)
            and any("fixture" in ast.unparse(one) for one in node.decorator_list)}


def _named() -> dict[str, set[str]]:
    """Return the fixtures that the page names, by layer; an empty cell repeats the one above."""
    found: dict[str, set[str]] = {}
    layer = ""
    for name, cell in re.findall(r"^\| `(\w+)` \| ([^|]*)\|", PAGE, re.MULTILINE):
        layer = cell.strip() or layer
        found.setdefault(layer, set()).add(name)
    return found


def test_fixtures_are_those_of_the_layers():
    """Each that a case can take, and no other."""
    assert _named() == {layer: _fixtures((TESTS / folder / "conftest.py").read_text(encoding="utf-8"))
                        for layer, folder in LAYERS.items()}


def test_sample_is_run():
    """It stands so in a script of the simulated host."""
    samples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    scripts = "".join(path.read_text(encoding="utf-8")
                      for path in (TESTS / "simulated_host").glob("test_*.py"))
    assert samples and all(f"\n\n{sample}\n\n" in scripts for sample in samples)


def test_a_fixture_is_found():
    """However it is declared, and a function that is none is not."""
    text = ("@pytest.fixture\ndef a():\n    pass\n\n\n@pytest.fixture(scope='module')\ndef b():\n"
            "    pass\n\n\ndef c():\n    pass\n")
    assert _fixtures(text) == {"a", "b"}
