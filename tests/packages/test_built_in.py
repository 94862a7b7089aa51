# SPDX-License-Identifier: GPL-2.0-only
"""The Debian package on a kernel that has the driver built in, in a guest of QEMU's Dynamic Memory
host, with systemd: booted in lockdown, as it is, and after the removal.

The kernel is our own build (builtin.config), kept in the cache. DKMS signs with a key that it knows,
as with one that is enrolled. Making the system needs the rights of root.
"""

import dataclasses
import json
import shutil
import subprocess
import time

import pytest

from lab import HV_BALLOON, HV_DYNMEM, accel, build, installed, kernels
from lab.figures import SETTLE_LIMIT, hot_added_mib, reach
from lab.real_guest import HOST_DELAY, Config
from simulated_host.signing import OTHER, new_key, sign

STARTUP, MAXIMUM = 1024, 2048
BOOTED = 300        # seconds for the units of systemd, in a guest that boots in an emulated machine
TAKEN_OVER = 20     # seconds from the start of the kernel, by its clock, at the speed of this machine
LOOP = "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done"
CHANGED, REMOVED = 120, 1800    # seconds for a takeover; for apt, DKMS and depmod
UNIT = "hvballoon-takeover.service"
DEVICE = "/sys/bus/vmbus/drivers/{}/*-*"
# See Guest.load() for the delay, which both drivers know. Nothing but udev onlines memory.
DELAY = f"pressure_report_delay={HOST_DELAY + 10}"
APPEND = f"{HV_BALLOON}.{DELAY} {HV_DYNMEM}.{DELAY} memhp_default_state=offline"
UNSIGNED = "unsigned"


@pytest.fixture(name="carrier", scope="module")
def fixture_carrier():
    """What carries the guests, one after the other."""
    with accel.open_carrier(MAXIMUM) as opened:
        yield opened


@pytest.fixture(name="system", scope="module")
def fixture_system(packages, carrier, tmp_path_factory):
    """The system with the package, and modules that the kernel must not load."""
    folder = tmp_path_factory.mktemp("signed")
    unsigned = build.module(kernels.BUILT_IN, HV_DYNMEM)
    other = sign(new_key(folder), unsigned, kernels.kernel(kernels.BUILT_IN).headers, folder / OTHER)
    return installed.make_built_in(packages[-1], carrier.folder,
                                   {UNSIGNED: unsigned, OTHER: other})


def _copy(system):
    """Return the system with a disk of its own: a case may be repeated."""
    disk = shutil.copy(system.disk, system.disk.with_name("copy"))
    return dataclasses.replace(system, disk=disk)


def _boot(carrier, system, append=""):
    guest = installed.InstalledGuest(
        carrier, Config(None, STARTUP, MAXIMUM, append=f"{APPEND} {append}"), system)
    guest.run("until systemctl is-active multi-user.target; do sleep 1; done", BOOTED)
    return guest


def _serves(guest):
    """Return the name of the driver that serves the device."""
    return [name for name in (HV_BALLOON, HV_DYNMEM)
            if guest.call(f"ls {DEVICE.format(name)}").status == 0]


def _slowness(guest):
    """Return how much longer a guest takes for the same work than this machine, both now."""
    started = time.monotonic()
    guest.run(LOOP, BOOTED)
    between = time.monotonic()
    subprocess.run(["dash", "-c", LOOP], check=True)
    return max(1, (between - started) / (time.monotonic() - between))


def _assert_taken_over_at_boot(guest):
    """By the unit, and soon: what emulation costs does not count."""
    assert _serves(guest) == [HV_DYNMEM], guest.call(f"systemctl status {UNIT}").output
    assert guest.run(f"systemctl show -P Result {UNIT}").strip() == "success"
    assert guest.call("test -e /sys/module/hv_balloon/initstate").status, "it is not built in"
    seconds = guest.run(r"dmesg | sed -n 's/^\[ *\([0-9.]*\)\] hvballoon: hv_dynmem has taken"
                        " over .*/\\1/p'")
    slowness = _slowness(guest)
    print(f"\nhv_dynmem at work {seconds.strip()} s after the start of the kernel, in a guest that takes"
          f" {slowness:.1f} times as long as this machine\n"
          + guest.run(f"systemd-analyze critical-chain {UNIT}"))
    assert float(seconds) < TAKEN_OVER * slowness


def _assert_serves(guest):
    """The host takes memory, returns it and adds some, which the rule of udev brings online."""
    for size in (700, STARTUP, 1536):
        reach(guest, size, STARTUP)
    assert hot_added_mib(guest) == 1536 - STARTUP
    assert json.loads(guest.call("hvballoon doctor --json").output)["problems"] == []


def _change(guest, command, name):
    """Let another driver have the device; return what was said."""
    text = guest.run(f"hvballoon {command}", CHANGED)
    assert _serves(guest) == [name]
    return text


def _assert_changes_hands(guest):
    """At run time: back, there again, the next version of it, and by udev for a device that the
    in-tree driver has got; each time with all that was hot-added."""
    for _ in range(2):
        _change(guest, "release", HV_BALLOON)
        assert "512 MiB hot-added" in _change(guest, "takeover", HV_DYNMEM)
    guest.run(f"rmmod {HV_DYNMEM} && modprobe {HV_DYNMEM}", CHANGED)
    assert _serves(guest) == [HV_DYNMEM]
    assert hot_added_mib(guest) == 1536 - STARTUP
    folder = DEVICE.format(HV_DYNMEM)
    guest.run(f"device=$(basename {folder}); cd /sys/bus/vmbus/drivers;"
              f" echo $device >{HV_DYNMEM}/unbind; echo $device >{HV_BALLOON}/bind; udevadm settle",
              CHANGED)
    guest.wait(lambda: _serves(guest) == [HV_DYNMEM], CHANGED, guest.log)
    assert hot_added_mib(guest) == 1536 - STARTUP


def _remove(guest):
    """While hv_dynmem serves the device: it is given back first."""
    text = guest.run("apt-get -y purge hv-balloon-dkms hvballoon", REMOVED)
    assert "the in-tree driver serves the device again" in text, text
    assert _serves(guest) == [HV_BALLOON]
    assert guest.call(f"modinfo {HV_DYNMEM}").status
    assert guest.call(f"test -d /sys/module/{HV_DYNMEM}").status
    guest.run("sync")


def _assert_refused(guest, name, why):
    result = guest.call(f"hvballoon takeover --module /lab/{name}/{HV_DYNMEM}.ko", CHANGED)
    assert result.status == 1 and result.output.startswith("hvballoon: no takeover: "), result
    assert why in result.output, result
    assert _serves(guest) == [HV_BALLOON]
    assert guest.call(f"test -d /sys/module/{HV_DYNMEM}").status


def _assert_only_signed_by_who_is_known(guest):
    """Without a signature, and by the key of somebody else, it is refused before it begins."""
    assert "[integrity]" in guest.run("cat /sys/kernel/security/lockdown")
    _change(guest, "release", HV_BALLOON)
    _assert_refused(guest, UNSIGNED, "has no signature")
    _assert_refused(guest, OTHER, "signed with a key that it knows")
    _change(guest, "takeover", HV_DYNMEM)


def test_signed_module_in_lockdown(carrier, system):
    """At each boot, by the key that the kernel knows; another module is refused."""
    with _boot(carrier, _copy(system), "lockdown=integrity") as guest:
        _assert_taken_over_at_boot(guest)
        _assert_only_signed_by_who_is_known(guest)
        assert not guest.warnings(), "\n".join(guest.warnings())


def test_taken_over_until_it_is_removed(carrier, system):
    """At boot, and back and forth while it runs; the boot after the removal has the kernel's own."""
    system = _copy(system)
    with _boot(carrier, system) as guest:
        _assert_taken_over_at_boot(guest)
        _assert_serves(guest)
        _assert_changes_hands(guest)
        _remove(guest)
        assert not guest.warnings(), "\n".join(guest.warnings())
    with _boot(carrier, system) as guest:
        assert _serves(guest) == [HV_BALLOON]
        guest.set_target(700)
        guest.wait_actual(700, SETTLE_LIMIT + HOST_DELAY)
        assert not guest.warnings(), "\n".join(guest.warnings())
