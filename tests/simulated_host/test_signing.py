# SPDX-License-Identifier: GPL-2.0-only
"""Secure Boot: which modules the kernel loads, and what it says of the others."""

import pytest

from lab import kernels

from .signing import OTHER, OWNER
from .simulator import OURS

REJECTED = "Key was rejected by service"


@pytest.fixture(name="secured")
def fixture_secured(keeper, request):
    """A guest that the firmware has started with Secure Boot on."""
    if request.config.getoption("--kernel") == kernels.DEBUG:
        pytest.skip("this kernel was built without UEFI")
    with keeper.new(secure_boot=True, told=0) as guest:
        request.node.simulator = guest
        yield guest


def _assert_refused(guest, name, why):
    """A module is not loaded; so say insmod, and the kernel in its log."""
    guest.run("dmesg -c >/dev/null")
    result = guest.call(f"/usr/sbin/insmod /lab/{name}/{guest.module}.ko")
    assert result.status != 0 and REJECTED in result.output, result
    assert why in guest.run("dmesg")


def test_only_what_the_owner_signed(secured):
    """Unsigned and signed by others it is refused; signed by the owner it serves its host."""
    guest = secured
    guest.run("mount -t securityfs securityfs /sys/kernel/security")
    assert "[integrity]" in guest.run("cat /sys/kernel/security/lockdown")
    _assert_refused(guest, OURS, "Loading of unsigned module is rejected")
    _assert_refused(guest, OTHER, "Loading of module with unavailable key is rejected")
    guest.run(f"/usr/sbin/insmod /lab/{OWNER}/{guest.module}.ko pressure_report_delay=3600")
    guest.offer()
    guest.host.negotiate()
    guest.wait_for("state", "running")
    guest.host.deflate(guest.host.inflate(4096)[0])
    assert guest.status()["pages_ballooned"] == 0
    assert not guest.warnings(), "\n".join(guest.warnings())
