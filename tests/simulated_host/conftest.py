# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the scripts: one guest for all of a kernel, a fresh driver for each."""

import contextlib
from pathlib import Path

import pytest

from . import books, coverage
from .simulator import IN_TREE, OURS, NewBlocks, Simulator, kernels

LOG_TAIL = 60  # lines
BLOCKS_OF_A_CASE = 6  # that it may add: none can be added twice to a guest
# Unmapping each free page costs as much as all other checkers together.
CHECKERS = {"most": "debug_pagealloc=off", "all": "debug_pagealloc=on page_poison=1"}


def pytest_addoption(parser):
    """Add the choices of the guest's kernel, of the driver, and of what costs time."""
    parser.addoption("--kernel", choices=("6.1", "6.12", "debug"), default="6.1",
                     help="kernel of the guest: a stock one, or one with checkers")
    parser.addoption("--driver", choices=(OURS, IN_TREE), default=OURS,
                     help="this project's driver, or the one of the kernel")
    parser.addoption("--garbage", type=int, default=5000, metavar="N",
                     help="how many random messages to send")
    parser.addoption("--seed", type=int, metavar="N",
                     help="make the same random messages as an earlier run that printed this")
    parser.addoption("--checkers", choices=CHECKERS, default="most",
                     help="how much of the debug kernel's checkers to switch on")
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
            tail = "\n".join(simulator.log().splitlines()[-LOG_TAIL:])
            report.sections.append(("end of the guest's log", tail))


def pytest_terminal_summary(terminalreporter, config):
    """Print what the scripts have reached, if that was counted."""
    folder = config.getoption("--coverage")
    if folder and folder.is_dir():
        terminalreporter.section("lines of the driver that were run in the guests that were kept")
        terminalreporter.write_line(coverage.report(folder))


class Keeper:
    """Starts guests; keeps one until a case has failed in it.

    Options are those of the guest that is kept: see Simulator.
    """

    def __init__(self, config, **options):
        self._config = config
        self._options = options
        self._simulator = None
        self._marked = None
        self.blocks = None

    def new(self, append="", **options):
        """Return a new guest; a context manager. Options: see Machine."""
        kernel = self._config.getoption("--kernel")
        if kernel == kernels.DEBUG:
            append += " mitigations=off " + CHECKERS[self._config.getoption("--checkers")]
        return Simulator(kernel, driver=self._config.getoption("--driver"), append=append,
                         **options)

    def guest(self):
        """Return the guest that is kept, or a new one if that has hardly a free block left."""
        if self._simulator and len(self.blocks) < BLOCKS_OF_A_CASE:
            self.finish()
        if not self._simulator:
            self._simulator = self.new(**self._options)
            self._marked = books.marked_pages(self._simulator)
            self.blocks = NewBlocks()
        return self._simulator

    def discard(self):
        """Stop the guest that is kept."""
        simulator, self._simulator = self._simulator, None
        if simulator:
            with simulator:
                folder = self._config.getoption("--coverage")
                if folder and simulator.alive():
                    coverage.save(simulator, simulator.driver_folder(), folder)

    def finish(self):
        """Check what is too slow to be checked after each case, and stop the guest."""
        simulator = self._simulator
        try:
            if simulator:
                assert books.marked_pages(simulator) == self._marked, "pages stay ballooned"
                books.assert_no_leaks(simulator)
        finally:
            self.discard()


@pytest.fixture(scope="session")
def keeper(request):
    """What starts guests."""
    kept = Keeper(request.config)
    yield kept
    kept.finish()


@pytest.fixture
def machine(keeper, request):  # pylint: disable=redefined-outer-name
    """The guest. Whatever it logs, it must log no warning."""
    simulator = request.node.simulator = keeper.guest()
    yield simulator
    if getattr(request.node, "failed", False):
        keeper.discard()


@pytest.fixture
def blocks(machine, keeper):  # pylint: disable=redefined-outer-name,unused-argument
    """First page frames of memory blocks that nobody has added yet."""
    return keeper.blocks


@pytest.fixture
def guest(machine, request):  # pylint: disable=redefined-outer-name
    """The guest with no driver and no device; in the end none of both again."""
    with cleaned(machine, request.node):
        yield machine


@contextlib.contextmanager
def cleaned(machine, node):  # pylint: disable=redefined-outer-name
    """Remove driver and device when the block ends; the books must balance then.

    The log must have no new warning, whatever else has failed.
    """
    before = books.Books(machine)
    known = len(machine.warnings())
    yield
    machine.host.resume()
    machine.leave()
    machine.host.reports()
    warnings = machine.warnings()[known:]
    assert not warnings, "\n".join(warnings)
    assert not machine.host.disorder
    if not getattr(node, "failed", False):
        before.assert_balanced(machine)


@pytest.fixture
def running(guest):  # pylint: disable=redefined-outer-name
    """The guest with a driver that has agreed with the host."""
    return agreed(guest)


@contextlib.contextmanager
def udev_stopped(guest):
    """There is no udev meanwhile. One that is told to read its rules anew may do so too late."""
    guest.run("killall systemd-udevd; until ! pidof systemd-udevd; do sleep 0.1; done;"
              " rm -f /run/udev/control")
    try:
        yield
    finally:
        guest.run("/usr/lib/systemd/systemd-udevd --daemon")


@pytest.fixture
def udev_onlines(running):  # pylint: disable=redefined-outer-name
    """The kernel does not online what is added: that is left to udev and its rules."""
    automatic = "/sys/devices/system/memory/auto_online_blocks"
    running.run(f"echo offline >{automatic}")
    yield
    running.run(f"echo online >{automatic}")


@pytest.fixture
def nobody_onlines(running, udev_onlines):  # pylint: disable=redefined-outer-name,unused-argument
    """Neither the kernel nor udev onlines what is added."""
    with udev_stopped(running):
        yield


@pytest.fixture
def hibernating(keeper, request):  # pylint: disable=redefined-outer-name
    """A guest of its own that can hibernate, with a driver that has agreed with the host."""
    with keeper.new(hibernation=True) as simulator:
        request.node.simulator = simulator
        with cleaned(simulator, request.node):
            yield agreed(simulator)


def agreed(guest, parameters=""):  # pylint: disable=redefined-outer-name
    """Load the driver, offer the device, agree on protocol 2.0."""
    guest.load(f"pressure_report_delay=3600 {parameters}")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    return guest
