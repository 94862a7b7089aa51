# SPDX-License-Identifier: GPL-2.0-only
"""A guest made of files: what hvballoon reads of /sys, /proc, /lib and the rest."""

import shutil
from pathlib import Path
from typing import Any

DEVICE = "1eccfd72-4b41-45ef-b73a-4a6e44c12924"
CLASS = "{525074dc-8985-46e2-8057-a307dc18a502}"
RELEASE = "6.1.0-56-amd64"
MODULES = f"lib/modules/{RELEASE}"
BUS = "sys/bus/vmbus"
GROUP = f"{BUS}/devices/{DEVICE}/dynamic_memory"
MODULE = "sys/module/hv_balloon"
BESIDE = "sys/module/hv_dynmem"
IN_TREE = "sys/kernel/debug/hv-balloon"
BLOCKS = "sys/devices/system/memory"
LOG = "var/log/dmesg"
RULE = "usr/lib/udev/rules.d/60-hv-balloon.rules"
OURS = f"{MODULES}/updates/hv_balloon.ko"
DYNMEM = f"{MODULES}/updates/hv_dynmem.ko"
SRCVERSION = "0123456789ABCDEF0123456"
IMAGE = f"boot/initrd.img-{RELEASE}"


def module(srcversion: str) -> str:
    """Return the text of a module that was built from sources with that checksum."""
    fields = ("license=GPL", f"srcversion={srcversion}", "depends=hv_vmbus")
    return "a module\0" + "\0".join(fields) + "\0the rest~Module signature appended~\n"


SIGNED = module(SRCVERSION)

MIB = 1024  # all figures are in KiB

FIGURES: dict[str, Any] = {
    "state": "running", "protocol_version": "2.0", "hibernation": 0, "hot_add": 1,
    "ballooned_kb": 324 * MIB, "hidden_kb": 0,
    "hot_added_kb": 512 * MIB, "hot_added_online_kb": 512 * MIB,
    "new_blocks": "", "max_kb": 4096 * MIB, "floor_kb": 300 * MIB, "floor_rule": "size",
    "demand_used_kb": 400 * MIB, "demand_cache_kb": 20 * MIB, "demand_lead_kb": 30 * MIB,
    "demand_emergency_kb": 0, "extra_demand_kb": 0, "reported_available_kb": 800 * MIB,
    "reported_committed_kb": 1000 * MIB, "page_reporting": 0, "balloon_requests": 3,
    "balloon_refused_kb": 0, "returned_kb": 100 * MIB, "hot_add_requests": 1,
    "hot_add_refused_kb": 0, "rejected_messages": 0, "foreign_ranges": 0, "status_reports": 60,
    "send_failures": 0, "event_step_kb": 0, "events": 0,
}
TOTAL = 1500 * MIB
AVAILABLE = 700 * MIB
ASSIGNED = TOTAL - FIGURES["ballooned_kb"]
DEMAND = FIGURES["reported_committed_kb"] - FIGURES["ballooned_kb"]

IN_TREE_FIGURES = """\
host_version          : 2.0
capabilities          : enabled hot_add
state                 : 1 (Initialized)
page_size             : 4096
pages_added           : 131072
pages_onlined         : 65536
pages_ballooned       : 25600
total_pages_committed : 307200
max_dynamic_page_count: 1048576
"""


# Of the driver's own; the figures of the last three are made up to tell them apart.
DEBUG_FILES = {
    "status": "state: running\nhost_version: 2.0\npages_hinted_free: 512\nhints_failed: 2\n"
              "balloon_requests: 3\nballoon_pages_requested: 110000\n"
              "balloon_pages_given: 108544\nblocks_cleared: 5\nblocks_kept: 1\n"
              "hot_add_pages_requested: 131072\nhot_add_pages_added: 131071\n"
              "messages_unexpected: 4\nmessages_with_reserved_bits: 6\n"
              "messages_with_wrong_size: 7\n",
    "blocks": "order taken failures\n" + "".join(f"{order} {order + 20} {order}\n"
                                                 for order in range(10)),
    "balloon": "order blocks pages\n" + "".join(f"{order} 2 {2 << order}\n"
                                                for order in range(10)),
    "latency": "inflate: 6 times, 2500123 us in all, 2000000 us at most\n"
               "  0 us or more: 1\n  2 us or more: 2\n  4 us or more: 1\n"
               "  262144 us or more: 1\n  1048576 us or more: 1\n"
               "deflate: 0 times, 0 us in all, 0 us at most\n"
               "hot-add: 1 times, 5000000000 us in all, 5000000000 us at most\n"
               "  1073741824 us or more: 1\n",
}


class Tree:
    """A folder with the files of a guest; at first of one in which all is well."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/sys/kernel/osrelease", RELEASE)
        self.write("proc/meminfo", f"MemTotal:  {TOTAL} kB\nMemFree: 1 kB\n"
                                   f"MemAvailable:   {AVAILABLE} kB\n")
        self.write(f"{BUS}/devices/11111111-0000-0000-0000-000000000000/class_id", "{another}")
        self.write(f"{BUS}/devices/{DEVICE}/class_id", CLASS)
        self.write(f"{BUS}/drivers/hv_balloon/{DEVICE}", "")
        self.write(f"{BUS}/devices/{DEVICE}/driver", "")
        self.figures(**FIGURES)
        self.load()
        self.install()
        self.write(f"{BLOCKS}/auto_online_blocks", "offline")
        self.write(f"{BLOCKS}/memory0/state", "online")
        self.write(RULE, 'SUBSYSTEM=="memory", ACTION=="add", ATTR{state}="online"')
        self.write(f"{BLOCKS}/block_size_bytes", "8000000")
        self.write("proc/1/comm", "init")
        self.write("run/udev/control", "")
        self.write(f"{BUS}/hibernation", "0")
        self.write("sys/kernel/security/lockdown", "[none] integrity confidentiality")

    def write(self, path: str, text: str) -> None:
        """Make or replace a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n" if text and not text.endswith("\n") else text, encoding="utf-8")

    def remove(self, *paths: str) -> None:
        """Remove files or folders."""
        for path in paths:
            if (self.root / path).is_dir():
                shutil.rmtree(self.root / path)
            else:
                (self.root / path).unlink()

    def figures(self, **values: object) -> None:
        """Set figures of the driver."""
        for name, value in values.items():
            self.write(f"{GROUP}/{name}", str(value))

    def load(self, folder: str = MODULE) -> None:
        """This project's driver is loaded, under one of its names."""
        for name, value in {"floor_mib": "0", "hot_add": "Y", "accounting": "keep",
                            "reclaim": "N"}.items():
            self.write(f"{folder}/parameters/{name}", value)
        self.write(f"{folder}/version", "0.1.0")
        self.write(f"{folder}/srcversion", SRCVERSION)
        self.write(f"{folder}/initstate", "live")

    def debug(self) -> None:
        """The driver's files in debugfs can be read."""
        for name, text in DEBUG_FILES.items():
            self.write(f"sys/kernel/debug/hv_balloon/{name}", text)

    def unload(self) -> None:
        """No driver is loaded."""
        self.remove(MODULE, GROUP, f"{BUS}/drivers/hv_balloon", f"{BUS}/devices/{DEVICE}/driver")

    def load_in_tree(self, figures: str | None = IN_TREE_FIGURES) -> None:
        """The driver of the kernel is loaded instead; its figures only if root may read them."""
        self.remove(MODULE, GROUP)
        self.write(f"{MODULE}/parameters/hot_add", "Y")
        self.write(f"{MODULE}/initstate", "live")
        if figures:
            self.write(IN_TREE, figures)

    def take_over(self) -> None:
        """This project's driver serves the device as hv_dynmem, the driver of the kernel is idle."""
        self.load_in_tree(figures=None)
        self.remove(f"{BUS}/drivers/hv_balloon/{DEVICE}")
        self.load(BESIDE)
        self.install_beside()
        self.figures(**FIGURES)
        self.write(f"{BUS}/drivers/hv_dynmem/{DEVICE}", "")

    def install(self) -> None:
        """The module is installed for the running kernel, whose headers are there."""
        self.write(OURS, SIGNED)
        self.write(f"{MODULES}/modules.dep",
                   "kernel/net/core.ko:\nupdates/hv_balloon.ko: kernel/drivers/hv/hv_vmbus.ko\n")
        (self.root / MODULES / "build").mkdir(exist_ok=True)

    def install_beside(self) -> None:
        """The module is installed under its second name, too."""
        self.write(DYNMEM, SIGNED)
        with open(self.root / MODULES / "modules.dep", "a", encoding="utf-8") as file:
            file.write("updates/hv_dynmem.ko: kernel/drivers/hv/hv_vmbus.ko\n")

    def uninstall(self) -> None:
        """Only the module of the kernel is there."""
        self.remove(OURS)
        self.write(f"{MODULES}/modules.dep",
                   "kernel/drivers/hv/hv_balloon.ko: kernel/drivers/hv/hv_vmbus.ko\n")
