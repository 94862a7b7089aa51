# SPDX-License-Identifier: GPL-2.0-only
"""Several NUMA nodes: the balloon takes from all, and new memory joins the node that it is on."""

import pytest

from lab.memhog import Memhog
from lab.memory import MIB, oom_kills

from .balance import assert_counts
from .guest_memory import node_figure
from .keeper import OwnGuest, agreed
from .memory_blocks import BLOCK

# Boot memory ends in the middle of node 1, so node 2 has none.
NODES_MIB = (512, 1024, 512)
ON_NODE_1, ON_NODE_2 = 1024 * MIB, 1536 * MIB
TWO_MIB = (1024, 1024)
FLOOR_MIB, BOUND_MIB = 300, 100     # half of the floor is the second node's, and enough
# Free memory moves between nodes by itself. What a node gave is counted exactly besides.
LEAST_GIVEN, TOLERANCE = 96 * MIB, 48 * MIB


@pytest.fixture(scope="module")
def own_guest(keeper):
    """A guest with three nodes."""
    own = OwnGuest(lambda: keeper.new(nodes=NODES_MIB))
    yield own
    own.discard()


def node_free(guest):
    """Return the free pages of each node, without what caches hold."""
    guest.run("sync; echo 3 >/proc/sys/vm/drop_caches")
    return node_figure(guest, "MemFree")


def pages_by_node(ranges):
    """Return how many pages of the ranges are on node 0 and on node 1."""
    border = NODES_MIB[0] * MIB
    first = sum(max(0, min(start + count, border) - start) for start, count in ranges)
    return [first, sum(count for _, count in ranges) - first]


@pytest.mark.parametrize("accounting", ["keep", "shrink"])
def test_all_nodes_give_and_get_back(guest, accounting):
    """A large request takes from both nodes with memory; each gets back just what it gave."""
    agreed(guest, f"accounting={accounting}")
    total, free = node_figure(guest, "MemTotal"), node_free(guest)
    ranges, _ = guest.host.inflate(2 ** 32 - 1)
    given = pages_by_node(ranges)
    # The debug kernel has most of the first node for itself.
    assert min(given) > (0 if guest.is_debug() else LEAST_GIVEN)
    missing = [a - b for a, b in zip(total, node_figure(guest, "MemTotal"))]
    assert missing == (given if accounting == "shrink" else [0, 0])
    assert_counts(guest, sum(given))
    guest.host.deflate(ranges)
    assert_counts(guest, 0)
    assert node_figure(guest, "MemTotal") == total
    lost = [a - b for a, b in zip(free, node_free(guest))]
    assert max(lost) < TOLERANCE


@pytest.fixture
def bound(keeper):
    """A guest with two nodes, and a group of programs that have memory of the second one only."""
    with keeper.new(nodes=TWO_MIB, told=0) as guest:
        guest.run("mkdir /tmp/groups; mount -t cgroup2 none /tmp/groups;"
                  " echo +cpuset >/tmp/groups/cgroup.subtree_control; mkdir /tmp/groups/bound;"
                  " echo 1 >/tmp/groups/bound/cpuset.mems")
        yield agreed(guest, f"floor_mib={FLOOR_MIB}")


def test_each_node_keeps_its_share(bound):
    """The host asks for all: a program that may use one node only lives on."""
    kills = oom_kills(bound)
    bound.host.inflate(2 ** 32 - 1)
    left = node_figure(bound, "MemFree")
    assert min(left) > (FLOOR_MIB // 2 - 32) * MIB, f"{left} pages are free"
    hog = Memhog(bound, 0, "--quick")
    bound.run("cat /tmp/memhog.pid >/tmp/groups/bound/cgroup.procs")
    assert hog.grow(BOUND_MIB) == f"holding {BOUND_MIB} MiB"
    used = [before - now for before, now in zip(left, node_figure(bound, "MemFree"))]
    assert used[1] > (BOUND_MIB - 16) * MIB, "the program was not bound"
    hog.stop()
    assert oom_kills(bound) == kills


def test_new_memory_joins_its_node(guest):
    """Also one that had none; what is taken of it is found again by the next load."""
    agreed(guest)
    before = node_figure(guest, "MemTotal")
    assert guest.host.add(ON_NODE_1, BLOCK) == (BLOCK, 1)
    assert node_figure(guest, "MemTotal") == [before[0], before[1] + BLOCK]
    assert guest.host.add(ON_NODE_2, BLOCK) == (BLOCK, 1)
    assert node_figure(guest, "MemTotal", (0, 1, 2)) == [before[0], before[1] + BLOCK, BLOCK]
    ranges, _ = guest.host.inflate(2 ** 32 - 1)
    assert any(start >= ON_NODE_2 for start, _ in ranges)
    out = sum(count for _, count in ranges)
    guest.reload("pressure_report_delay=3600")
    guest.host.negotiate()
    guest.wait_for("pages_ballooned", out)
    guest.host.deflate(ranges)
    guest.wait_for("pages_ballooned", 0)
