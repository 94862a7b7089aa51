# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the scripts: one guest for all of a kernel, a fresh driver for each."""

import contextlib
import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from simulator import BLOCK, FIRST_BLOCK, MACHINE_MIB, MIB_PAGES, Simulator  # noqa: E402


def pytest_addoption(parser):
    """Add the choice of the guest's kernel."""
    parser.addoption("--kernel", choices=("6.1", "6.12"), default="6.1",
                     help="stock kernel of the guest")
    parser.addoption("--garbage", type=int, default=5000, metavar="N",
                     help="how many random messages to send")


@pytest.fixture(scope="session")
def machine(request):
    """The guest. Whatever it logs, it must log no warning."""
    with Simulator(request.config.getoption("--kernel")) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def blocks():
    """First page frames of memory blocks that nobody has added yet."""
    # The last block has tables of the firmware at its end.
    return itertools.islice(itertools.count(FIRST_BLOCK, BLOCK),
                            MACHINE_MIB * MIB_PAGES // BLOCK - FIRST_BLOCK // BLOCK - 1)


@pytest.fixture
def guest(machine):  # pylint: disable=redefined-outer-name
    """The guest with no driver and no device; in the end none of both again."""
    with cleaned(machine):
        yield machine


@contextlib.contextmanager
def cleaned(machine):  # pylint: disable=redefined-outer-name
    """Remove driver and device when the block ends; the log must have no new warning."""
    before = len(machine.warnings())
    yield
    machine.host.resume()
    if machine.call("grep -q ^hv_balloon /proc/modules").status == 0:
        machine.unload()
    machine.call("echo rescind >/sys/kernel/debug/hvb_sim/control")
    machine.host.reports()
    warnings = machine.warnings()[before:]
    assert not warnings, "\n".join(warnings)


@pytest.fixture
def running(guest):  # pylint: disable=redefined-outer-name
    """The guest with a driver that has agreed with the host."""
    return agreed(guest)


@pytest.fixture
def hibernating(request):
    """A guest of its own that can hibernate, with a driver that has agreed with the host."""
    with Simulator(request.config.getoption("--kernel"), hibernation=True) as simulator:
        with cleaned(simulator):
            yield agreed(simulator)


def agreed(guest):  # pylint: disable=redefined-outer-name
    """Load the driver, offer the device, agree on protocol 2.0."""
    guest.load("pressure_report_delay=3600")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    return guest
