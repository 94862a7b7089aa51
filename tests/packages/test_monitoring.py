# SPDX-License-Identifier: GPL-2.0-only
"""What docs/monitoring.md describes, from the guest to the graph.

A whole Debian 13 has the package, its timer and node_exporter. Prometheus scrapes that through a
cycle of the host and must answer each query of the dashboard.
"""

import contextlib
import json
import re
import socket
import time

import pytest

from lab import PROJECT
from lab.layers import RESULTS
from lab.memory import MIB
from simulated_host import wire
from simulated_host.keeper import agreed
from simulated_host.memory_blocks import BLOCK, NewBlocks

from . import system
from .prometheus import Prometheus

DASHBOARD = PROJECT / "packaging/monitoring/grafana-dashboard.json"
PICTURE = RESULTS / "monitoring.png"    # copied to docs
OPTION = "--collector.vmstat.fields='^(oom_kill|pgpg|pswp|pg.*fault|workingset_refault).*'"
REST = 20           # seconds between two steps of the host: the timer of the package has 15
TAKEN, STEPS = 96, 4        # MiB that the host takes at once, and how often
ADDED = 2                   # memory blocks
EMPTY = ("hv_balloon_problem",)     # what a healthy guest has none of
BALLOONED, HOT_ADDED = "hv_balloon_ballooned_bytes", "hv_balloon_hot_added_online_bytes"
SIZES = "assigned", "available", "ballooned", "hot_added_online", "demand"
GRAPHS = [f'{{__name__=~"hv_balloon_({"|".join(SIZES)})_bytes"}}', "hv_balloon_pressure_ratio"]


def free_ports(count):
    """Return unused ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


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
        agreed(guest, "floor_mib=128 pressure_report_delay=0")
        guest.host.send(wire.info_max_pages(4096 * MIB))
        guest.run("systemctl enable --now hvballoon-metrics.timer")
        yield guest, exporter
        assert not guest.warnings(), "\n".join(guest.warnings())


def queries():
    """Return the queries of the dashboard, as Grafana would send them."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            for panel in panels for target in panel["targets"]]


def wait_scraped(prometheus, name, expected):
    """Wait until Prometheus has that value of a metric, and a little more."""
    prometheus.wait(lambda: prometheus.value(name) == expected)
    time.sleep(REST)


def cycle(guest, prometheus):
    """Let the host take memory in steps, give it back, and add some; each is scraped."""
    ranges = []
    for step in range(1, STEPS + 1):
        more, _ = guest.host.inflate(TAKEN * MIB)
        ranges += more
        wait_scraped(prometheus, BALLOONED, (TAKEN << 20) * step)
    guest.host.deflate(ranges)
    wait_scraped(prometheus, BALLOONED, 0)
    assert guest.host.add(guest.blocks.row(ADDED), ADDED * BLOCK) == (ADDED * BLOCK, wire.DONE)
    wait_scraped(prometheus, HOT_ADDED, ADDED * BLOCK * 4096)


def test_cycle_is_scraped(debian, tmp_path):
    """Each query of the dashboard has an answer, the figures are the host's, no alert is raised."""
    guest, exporter = debian
    start = time.time()
    with Prometheus(tmp_path, *free_ports(1), exporter) as prometheus:
        wait_scraped(prometheus, "hv_balloon_up", 1)
        cycle(guest, prometheus)
        for query in queries():
            found = prometheus.series(query, start)
            healthy = re.match(r"\w+", query).group() in EMPTY
            assert bool(found) != healthy, f"{query}: {found}"
        # A scrape may fall into an operation, and have a part of it.
        ballooned, = prometheus.series(BALLOONED, start)
        assert set(ballooned) >= {(TAKEN << 20) * step for step in range(STEPS + 1)}
        assert max(ballooned) == (TAKEN << 20) * STEPS and ballooned[-1] == 0
        added, = prometheus.series(HOT_ADDED, start)
        assert (added[0], max(added), added[-1]) == (0, ADDED * BLOCK * 4096, ADDED * BLOCK * 4096)
        groups = prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) >= 8
        assert {(rule["name"], rule["health"], rule["state"]) for rule in rules} == \
            {(rule["name"], "ok", "inactive") for rule in rules}
        prometheus.draw(GRAPHS, start, PICTURE)
        print(f"\nPrometheus has the series in {tmp_path / 'data'}, and has drawn {PICTURE}")

