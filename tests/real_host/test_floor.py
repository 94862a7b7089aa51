# SPDX-License-Identifier: GPL-2.0-only
"""Requests far below the floor: the guest keeps its floor and stays usable."""

from lab import memory
from lab.figures import SETTLE_LIMIT
from lab.real_guest import HOST_DELAY
from lab.memhog import Memhog

FAR_BELOW = 64  # MiB
FURTHER_REQUESTS = 20
FEW_LINES = 5
CREEP, STEADY = 16, 1  # MiB
LOOKS = 5


def test_guest_stops_at_its_floor_and_stays_there(boot):
    """A target of 64 MiB, and 20 requests more: the floor does not sink."""
    with boot(startup=1024) as guest:
        guest.load()
        guest.set_target(FAR_BELOW)
        first = _settled(guest)
        assert first > 0, "nothing was ballooned at all"
        for request in range(FURTHER_REQUESTS):
            before = guest.status()["balloon_requests"]
            guest.set_target(FAR_BELOW - 1 - request % 2)
            guest.wait(lambda: _asked(guest, before), SETTLE_LIMIT,
                       lambda: f"no answered request after {before}")
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


def _is_answered(status):
    """Tell whether all that the host has asked for was given or refused."""
    return status["balloon_pages_requested"] == (status["balloon_pages_given"]
                                               + status["balloon_pages_refused"])


def _asked(guest, before):
    """Tell whether the host has asked again since `before`, and was answered."""
    status = guest.status()
    return status["balloon_requests"] > before and _is_answered(status)


def _settled(guest):
    """Return the MiB that the host has once they were the same at some looks, and all is answered.
    """
    guest.wait(lambda: _reported_mib(guest) > 0, SETTLE_LIMIT + HOST_DELAY,
               lambda: "nothing is ballooned yet")
    seen = []

    def steady():
        seen.append(_reported_mib(guest))
        last = seen[-LOOKS:]
        return (len(last) == LOOKS and max(last) - min(last) <= STEADY
                and _is_answered(guest.status()))

    guest.wait(steady, SETTLE_LIMIT, lambda: f"still moving: {seen[-LOOKS:]} MiB", pause=3)
    return seen[-1]
