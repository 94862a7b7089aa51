# SPDX-License-Identifier: GPL-2.0-only
"""What starts guests, and what a guest must be like before and after a case."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import kernels

from . import balance, coverage
from .in_tree import InTreeSimulator
from .memory_blocks import NewBlocks
from .simulator import Simulator

DRIVERS = {kind.driver: kind for kind in (Simulator, InTreeSimulator)}
BLOCKS_OF_A_CASE = 6  # that it may add: none can be added twice to a guest
# Unmapping each free page costs as much as all other checkers together.
# The kernel would unmap what it unpacked the boot image from, and kmemleak would still read it: it
# knows memory of before by its physical address, and gets the virtual one.
CHECKERS = {"most": "debug_pagealloc=off",
            "all": "debug_pagealloc=on page_poison=1 retain_initrd"}
SLOW = " mitigations=off "


class Keeper:
    """Starts guests; keeps one until a case has failed in it.

    Options are those of the guest that is kept: see Simulator.
    """

    def __init__(self, config: pytest.Config, **options: Any) -> None:
        self._config = config
        self.options = options
        self._simulator: Simulator | None = None
        self._marked = 0
        self.blocks = NewBlocks()

    def new(self, append: str = "", driver: str | None = None, **options: Any) -> Simulator:
        """Return a new guest, by default with the driver that was chosen; a context manager.

        Options: see Machine.
        """
        kernel = self._config.getoption("--kernel")
        if kernel == kernels.DEBUG:
            append += SLOW + CHECKERS[self._config.getoption("--checkers")]
        kind = DRIVERS[driver or self._config.getoption("--driver")]
        return kind(kernel, self._config.getoption("--module"), append=append,
                    mutant=self._config.getoption("--mutant"), **options)

    def guest(self) -> Simulator:
        """Return the guest that is kept, or a new one if that has hardly a free block left."""
        if self._simulator and len(self.blocks) < BLOCKS_OF_A_CASE:
            self.finish()
        if not self._simulator:
            self._simulator = self.new(**self.options)
            self._marked = balance.marked_pages(self._simulator)
            self.blocks = NewBlocks()
        return self._simulator

    def discard(self) -> None:
        """Stop the guest that is kept."""
        simulator, self._simulator = self._simulator, None
        if simulator:
            with simulator:
                folder = self._config.getoption("--coverage")
                if folder and simulator.alive():
                    coverage.save(simulator, simulator.sources_folder(), folder)

    def finish(self) -> None:
        """Check what is too slow to be checked after each case, and stop the guest."""
        simulator = self._simulator
        try:
            if simulator:
                assert balance.marked_pages(simulator) == self._marked, "pages stay ballooned"
                balance.assert_no_leaks(simulator)
        finally:
            self.discard()


class OwnGuest:
    """The guest of one script, and another one after a case has failed in it."""

    def __init__(self, start: Callable[[], Simulator]) -> None:
        self._start = start
        self._simulator: Simulator | None = None
        self.blocks = NewBlocks()

    def guest(self) -> Simulator:
        """Return the guest."""
        if not self._simulator:
            self._simulator = self._start()
            self.blocks = NewBlocks()
        return self._simulator

    def discard(self) -> None:
        """Stop the guest."""
        simulator, self._simulator = self._simulator, None
        if simulator:
            simulator.close()


def own_keeper(checked: bool = True) -> Any:
    """Return a fixture `keeper` for one script: guests of its cases only.

    Such cases leave memory as movable, or out of use, which changes the cases of others; if it is
    out of use the end of the guest is not `checked`.
    """
    @pytest.fixture(scope="module", name="keeper")
    def fixture_keeper(request: pytest.FixtureRequest) -> Iterator[Keeper]:
        """What starts the guests of this script."""
        kept = Keeper(request.config)
        yield kept
        if checked:
            kept.finish()
        else:
            kept.discard()
    return fixture_keeper


@contextlib.contextmanager
def cleaned(machine: Simulator, node: pytest.Item) -> Iterator[None]:
    """Remove driver and device when the block ends; the counts must balance then.

    The log must have no new warning, whatever else has failed.
    """
    before = balance.Balance(machine)
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


def agreed(guest: Simulator, parameters: str = "") -> Simulator:
    """Load the driver, offer the device, agree on protocol 2.0."""
    guest.load(f"pressure_report_delay=3600 {parameters}", offered=True)
    guest.host.negotiate()
    guest.wait_for("state", "running")
    return guest


def loaded_again(guest: Simulator, parameters: str = "") -> None:
    """Load the driver anew and agree with it."""
    guest.reload(f"pressure_report_delay=3600 {parameters}")
    guest.host.negotiate()
    guest.wait_for("state", "running")


@contextlib.contextmanager
def udev_stopped(guest: Simulator) -> Iterator[None]:
    """No udev runs while the block does: one that reloads its rules may do so too late."""
    guest.run("killall systemd-udevd; until ! pidof systemd-udevd; do sleep 0.1; done;"
              " rm -f /run/udev/control")
    try:
        yield
    finally:
        guest.run("/usr/lib/systemd/systemd-udevd --daemon")
