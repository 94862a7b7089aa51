# SPDX-License-Identifier: GPL-2.0-only
"""The XML of docs/qemu.md in Debian 13's libvirt and QEMU: defined, started, and ballooned by virsh.

libvirt runs in the emulated machine that carries guests, in a root that is read-only there. Making
it needs the rights of root.
"""

import contextlib
import re
import time

import pytest

from lab import PROJECT, build, initramfs, kernels, roots
from lab.carrier import NestedCarrier, port
from lab.real_guest import HOST_DELAY
from lab.shell import Shell

RELEASE, KERNEL = "trixie", "6.1"
PROGRAMS = ("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86")
NAME, TARGET = "dm", 700     # MiB
CARRIED = 2560      # MiB for the guest, QEMU and libvirt
# What libvirt does to a machine beside others has no use here.
DAEMON = """set -e
cd {root}
for folder in run tmp var/lib/libvirt var/log var/cache etc/libvirt root; do
    mount -t tmpfs tmpfs $folder
done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --bind /dev dev
cp {work}/* tmp
printf '%s\\n' 'user = "root"' 'group = "root"' 'namespaces = []' 'cgroup_controllers = []' \
    'security_driver = "none"' 'stdio_handler = "file"' 'remember_owner = 0' >etc/libvirt/qemu.conf
exec chroot . /usr/bin/env LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin \
    libvirtd
"""
STARTED, BOOTED, ANSWERS = 600, 600, 180    # seconds, in an emulated machine


def document():
    """Return the XML of the page."""
    text = (PROJECT / "docs/qemu.md").read_text(encoding="utf-8")
    return re.search(r"^```xml\n(.*?)^```$", text, re.M | re.S).group(1)


def with_own_system(xml, channel):
    """Return it with the lab's guest, which has a shell, in place of a disk."""
    append = "console=ttyS0 panic=-1 tsc=reliable"
    system = (f"<kernel>/tmp/vmlinuz</kernel><initrd>/tmp/guest.cpio</initrd>"
              f"<cmdline>{append}</cmdline></os>")
    arguments = ["-device", "virtio-serial-pci,addr=0x10", *channel, *port("shell", "shell", 1)]
    more = "".join(f"<qemu:arg value='{word}'/>" for word in arguments)
    xml, disks = re.subn(r"<disk .*?</disk>", "", xml, flags=re.S)
    assert disks == 1
    return xml.replace("</os>", system).replace("</qemu:commandline>", f"{more}</qemu:commandline>")


class Libvirt:
    """A libvirt in the machine that carries guests. A context manager."""

    def __init__(self, carrier):
        self._carrier, self._root = carrier, roots.root(f"{RELEASE}-libvirt", RELEASE, PROGRAMS)
        kernel = kernels.kernel(KERNEL)
        work = carrier.folder / "work"
        work.mkdir()
        initramfs.guest(work / "guest.cpio", kernel, {"module": build.module(KERNEL)},
                        build.udev_rule())
        (work / "vmlinuz").write_bytes(kernel.image.read_bytes())
        (work / "dm.xml").write_text(with_own_system(document(), carrier.channel("shell")))
        self._script = DAEMON.format(root=self._root, work=work)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            daemon = stack.enter_context(self._carrier.run(
                ["sh", "-c", self._script], self._carrier.output("libvirt.out")))
            deadline = time.monotonic() + STARTED
            while self.virsh("version", status=None)[0]:
                said = self._carrier.read("libvirt.out")
                assert daemon.alive() and time.monotonic() < deadline, said
                time.sleep(5)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def virsh(self, *words, status=0, limit=STARTED):
        """Run a command of virsh; return its status and what it printed."""
        with self._carrier.run(["chroot", str(self._root), "/usr/bin/virsh", "-c", "qemu:///system",
                                *words], self._carrier.output("virsh.out")) as command:
            deadline = time.monotonic() + limit
            while command.alive():
                assert time.monotonic() < deadline, f"virsh {words} does not end"
                time.sleep(1)
            text = self._carrier.read("virsh.out")
        text, _, ended = text.rpartition("ended with status ")
        assert status in (None, int(ended)), f"virsh {words}: {text}"
        return int(ended), text.strip()

    def ask(self, *words):
        """Return the answer of QEMU's monitor."""
        return self.virsh("qemu-monitor-command", NAME, *words)[1]


@pytest.fixture(name="libvirt")
def fixture_libvirt():
    """The libvirt, and the carrier of it."""
    with NestedCarrier(CARRIED) as carrier, Libvirt(carrier) as libvirt:
        yield libvirt, carrier


def test_domain_of_the_page(libvirt):
    """It is defined, starts, and virsh sets the guest's target and reads its report."""
    virsh, carrier = libvirt[0].virsh, libvirt[1]
    print(virsh("version")[1])
    virsh("define", "--validate", "/tmp/dm.xml")
    virsh("start", NAME)
    assert virsh("domstate", NAME)[1] == "running"
    with carrier.connected("shell") as connection:
        guest = Shell(connection)
        guest.run("true", BOOTED)
        guest.run("insmod /lab/module/hv_balloon.ko", ANSWERS)
        time.sleep(HOST_DELAY)
        virsh("suspend", NAME)      # see RealGuest.set_target()
        libvirt[0].ask("--hmp", f"balloon {TARGET}")
        virsh("resume", NAME)
        deadline = time.monotonic() + BOOTED
        while f"actual={TARGET}" not in (said := libvirt[0].ask("--hmp", "info balloon")):
            assert time.monotonic() < deadline, said
            time.sleep(2)
        report = libvirt[0].ask('{"execute": "query-hv-balloon-status-report"}')
        assert '"committed"' in report and '"available"' in report, report
        print(f"{said}\n{report}\n{virsh('dominfo', NAME)[1]}")
    virsh("destroy", NAME)
    virsh("undefine", NAME)
