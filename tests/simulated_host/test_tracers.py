# SPDX-License-Identifier: GPL-2.0-only
"""Each line of docs/figures.md that answers a question by trace events, with the tools of Debian.

The guest has a root of the release whose kernel it runs, with these tools; making that needs the
rights of root.
"""

import contextlib
import re
import threading
from concurrent import futures

import pytest

from lab import HV_BALLOON, PROJECT, kernels, roots

from . import balance, wire
from .tracing import TRACING, cut_up

RELEASES = {"6.1": "bookworm", "6.12": "trixie"}
TOOLS = ("linux-perf", "trace-cmd", "bpftrace")
SECTION = re.compile(r"^### One line for each question$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```$\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTER = """
modprobe -a 9p 9pnet_virtio
mkdir /tools
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose tools /tools
for folder in proc sys dev; do mount --rbind /$folder /tools/$folder; done
mount -t tmpfs tmpfs /tools/tmp
"""
# A line without an end of its own is watched so long; bpftrace takes some seconds to begin.
WATCH = "timeout --foreground -s INT 20"
TIMED_OUT = 124     # its status
LIMIT = 120         # seconds for a line
PAUSE = 0.3         # seconds between two requests of the host
# What a line shows, by what is in it; the others show the names of their events.
SHOWN = (
    ("'hist:", r"^\{ .*\} hitcount: +[1-9]"),
    ("hist(", r"^@us\[[012]\]: *\n\[.*\) +[1-9]"),
    ("printf(", r"^\d+ MiB needed, \d+ available$"),
    ("perf stat", r"^ +[1-9]\d* +hyperv:balloon_\w+"),
)


def lines():
    """Return the lines of all blocks of the section."""
    section, = SECTION.findall((PROJECT / "docs/figures.md").read_text(encoding="utf-8"))
    return [line for block in BLOCK.findall(section) for line in block.splitlines()]


def shown(line):
    """Return the regular expressions that must be found in what a line shows."""
    for part, expression in SHOWN:
        if part in line:
            return [expression]
    names = re.findall(r"\bballoon_[a-z_]+\*?", line)
    return [rf"\b{name}[:(]".replace("*", r"\w+") for name in names]


@pytest.fixture(scope="module")
def equipped(keeper, request):
    """A guest with the tools, whose driver reports each second."""
    kernel = request.config.getoption("--kernel")
    if kernel == kernels.DEBUG:
        pytest.skip("no release has this kernel")
    if request.config.getoption("--module") != HV_BALLOON:
        pytest.skip("the lines of the document have the names of the driver's events as hv_balloon")
    release = RELEASES[kernel]
    root = roots.root(f"{release}-tracers", release, TOOLS)
    share = f"local,path={root},mount_tag=tools,security_model=none,readonly=on"
    with keeper.new(drivers=("9p", "9pnet_virtio"), devices=("-virtfs", share)) as guest:
        guest.run(ENTER)
        marked = balance.marked_pages(guest)
        guest.load("pressure_report_delay=1")
        guest.offer()
        guest.host.negotiate()
        guest.wait_for("state", "running")
        yield guest
        guest.leave()
        # What is in use is not compared: the kernel keeps its buffers for traces.
        assert balance.marked_pages(guest) == marked, "pages stay ballooned"


@contextlib.contextmanager
def busy(guest, pages):
    """The host takes pages, gives them back, and sends nonsense, again and again."""
    end = threading.Event()

    def work():
        while not end.wait(PAUSE):
            ranges, _ = guest.host.inflate(pages)
            guest.host.deflate(ranges)
            guest.host.send(wire.message(99))

    with futures.ThreadPoolExecutor() as threads:
        host = threads.submit(work)
        try:
            yield
        finally:
            end.set()
        host.result()


def script(line):
    """Return what runs a line where the document says, until it ends or WATCH ends it."""
    if "/enable" in line:
        return f"cd {TRACING}\n{line}\n{WATCH} cat trace_pipe"
    if "sleep" in line:
        return f"cd {TRACING if line.startswith('echo') else '/tmp'}\n{line}"
    return f"{WATCH} {line}"


def run(guest, line):
    """Run a line and return what it shows."""
    guest.run(f"cat >/tools/tmp/line <<'END'\n{script(line)}\nEND")
    result = guest.call("chroot /tools /bin/sh /tmp/line", LIMIT)
    assert result.status in (0, TIMED_OUT), result.output[-2000:]
    return result.output


def switch_off(guest, line):
    """Do what the document says to switch all off again."""
    guest.run(f"cd {TRACING} && echo 0 >events/hyperv/enable && echo >trace")
    if "'hist:" in line:
        guest.run(f"cd {TRACING} && " + line.split(";")[0].replace("hist", "!hist", 1))


@pytest.mark.slow
@pytest.mark.parametrize("line", lines())
def test_line(equipped, line, request):
    """It runs, and shows what happens in that time."""
    request.node.simulator = equipped
    fragmented = "balloon_order_down" in line
    with (cut_up(equipped) if fragmented else contextlib.nullcontext(),
          busy(equipped, equipped.total() if fragmented else 1000)):
        output = run(equipped, line)
    switch_off(equipped, line)
    for expression in shown(line):
        assert re.search(expression, output, re.MULTILINE), f"no {expression}:\n{output[-2000:]}"
    assert not equipped.warnings(), "\n".join(equipped.warnings())
