# SPDX-License-Identifier: GPL-2.0-only
"""The program that asks the host for memory while programs of the guest wait for it."""

import time
from pathlib import Path

import pytest

from lab import PROJECT

from .keeper import agreed
from .sysfs import FILES

PERL = Path("/usr/bin/perl")
PERL_FILES = ("strict.pm", "warnings.pm")
LIBRARIES = ("libcrypt.so.1", "libm.so.6")
KIB, SECONDS = 102400, 10
SMALL_MIB, READ_MIB = 20, 60    # what a group of programs may have, and what one of them reads
ASKING = (f"LD_LIBRARY_PATH=/lab/libcrypt.so.1:/lab/libm.so.6 PERL5LIB=/lab/strict.pm:/lab/warnings.pm"
          f" /lab/perl/perl /lab/pressure/hvballoon-pressure {KIB} {SECONDS}")


def perl():
    """Return the files of a small perl, by name."""
    library = Path("/usr/lib/x86_64-linux-gnu")
    return ({"perl": PERL, "pressure": PROJECT / "tools/hvballoon-pressure"}
            | {name: library / "perl-base" / name for name in PERL_FILES}
            | {name: library / name for name in LIBRARIES})


@pytest.fixture
def asking(keeper):
    """A guest in which the program runs, and a group of programs with hardly any memory."""
    with keeper.new(files=perl()) as guest:
        if guest.call("test -f /proc/pressure/memory && test -b /dev/vda").status:
            pytest.skip("not in this kernel")
        agreed(guest)
        guest.run("mkdir /tmp/groups; mount -t cgroup2 none /tmp/groups;"
                  " echo +memory >/tmp/groups/cgroup.subtree_control; mkdir /tmp/groups/small;"
                  f" echo {SMALL_MIB}M >/tmp/groups/small/memory.max")
        guest.run(f"{ASKING} >/tmp/asking 2>&1 & sleep 1; kill -0 $! || {{ cat /tmp/asking; false; }}")
        yield guest


def extra(guest):
    """Return the KiB that are asked for."""
    return int(guest.run(f"cat {FILES}/extra_demand_kb"))


def wait_extra(guest, kib, limit):
    """Wait until that much is asked for."""
    end = time.monotonic() + limit * guest.patience
    while extra(guest) != kib:
        assert time.monotonic() < end, guest.run("cat /tmp/asking /proc/pressure/memory")
        time.sleep(0.5)


def test_programs_wait(asking):
    """The host is asked while a program waits for its pages, and some seconds longer."""
    guest = asking
    time.sleep(3)
    assert extra(guest) == 0
    guest.run(f"sh -c 'echo $$ >/tmp/groups/small/cgroup.procs; exec maploop /dev/vda {READ_MIB}'"
              " >/dev/null 2>&1 & echo $! >/tmp/reader")
    wait_extra(guest, KIB, 60)
    time.sleep(SECONDS + 5)
    assert extra(guest) == KIB, "it was asked once only"
    guest.run("kill $(cat /tmp/reader)")
    wait_extra(guest, 0, 120)
    assert guest.run("cat /tmp/asking") == ""
