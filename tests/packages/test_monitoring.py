# SPDX-License-Identifier: GPL-2.0-only
"""What docs/monitoring.md describes, from the guest to the graph.

A whole Debian 13 has the package, its timer and node_exporter. Prometheus scrapes that through a
cycle of the host and must answer each query of the dashboard.
"""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from lab import PROJECT, packages as bundles
from lab.memory import MIB
from simulated_host import wire
from simulated_host.keeper import agreed
from simulated_host.memory_blocks import BLOCK, NewBlocks

from . import system

MONITORING = PROJECT / "packaging/monitoring"
OPTION = "--collector.vmstat.fields='^(oom_kill|pgpg|pswp|pg.*fault|workingset_refault).*'"
SCRAPE, WRITTEN = 5, 15     # seconds: Prometheus, and the timer of the package
REST = 2 * WRITTEN          # between two steps of the host
READY = 120                 # seconds for a program to answer
TAKEN, STEPS = 96, 4        # MiB that the host takes at once, and how often
ADDED = 2                   # memory blocks
EMPTY = ("hv_balloon_problem",)     # what a healthy guest has none of


def free_ports(count):
    """Return unused ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Prometheus:
    """Debian's Prometheus, which scrapes one node_exporter."""

    def __init__(self, folder, port, exporter):
        self._url = f"http://127.0.0.1:{port}"
        rules = shutil.copy(MONITORING / "hv_balloon.rules.yml", folder)
        config = folder / "prometheus.json"     # which is YAML too
        config.write_text(json.dumps({
            "global": {"scrape_interval": f"{SCRAPE}s", "evaluation_interval": f"{SCRAPE}s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "node", "static_configs": [
                {"targets": [f"127.0.0.1:{exporter}"]}]}]}), encoding="utf-8")
        program = bundles.bundle("prometheus") / "usr/bin/prometheus"
        self._command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                         f"--web.listen-address=127.0.0.1:{port}"]
        self._log = folder / "prometheus.log"

    def __enter__(self):
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        self.wait(lambda: self.ask("query", query="up") is not None)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def wait(self, condition):
        """Wait until condition() holds; its errors are those of a program that starts."""
        deadline = time.monotonic() + READY
        while True:
            with contextlib.suppress(OSError):
                if condition():
                    return
            assert time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(1)

    def ask(self, what, **arguments):
        """Return the data of an answer of its interface."""
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{self._url}/api/v1/{what}?{query}", timeout=READY) as answer:
            reply = json.load(answer)
        assert reply["status"] == "success", reply
        return reply["data"]

    def series(self, query, start):
        """Return the values of each series that a query has had since then."""
        found = self.ask("query_range", query=query, start=start, end=time.time(), step=SCRAPE)
        return [[float(value) for _, value in one["values"]] for one in found["result"]]


@pytest.fixture(name="debian")
def fixture_debian(packages):
    """The guest with the package, as docs/monitoring.md says, and the port of its exporter."""
    command = next(file for file in packages[-1] if file.name.startswith("hvballoon_"))
    exporter, = free_ports(1)
    with system.booted({"package": command}, exporter) as guest:
        guest.run("""set -e
            printf '[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n' \
                >/etc/systemd/network/lab.network
            systemctl start systemd-networkd
            dpkg -i /lab/package/*.deb
            sed -i "s/^ARGS=.*//" /etc/default/prometheus-node-exporter""", 180)
        guest.run(f"""echo "ARGS=\\"{OPTION}\\"" >>/etc/default/prometheus-node-exporter
            systemctl restart prometheus-node-exporter""")
        guest.blocks = NewBlocks()
        agreed(guest, "floor_mib=128")
        guest.host.send(wire.info_max_pages(4096 * MIB))
        guest.run("systemctl enable --now hvballoon-metrics.timer")
        yield guest, exporter
        assert not guest.warnings(), "\n".join(guest.warnings())


def queries():
    """Return the queries of the dashboard, as Grafana would send them."""
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    return [target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            for panel in panels for target in panel["targets"]]


def cycle(guest):
    """Let the host take memory in steps, give it back, and add some."""
    ranges = []
    for _ in range(STEPS):
        time.sleep(REST)
        more, _ = guest.host.inflate(TAKEN * MIB)
        ranges += more
    time.sleep(REST)
    guest.host.deflate(ranges)
    time.sleep(REST)
    assert guest.host.add(guest.blocks.row(ADDED), ADDED * BLOCK) == (ADDED * BLOCK, wire.DONE)
    time.sleep(REST)


def test_cycle_is_scraped(debian, tmp_path):
    """Each query of the dashboard has an answer, the figures are the host's, no alert is raised."""
    guest, exporter = debian
    start = time.time()
    with Prometheus(tmp_path, *free_ports(1), exporter) as prometheus:
        prometheus.wait(lambda: prometheus.series("hv_balloon_up", start))
        cycle(guest)
        for query in queries():
            found = prometheus.series(query, start)
            healthy = re.match(r"\w+", query).group() in EMPTY
            assert bool(found) != healthy, f"{query}: {found}"
        ballooned, = prometheus.series("hv_balloon_ballooned_bytes", start)
        assert sorted(set(ballooned)) == [(TAKEN << 20) * step for step in range(STEPS + 1)]
        added, = prometheus.series("hv_balloon_hot_added_online_bytes", start)
        assert sorted(set(added)) == [0, ADDED * BLOCK * 4096]
        groups = prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) >= 8
        assert {(rule["name"], rule["health"], rule["state"]) for rule in rules} == \
            {(rule["name"], "ok", "inactive") for rule in rules}
        print(f"\nPrometheus has the series in {tmp_path / 'data'}")

