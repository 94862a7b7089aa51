# SPDX-License-Identifier: GPL-2.0-only
"""Requests far below the floor: the guest keeps its floor and stays usable."""

import time

from lab import memory
from lab.figures import SETTLE_LIMIT
from lab.real_guest import HOST_DELAY
from lab.memhog import Memhog

FAR_BELOW = 64  # MiB
FURTHER_REQUESTS = 20
FEW_LINES = 5
CREEP, STEADY = 16, 1  # MiB


def test_guest_stops_at_its_floor_and_stays_there(boot):
    """A target of 64 MiB, and 20 requests more: the floor does not sink."""
    with boot(startup=1024) as guest:
        guest.load()
        guest.set_target(FAR_BELOW)
        first = _settled(guest)
        assert first > 0, "nothing was ballooned at all"
        for request in range(FURTHER_REQUESTS):
            guest.set_target(FAR_BELOW - 1 - request % 2)
            time.sleep(1)
        # What other programs free goes as well, down to the floor of what is left then.
        assert abs(_settled(guest) - first) <= CREEP, "the floor has moved"
        assert guest.status()["balloon_requests"] > FURTHER_REQUESTS
        hog = Memhog(guest, 50)
        hog.stop()
        lines = guest.run("dmesg | grep -c -e hv_balloon -e hv_dynmem; true")
        assert int(lines) <= FEW_LINES, guest.run("dmesg | grep hv_balloon")


def _reported_mib(guest):
    """Return what the host has. The guest may free again what it has not reported yet."""
    status = guest.status()
    return (status["balloon_pages_given"] - status["balloon_pages_returned"]) / memory.MIB


def _settled(guest):
    """Return the MiB that the host has once they have been the same for some seconds."""
    guest.wait(lambda: _reported_mib(guest) > 0, SETTLE_LIMIT + HOST_DELAY,
               lambda: "nothing is ballooned yet")
    seen = [-1.0]

    def steady():
        seen.append(_reported_mib(guest))
        return abs(seen[-1] - seen[-2]) <= STEADY

    guest.wait(steady, SETTLE_LIMIT, lambda: f"still moving: {seen[-3:]} MiB", pause=3)
    return seen[-1]
