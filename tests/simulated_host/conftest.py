# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the scripts: one guest for all of a kernel, a fresh driver for each."""

from pathlib import Path

import pytest

from lab import HV_BALLOON, NAMES, interactive, memory, results

from . import coverage
from .keeper import CHECKERS, DRIVERS, Keeper, agreed, cleaned, udev_stopped
from .memory_blocks import onlined
from .prompt import HostPrompt
from .simulator import OURS

LOG_TAIL = 60  # lines
SHARED = "guests that outlive a run"     # a plugin that has a keeper: see tests/mutants


def pytest_addoption(parser):
    """Add the choices of the guest's kernel, of the driver, and of what costs time."""
    parser.addoption("--kernel", choices=("6.1", "6.12", "debug"), default="6.1",
                     help="kernel of the guest: a stock one, or one with checkers")
    parser.addoption("--driver", choices=DRIVERS, default=OURS,
                     help="this project's driver, or the one of the kernel")
    parser.addoption("--module", choices=NAMES, default=HV_BALLOON,
                     help="under which of its names this project's driver is built and loaded")
    parser.addoption("--mutant", default="", metavar="NAME",
                     help="plant that bug in this project's driver: see tests/mutants")
    parser.addoption("--garbage", type=int, default=5000, metavar="N",
                     help="how many random messages to send")
    parser.addoption("--seed", type=int, metavar="N",
                     help="make the same random messages as an earlier run that printed this")
    parser.addoption("--checkers", choices=CHECKERS, default="most",
                     help="how much of the debug kernel's checkers to switch on")
    parser.addoption("--logs", type=Path, metavar="FOLDER",
                     help="where to keep the logs of the guests of cases that failed")
    parser.addoption("--keep", action="store_true",
                     help="where a case fails, take commands for its guest before it ends")
    parser.addoption("--slow", action="store_true", help="also the cases that take minutes")
    parser.addoption("--coverage", type=Path, metavar="FOLDER",
                     help="where to put what the debug kernel has counted (gcov)")


def pytest_configure(config):
    """Describe our markers."""
    config.addinivalue_line("markers", "slow: takes minutes, runs only with --slow")


def pytest_collection_modifyitems(config, items):
    """Leave out what is slow, unless it is asked for."""
    if not config.getoption("--slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Note that a case has failed, and show the end of its guest's log."""
    report = (yield).get_result()
    if report.failed:
        item.failed = True
        simulator = getattr(item, "simulator", None)
        if simulator:
            show_failed(item, report, simulator)


def show_failed(item, report, simulator):
    """Show the end of the guest's log, keep all of it, and leave the guest to the developer."""
    log = simulator.log()
    if not log:
        return      # the case has failed before, and its guest is gone: its log was kept then
    report.sections.append(("end of the guest's log", "\n".join(log.splitlines()[-LOG_TAIL:])))
    folder = item.config.getoption("--logs")
    if folder:
        kernel = item.config.getoption("--kernel")
        results.keep_log(folder, f"simulated-{kernel}-{item.name}", {"guest.log": log})
    if item.config.getoption("--keep"):
        interactive.keep(item.config, f"{report.longreprtext}\n{item.nodeid} has failed.",
                         HostPrompt(simulator))


def pytest_terminal_summary(terminalreporter, config):
    """Print what the scripts have reached, if that was counted."""
    folder = config.getoption("--coverage")
    if folder and folder.is_dir():
        terminalreporter.section("lines of the driver that were run in the guests that were kept")
        terminalreporter.write_line(coverage.report(folder))


@pytest.fixture(scope="session")
def keeper(request):
    """What starts guests."""
    shared = request.config.pluginmanager.get_plugin(SHARED)
    kept = shared.keeper(request.config) if shared else Keeper(request.config)
    yield kept
    if not shared:
        kept.finish()


@pytest.fixture(scope="module")
def own_guest():
    """Overridden by scripts that have a guest of their own: its OwnGuest."""
    return None


@pytest.fixture
def machine(keeper, own_guest, request):
    """The guest. Whatever it logs, it must log no warning."""
    home = own_guest or keeper
    simulator = request.node.simulator = home.guest()
    yield simulator
    if getattr(request.node, "failed", False):
        home.discard()


@pytest.fixture
def blocks(machine, keeper, own_guest):
    """First page frames of memory blocks that were not added yet."""
    return (own_guest or keeper).blocks


@pytest.fixture
def guest(machine, request):
    """The guest with no driver and no device; in the end none of both again."""
    with cleaned(machine, request.node):
        yield machine


@pytest.fixture
def running(guest):
    """The guest with a driver that has agreed with the host."""
    return agreed(guest)


@pytest.fixture
def udev_onlines(running):
    """The kernel does not online what is added: that is left to udev and its rules."""
    with onlined(running, "offline"):
        yield


@pytest.fixture
def nobody_onlines(running, udev_onlines):
    """Neither the kernel nor udev onlines what is added."""
    with udev_stopped(running):
        yield


@pytest.fixture
def hibernating(keeper, request):
    """A guest of its own that can hibernate, with a driver that has agreed with the host."""
    with keeper.new(hibernation=True) as simulator:
        request.node.simulator = simulator
        with cleaned(simulator, request.node):
            yield agreed(simulator)


@pytest.fixture
def no_program_is_killed(machine):
    """A balloon that makes the kernel kill programs has taken too much."""
    before = memory.oom_kills(machine)
    yield
    assert memory.oom_kills(machine)   == before, "the kernel has killed a program"
