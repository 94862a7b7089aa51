# SPDX-License-Identifier: GPL-2.0-only
"""Hot-added memory where the kernel onlines nothing: udev does, by the project's rule.

Debian's 6.1 is such a kernel by itself; 6.12 is made one by a boot option.
"""

import json

from lab.figures import reach, total_mib
from lab.memory import KIB

MIB = 1024  # KiB
AUTOMATIC = "/sys/devices/system/memory/auto_online_blocks"
FOLDER = "/sys/bus/vmbus/devices/*/dynamic_memory"


def _ask(guest, command):
    """Return what the command of the project says for programs."""
    return json.loads(guest.call(f"hvballoon {command} --json").output)


def test_udev_onlines_what_the_host_adds(boot):
    """Both ways, with the figures of the host, of the files and of the command agreeing."""
    startup = 1024
    with boot(startup=startup, maximum=4096, append="memhp_default_state=offline") as guest:
        guest.load()
        assert guest.run(f"cat {AUTOMATIC}").strip() == "offline"
        assert _ask(guest, "doctor")["problems"] == []
        total = total_mib(guest)
        for size in (700, 1536, 1024):
            reach(guest, size, startup)
            assert guest.run(f"cat {AUTOMATIC}").strip() == "offline"
            assert total_mib(guest) == total + (512 if size != 700 else 0)
            _assert_agree(guest, size, startup, startup - total)


def _assert_agree(guest, size, startup, aside):
    """Host, files and command say the same."""
    assert guest.actual() == size
    lines = guest.run(f"cd {FOLDER} && grep . *").splitlines()
    files = dict(line.split(":", 1) for line in lines)
    change = int(files["hot_added_online_kb"]) - int(files["ballooned_kb"])
    assert startup * MIB + change == size * MIB
    figures = guest.status()
    assert int(files["ballooned_kb"]) == figures["pages_ballooned"] * KIB
    seen = _ask(guest, "status")
    assert {name: str(seen[name]) for name in ("ballooned_kb", "hot_added_kb", "balloon_requests",
                                               "hot_add_requests", "returned_kb")} == {
        name: files[name] for name in ("ballooned_kb", "hot_added_kb", "balloon_requests",
                                       "hot_add_requests", "returned_kb")}
    assert (seen["offline_kb"], seen["problems"], seen["state"]) == (0, [], "running")
    # The host does not know what the kernel has set aside at boot.
    assert seen["assigned_kb"] == (size - aside) * MIB
