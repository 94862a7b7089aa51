# SPDX-License-Identifier: GPL-2.0-only
"""Find out how a guest can be run on this machine: with its own KVM, or by nested emulation.

A /dev/kvm that opens proves nothing: it may lack Hyper-V emulation or not boot a stock kernel.
So the kernel is asked first, which is cheap, and then one guest is booted; the answer of that
is remembered in the cache until the machine's kernel or QEMU changes.
"""

import fcntl
import json
import os
import platform

from . import LabError, build, cache, packages
from .carrier import CARRIER_KERNEL, Carrier, DirectCarrier, NestedCarrier
from .real_guest import Config, RealGuest

KVM_CHECK_EXTENSION = 0xAE03
HYPERV_CAPABILITIES = {"KVM_CAP_HYPERV_SYNIC2": 148, "KVM_CAP_HYPERV_CPUID": 167}
EXPECTED = "Hypervisor detected: Microsoft Hyper-V"


def open_carrier(guest_mib: int) -> Carrier:
    """Return a carrier for guests of up to guest_mib; says on stderr which kind, and why."""
    obstacle = why_not_kvm()
    if obstacle is None:
        cache.say(f"running the guest on {DirectCarrier.description}: a test boot has shown it "
                  "works")
        return DirectCarrier()
    cache.say(f"running the guest by {NestedCarrier.description}: {obstacle}")
    return NestedCarrier(guest_mib)


def why_not_kvm() -> str | None:
    """Return why this machine's KVM does not serve, or None if it does."""
    if os.environ.get("HV_BALLOON_NESTED"):
        return "HV_BALLOON_NESTED is set"
    return _missing_capability() or _remembered_boot()


def _missing_capability():
    try:
        device = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    try:
        for name, number in HYPERV_CAPABILITIES.items():
            if fcntl.ioctl(device, KVM_CHECK_EXTENSION, number) <= 0:
                return f"this machine's KVM has no Hyper-V emulation ({name} is missing)"
    finally:
        os.close(device)
    return None


def _remembered_boot():
    """Return what the test boot showed, doing it only if something has changed since."""
    memory = cache.root() / "kvm-probe.json"
    subject = {"kernel": platform.release(), "cpu": _processor(),
               "qemu": (packages.bundle("qemu") / "PACKAGES").read_text(encoding="ascii")}
    if memory.exists():
        known = json.loads(memory.read_text(encoding="utf-8"))
        if known["subject"] == subject:
            return known["obstacle"]
    obstacle = _failed_boot()
    memory.write_text(json.dumps({"subject": subject, "obstacle": obstacle}), encoding="utf-8")
    return obstacle


def _processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.strip() for line in lines if line.startswith("model name")), "")


def _failed_boot():
    cache.say("testing whether this machine's KVM boots a guest with Hyper-V emulation")
    intree = build.intree_module(CARRIER_KERNEL)
    try:
        config = Config(CARRIER_KERNEL, module=intree)
        with DirectCarrier() as carrier, RealGuest(carrier, config) as guest:
            guest.load(intree=True)
            seen = guest.run("dmesg")
    except LabError as error:
        return "a test boot with this machine's KVM failed: " + str(error).splitlines()[0]
    return None if EXPECTED in seen else "the test boot did not see Hyper-V"
