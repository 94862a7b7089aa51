# SPDX-License-Identifier: GPL-2.0-only
"""The commands of QEMU's monitor that docs/qemu.md names."""

import time

from lab.figures import SETTLE_LIMIT, ballooned_mib
from lab.real_guest import DRAIN, HOST_DELAY, MIB


def by_hand(guest, line):
    """Return what the monitor for people answers to a line."""
    return guest.ask("human-monitor-command", **{"command-line": line})


def test_by_people_and_by_programs(boot):
    """A target by hand, where it got, and what the guest has reported."""
    with boot(startup=1024) as guest:
        guest.load()
        assert by_hand(guest, "info balloon") == "balloon: actual=1024\r\n"
        guest.ask("stop")   # see RealGuest.set_target()
        time.sleep(DRAIN)
        assert by_hand(guest, "balloon 700") == ""
        guest.ask("cont")
        guest.wait_actual(700, SETTLE_LIMIT + HOST_DELAY)
        assert by_hand(guest, "info balloon") == "balloon: actual=700\r\n"
        assert guest.ask("query-balloon") == {"actual": 700 * MIB}
        assert ballooned_mib(guest) == 324
        guest.wait(guest.report, HOST_DELAY, lambda: "the guest has reported nothing")
        report = guest.ask("query-hv-balloon-status-report")
        assert set(report) == {"committed", "available"}
        assert 0 < report["available"] < 700 * MIB and 0 < report["committed"] < 1024 * MIB
