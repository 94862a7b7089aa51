# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Prometheus, which scrapes one node_exporter, and a browser for the graphs that it draws.

Both run in a root of Debian 12, which needs the rights of root.
"""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import PROJECT, roots
from lab.carrier import die_with_parent

RULES = PROJECT / "packaging/monitoring/hv_balloon.rules.yml"
RELEASE, PROGRAMS = "bookworm", ("prometheus", "chromium", "fonts-dejavu-core")
SCRAPE = 10     # seconds, which a scrape may take, too
READY = 300     # seconds for a program to answer, and for a change to be scraped
DRAWN = 300     # seconds for the browser
WIDTH, HEIGHT, ABOVE = 1200, 750, 90    # pixels: of a graph with its legend, and above the first


class Prometheus:
    """A Prometheus with the project's rules. A context manager."""

    def __init__(self, folder: Path, port: int, exporter: int) -> None:
        self._folder, self._url = folder, f"http://127.0.0.1:{port}"
        self._root = roots.root(f"{RELEASE}-prometheus", RELEASE, PROGRAMS)
        rules = shutil.copy(RULES, folder)
        config = folder / "prometheus.json"     # which is YAML too
        config.write_text(json.dumps({
            "global": {"scrape_interval": f"{SCRAPE}s", "scrape_timeout": f"{SCRAPE}s",
                       "evaluation_interval": f"{SCRAPE}s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "node", "static_configs": [
                {"targets": [f"127.0.0.1:{exporter}"]}]}]}), encoding="utf-8")
        self._command = self._enter(
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}")
        self._log = folder / "prometheus.log"

    def _enter(self, *words):
        return roots.enter(self._root, *words, shared=("/dev", self._folder))

    def __enter__(self) -> "Prometheus":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT,
                                             preexec_fn=die_with_parent)
        self.wait(lambda: self.ask("query", query="up") is not None)
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        self._process.wait()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until condition() holds; its errors are those of a program that starts."""
        deadline = time.monotonic() + READY
        while True:
            with contextlib.suppress(OSError):
                if condition():
                    return
            assert time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(1)

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return the data of an answer of its interface."""
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{self._url}/api/v1/{what}?{query}", timeout=READY) as answer:
            reply = json.load(answer)
        assert reply["status"] == "success", reply
        return reply["data"]

    def value(self, name: str) -> float | None:
        """Return the value that a metric has now."""
        found = self.ask("query", query=name)["result"]
        return float(found[0]["value"][1]) if found else None

    def series(self, query: str, start: float) -> list[list[float]]:
        """Return the values of each series that a query has had since then."""
        found = self.ask("query_range", query=query, start=start, end=time.time(), step=SCRAPE)
        return [[float(value) for _, value in one["values"]] for one in found["result"]]

    def draw(self, queries: list[str], start: float, file: Path) -> None:
        """Write the picture (PNG) of the graphs of queries since then, as its own page has them."""
        arguments: dict[str, Any] = {}
        for number, query in enumerate(queries):
            arguments |= {f"g{number}.{key}": value for key, value in (
                ("expr", query), ("tab", 0), ("range_input", f"{int(time.time() - start)}s"))}
        page = f"{self._url}/classic/graph?{urllib.parse.urlencode(arguments)}"
        drawn = self._folder / "graph.png"
        subprocess.run(self._enter(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--hide-scrollbars", f"--user-data-dir={self._folder}/browser",
            f"--window-size={WIDTH},{ABOVE + HEIGHT * len(queries)}", "--virtual-time-budget=20000",
            f"--screenshot={drawn}", page), check=True, timeout=DRAWN,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn, file)
