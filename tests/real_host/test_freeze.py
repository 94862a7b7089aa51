# SPDX-License-Identifier: GPL-2.0-only
"""The guest is frozen while the host changes its size: a suspend that is tried, and ends early."""

from lab.figures import hot_added_mib, reach
from lab.real_guest import HOST_DELAY

FROZEN = 3      # seconds
LIMIT = 180
FREEZE = f"""
echo {FROZEN} >/sys/module/suspend/parameters/pm_test_delay
echo freezer >/sys/power/pm_test
rm -f /tmp/slept
( while grep -qx 'pages_hot_added: 0' /sys/kernel/debug/hv_balloon/status; do :; done
  echo freeze >/sys/power/state
  echo $? >/tmp/slept ) >/dev/null 2>&1 &
"""


def test_frozen_during_a_hot_add(boot):
    """All of it is added after the thaw: QEMU never offers memory again after a short answer."""
    with boot(startup=1024, maximum=4096) as guest:
        guest.load()
        guest.run(FREEZE)
        guest.set_target(2048)
        guest.wait(lambda: guest.call("test -s /tmp/slept").status == 0, LIMIT + HOST_DELAY,
                   lambda: "the guest was not frozen")
        assert guest.run("cat /tmp/slept").strip() == "0"
        guest.wait_actual(2048, LIMIT)
        assert hot_added_mib(guest) == 1024
        reach(guest, 2560, startup=1024)
