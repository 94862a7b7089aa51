# SPDX-License-Identifier: GPL-2.0-only
"""hv_dynmem takes over from the in-tree driver and gives back, again and again, on a real host."""

import pytest

from lab import HV_DYNMEM, build
from lab.figures import (SETTLE_LIMIT, assert_no_underflow, assert_not_less_free, ballooned_mib,
                         free_mib, hot_added_mib, reach, total_mib)
from lab.real_guest import HOST_DELAY

ROUNDS = 10
STARTUP = 1024
SIZES = (700, 1024, 1536, 1024)     # those of the guest of 1 GiB in test_targets.py
FILE = f"/lab/{HV_DYNMEM}/{HV_DYNMEM}.ko"
LIMIT = 120     # seconds for a takeover


@pytest.fixture(name="in_tree")
def fixture_in_tree(boot, request):
    """A function that boots a guest with the in-tree driver at work."""
    files = {HV_DYNMEM: build.module(request.config.getoption("--kernel"), HV_DYNMEM)}

    def start():
        return boot(startup=STARTUP, maximum=4096, files=files)
    return start


def set_size(guest, mib):
    """Let the host and the in-tree driver agree on a size."""
    guest.set_target(mib)
    guest.wait_actual(mib, SETTLE_LIMIT + HOST_DELAY)


def take_over(guest, parameters=""):
    """Let hv_dynmem take over; with parameters it is loaded before."""
    if parameters:
        guest.run(f"insmod {FILE} {parameters}")
    text = guest.run(f"hvballoon takeover --module {FILE}", LIMIT)
    assert f"{HV_DYNMEM} has taken over" in text, text
    assert_no_underflow(guest)
    return text


def release(guest):
    """Give the device back."""
    assert "serves the device again" in guest.run("hvballoon release", LIMIT)


def there_and_back(guest, free, check, parameters=""):
    """Take over, check(what the command says), give back, and again; ours has the device in the
    end, with as much memory free as before, and reaches each size."""
    for number in range(ROUNDS):
        check(take_over(guest, parameters))
        if number < ROUNDS - 1:
            release(guest)
    assert_not_less_free(guest, free)
    for size in SIZES:
        reach(guest, size, STARTUP)


def test_hot_added_there_and_back(in_tree):
    """256 MiB that the in-tree driver has added; then the sizes, larger and smaller ones."""
    with in_tree() as guest:
        guest.load(intree=True)
        set_size(guest, STARTUP + 256)
        total = total_mib(guest)

        def check(said):
            assert "256 MiB hot-added" in said
            assert (total_mib(guest), hot_added_mib(guest)) == (total, 256)
        there_and_back(guest, free_mib(guest), check)


def test_ballooned_there_and_back(in_tree):
    """300 MiB of the in-tree driver, which this host forgets at the change: ours takes them back."""
    with in_tree() as guest:
        guest.load(intree=True)
        total, free = total_mib(guest), free_mib(guest)
        set_size(guest, STARTUP - 300)
        assert total_mib(guest) == total - 300

        def check(said):
            assert "0 MiB ballooned" in said
            assert (total_mib(guest), ballooned_mib(guest)) == (total, 0)
        there_and_back(guest, free, check, "reclaim=1")


def test_ballooned_stays_ballooned(in_tree):
    """Without reclaim each page stays out of use, and is counted."""
    with in_tree() as guest:
        guest.load(intree=True)
        total = total_mib(guest)
        set_size(guest, STARTUP - 300)
        assert "300 MiB ballooned" in take_over(guest)
        assert (total_mib(guest), ballooned_mib(guest)) == (total - 300, 300)
        assert "300 MiB" in guest.call("hvballoon release").output
