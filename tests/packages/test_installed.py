# SPDX-License-Identifier: GPL-2.0-only
"""The Debian package in guests of two releases, each on a Dynamic Memory host.

Upgraded from an older one in a fresh system, which then boots; removed there, and booted again.
The test that comes with the package (autopkgtest) runs besides, and we reboot where it asks for
that. Making the systems needs the rights of root.
"""

import json

import pytest

from lab import accel, installed
from lab.figures import SETTLE_LIMIT, hot_added_mib, reach
from lab.real_guest import HOST_DELAY, Config

from .commands import OLDER

STARTUP, MAXIMUM = 1024, 2048
AUTOLOADED = 120    # seconds for udev, in a guest that boots in an emulated machine
DKMS, REMOVED = 300, 1800   # seconds: apt, DKMS and depmod take long there
RULE = "/usr/lib/udev/rules.d/60-hv-balloon.rules"
AUTOMATIC = "/sys/devices/system/memory/auto_online_blocks"
# udev loads the driver here: for the delay see Guest.load(). Nothing but udev onlines memory.
APPEND = f"hv_balloon.pressure_report_delay={HOST_DELAY + 10} memhp_default_state=offline"


@pytest.fixture(name="carrier", scope="module")
def fixture_carrier():
    """What carries the guests, one after the other."""
    with accel.open_carrier(MAXIMUM) as opened:
        yield opened


def _boot(carrier, system):
    return installed.InstalledGuest(carrier, Config(None, STARTUP, MAXIMUM, append=APPEND), system)


def _assert_loaded(guest, folder, ours):
    """udev has loaded a driver, which is ours or not, and the next boot loads the same."""
    guest.wait(lambda: guest.call("test -d /sys/bus/vmbus/drivers/hv_balloon").status == 0,
               AUTOLOADED, lambda: "hv_balloon was not loaded:\n" + guest.log()[-2000:])
    parameter = "/sys/module/hv_balloon/parameters/floor_mib"
    assert (guest.call(f"test -e {parameter}").status == 0) == ours
    _assert_next(guest, folder)


def _assert_next(guest, folder):
    file = guest.run("modinfo -n hv_balloon").strip()
    assert f"/{folder}/hv_balloon.ko" in file, file


def _assert_upgraded(guest):
    """Nothing of the older version is left."""
    status = guest.run("dkms status hv_balloon", DKMS).splitlines()
    assert len(status) == 1 and ": installed" in status[0] and OLDER not in status[0], status
    assert guest.run("modinfo -F version hv_balloon").strip() != OLDER
    assert guest.run(f"ls -d /usr/src/hv_balloon-*{OLDER}* 2>/dev/null || true") == ""


def _assert_serves(guest):
    """The host takes memory, returns it and adds some, which the rule of udev brings online."""
    guest.wait(lambda: "Dynamic Memory protocol 2.0" in guest.run("dmesg | grep hv_balloon"),
               AUTOLOADED, lambda: guest.run("dmesg | grep hv_balloon"))
    assert guest.run(f"cat {AUTOMATIC}").strip() == "offline"
    for size in (700, STARTUP, 1536):
        reach(guest, size, STARTUP)
    assert hot_added_mib(guest) == 1536 - STARTUP
    assert json.loads(guest.call("hvballoon doctor --json").output)["problems"] == []


def _run_own_test(guest, mark, following):
    """Run the part of the package's own test that begins after a reboot and ends with the next."""
    guest.run("rm -f /tmp/mark; echo 'echo $1 >/tmp/mark' >/tmp/autopkgtest-reboot;"
              " chmod +x /tmp/autopkgtest-reboot")
    guest.run(f"AUTOPKGTEST_REBOOT_MARK={mark} sh /lab/switch-and-back", REMOVED)
    assert guest.call("cat /tmp/mark").output.strip() == following


def _remove(guest):
    """The package's own test removes it; the next boot has the other driver."""
    guest.run(f"test -e {RULE}")
    _run_own_test(guest, "", "installed")
    _run_own_test(guest, "installed", "removed")
    guest.run(f"test ! -e {RULE}")
    _assert_next(guest, "kernel/drivers/hv")
    guest.run("sync")


@pytest.mark.parametrize("release", ("bookworm", "trixie"))
def test_boots_with_the_package_and_without_it(packages, carrier, release):
    """Ours at the first boot of a fresh system, the kernel's at the next after the removal."""
    system = installed.make(release, packages, carrier.folder)
    with _boot(carrier, system) as guest:
        _assert_loaded(guest, "updates/dkms", True)
        _assert_upgraded(guest)
        _assert_serves(guest)
        _remove(guest)
        assert not guest.warnings(), "\n".join(guest.warnings())
    with _boot(carrier, system) as guest:
        _assert_loaded(guest, "kernel/drivers/hv", False)
        guest.run("AUTOPKGTEST_REBOOT_MARK=removed sh /lab/switch-and-back")
        guest.set_target(700)
        guest.wait_actual(700, SETTLE_LIMIT + HOST_DELAY)
