# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the scenarios: one carrier for all, a guest of its own for each."""

import contextlib
from pathlib import Path

import pytest

from lab import HV_BALLOON, NAMES, accel, build, interactive, kernels, repeat, results
from lab.real_guest import CarrierBroken, Config, RealGuest

LARGEST_GUEST = 6144


def pytest_addoption(parser):
    """Add the choice of the guest's kernel."""
    parser.addoption("--kernel", choices=kernels.VERSIONS + kernels.OTHERS, default="6.1",
                     help="stock kernel of the guest")
    parser.addoption("--module", choices=NAMES, default=HV_BALLOON,
                     help="under which of its names this project's driver is built and loaded")
    parser.addoption("--logs", type=Path, default=None,
                     help="folder that gets each guest's log, host trace and driver figures")
    parser.addoption("--keep", action="store_true",
                     help="where a case fails, take commands for its guest before it ends")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Repeat a scenario if that failed which carries the guest."""
    return repeat.call(pyfuncitem)


@pytest.fixture(scope="session")
def carrier():
    """What carries the guests, one after the other."""
    with accel.open_carrier(LARGEST_GUEST) as opened:
        yield opened


@pytest.fixture(scope="session")
def module(request, tmp_path_factory):
    """The module under test, built once: later changes of the sources do not matter."""
    built = build.module(request.config.getoption("--kernel"),
                         request.config.getoption("--module"))
    return build.stripped(built, tmp_path_factory.mktemp("module") / built.name)


@pytest.fixture
def boot(module, carrier, request):
    """A function that boots a guest; at its end the guest's log must have no warning."""
    kernel = request.config.getoption("--kernel")
    folder = request.config.getoption("--logs")

    @contextlib.contextmanager
    def start(**configuration):
        with RealGuest(carrier, Config(kernel, module=module, **configuration)) as guest:
            try:
                yield guest
            except CarrierBroken:
                raise
            except Exception as error:
                if request.config.getoption("--keep"):
                    interactive.keep(request.config, f"{request.node.nodeid} has failed: {error}",
                                     interactive.Session(guest))
                raise
            finally:
                if folder:
                    results.keep_log(folder, f"{kernel}-{request.node.name}",
                                     {"guest.log": guest.log(), "host.trace": guest.trace()})
            assert not guest.warnings(), "\n".join(guest.warnings())
    return start

