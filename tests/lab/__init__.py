# SPDX-License-Identifier: GPL-2.0-only
"""The test lab: stock Debian guests, and what carries them.

cache      where downloads and built images live
packages   Debian packages, downloaded and unpacked without installing them
kernels    stock kernels, their headers and their sources
roots      root file systems of Debian releases, for compilers and for guests
build      the module under test, built per kernel
initramfs  what the guest and the intermediate machine boot
accel      which way of running the guest works on this machine
shell      commands run inside a machine
qmp        the QEMU monitor
carrier    what carries the guest's QEMU: this machine, or an emulated one
guest      what each guest offers, whatever plays its host
real_guest a guest of QEMU's host, with the controls of that
installed  guests with an installed Debian and packages of ours
repeat     cases that run again if what carries their guest fails
results    what the layers have to say: failed, skipped, repeated
variants   kernels for other processors and compilers, to build against
kernlog    warnings in a kernel log
memory     figures of a machine's memory
figures    what host, guest and driver say of a guest on a real host
memhog     a program in the guest with a known demand for memory
programs/  what runs inside the machines
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HV_BALLOON, HV_DYNMEM = NAMES = "hv_balloon", "hv_dynmem"   # the two modules of the driver


class LabError(Exception):
    """Something the lab needs is missing or did not work; the text says what to do."""
