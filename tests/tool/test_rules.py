# SPDX-License-Identifier: GPL-2.0-only
"""The doctor reads rules as udev does: which of them online a new memory block, which do not."""

import pytest

from lab import PROJECT

from .tree import GROUP, RULE

FOLDER = "usr/lib/udev/rules.d"
DMI = "sys/class/dmi/id"

# Rules in the form that distributions have; what is about processors is left out, mostly.
REDHAT = """\
# Memory and processors that are plugged in

SUBSYSTEM!="memory", GOTO="plugged_memory_end"
ACTION!="add", GOTO="plugged_memory_end"
CONST{arch}=="s390*", GOTO="plugged_memory_end"
CONST{arch}=="ppc64*", GOTO="plugged_memory_end"

ENV{.state}="online"
CONST{virt}=="none", ENV{.state}="online_movable"
ATTR{state}=="offline", ATTR{state}="$env{.state}"

LABEL="plugged_memory_end"
"""
REDHAT_OLD = """\
SUBSYSTEM!="memory", ACTION!="add", GOTO="plugged_memory_end"
PROGRAM="/bin/uname -p", RESULT=="s390*", GOTO="plugged_memory_end"
ENV{.state}="online"
PROGRAM="/bin/systemd-detect-virt", RESULT=="none", ENV{.state}="online_movable"
ATTR{state}=="offline", ATTR{state}="$env{.state}"
LABEL="plugged_memory_end"
"""
SUSE = """\
SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}=="0", ATTR{online}="1"
SUBSYSTEM=="memory", ACTION=="add", PROGRAM=="/usr/bin/uname -m", RESULT!="s390x", \\
  ATTR{state}=="offline", \\
# only what is not there yet
  ATTR{state}="online"
"""
UBUNTU = """\
ATTR{[dmi/id]sys_vendor}=="Microsoft Corporation", ATTR{[dmi/id]product_name}=="Virtual Machine", GOTO="vm_plugged"
ATTR{[dmi/id]sys_vendor}=="Xen", GOTO="vm_plugged"
GOTO="vm_end"

LABEL="vm_plugged"
SUBSYSTEM=="memory", ACTION=="add", DEVPATH=="/devices/system/memory/memory[0-9]*", TEST=="state", ATTR{state}!="online", ATTR{state}="online"
SUBSYSTEM=="cpu", ACTION=="add", DEVPATH=="/devices/system/cpu/cpu[0-9]*", TEST=="online", ATTR{online}!="1", ATTR{online}="1"
LABEL="vm_end"
"""
DEBIAN = """\
# Debian's cloud images
SUBSYSTEM == "memory", ACTION == "add", ATTR{state} == "offline", ATTR{state} = "online"
"""

ONLINES = {
    "Red Hat": REDHAT,
    "Red Hat, older": REDHAT_OLD,
    "SUSE": SUSE,
    "Ubuntu": UBUNTU,
    "Debian": DEBIAN,
    "final": 'SUBSYSTEM=="memory", ATTR{state}:="online"',
    "added": 'SUBSYSTEM=="memory", ATTR{state}+="online"',
    "no commas": 'SUBSYSTEM=="memory" ACTION=="add" ATTR{state}="online_movable"',
    "tabs": '\tSUBSYSTEM\t==\t"memory",\tATTR{state}\t=\t"online"',
    "alternatives": 'SUBSYSTEM=="cpu|memory", ACTION=="add|change", ATTR{state}="online"',
    "pattern": 'KERNEL=="memory[0-9]*", ATTR{state}="online"',
    "case": 'SUBSYSTEM==i"MEMORY", ATTR{state}="online"',
    "the other file": 'SUBSYSTEM=="memory", ATTR{online}=="0", ATTR{online}="1"',
    "property of an earlier line": 'ENV{WANTED}="online"\nSUBSYSTEM=="memory", '
                                   'ENV{WANTED}=="?*", ATTR{state}="%E{WANTED}"',
    "property of the same line": 'SUBSYSTEM=="memory", ATTR{state}="$env{S}", ENV{S}="online"',
    "not set": 'SUBSYSTEM=="memory", ENV{SYNTH_UUID}=="", ATTR{state}="online"',
    "this driver": 'SUBSYSTEM=="memory", TEST=="/sys/bus/vmbus/drivers/hv_balloon", '
                   'ATTR{state}="online"',
    "by a shell": 'SUBSYSTEM=="memory", RUN+="/bin/sh -c \'echo online >/sys$devpath/state\'"',
    "what a program says": 'SUBSYSTEM=="memory", PROGRAM=="/opt/is-ours", ATTR{state}="online"',
    "unless a program says": 'PROGRAM=="/opt/is-other", GOTO="end"\n'
                             'SUBSYSTEM=="memory", ATTR{state}="online"\nLABEL="end"',
    "no such label": 'GOTO="nowhere"\nSUBSYSTEM=="memory", ATTR{state}="online"',
    "label before": 'LABEL="x"\nSUBSYSTEM=="memory", ATTR{state}="online", GOTO="x"',
    "quotes in a value": 'ENV{A}="say \\"no\\"", SUBSYSTEM=="memory", ATTR{state}="online"',
    "kernel's command line": 'IMPORT{cmdline}="memory_online"\nSUBSYSTEM=="memory", '
                             'ENV{memory_online}=="1", ATTR{state}="online"',
}

OURS = PROJECT / "packaging/udev/60-hv-balloon.rules"
# Rules for the event that the driver sends for a block which it has added.
FOR_THE_EVENT = {
    "this project": OURS.read_text(encoding="utf-8"),
    "its number": 'SUBSYSTEM=="vmbus", ENV{DYNAMIC_MEMORY_NEW_BLOCK}=="[0-9]*", '
                  'RUN+="/bin/sh -c \'echo online >/sys/devices/system/memory/memory'
                  '$env{DYNAMIC_MEMORY_NEW_BLOCK}/state\'"',
    "its driver": 'DRIVER=="hv_balloon", ACTION=="change", RUN+="/opt/online-it"',
}

DOES_NOT = {
    "events of others": 'SUBSYSTEM=="vmbus", ENV{DYNAMIC_MEMORY_EVENT}=="given", '
                        'RUN+="/opt/online-it"',
    "the state of the driver's device": 'SUBSYSTEM=="vmbus", ATTR{state}="online"',
    "comment": "# " + DEBIAN.splitlines()[1],
    "comment that is continued": '# about \\\nSUBSYSTEM=="cpu", \\\n# SUBSYSTEM=="memory"\n',
    "compares only": 'SUBSYSTEM=="memory", ATTR{state}=="online"',
    "not this": 'SUBSYSTEM!="memory", ATTR{state}="online"',
    "another action": 'SUBSYSTEM=="memory", ACTION=="remove", ATTR{state}="online"',
    "jumped over": 'SUBSYSTEM=="memory", GOTO="end"\nATTR{state}="online"\nLABEL="end"',
    "taken back": f'{DEBIAN}SUBSYSTEM=="memory", ATTR{{state}}="offline"',
    "word that the kernel refuses": 'SUBSYSTEM=="memory", ATTR{state}="on"',
    "empty property": 'SUBSYSTEM=="memory", ATTR{state}="$env{NOTHING}"',
    "another machine": 'SUBSYSTEM=="memory", CONST{virt}=="none", ATTR{state}="online"',
    "another processor": 'SUBSYSTEM=="memory", CONST{arch}=="s390*", ATTR{state}="online"',
    "mistake in the line": 'SUBSYSTEM=="memory", ATTR{state}="online',
    "no operator": 'SUBSYSTEM=="memory", ATTR{state} "online"',
    "longer name": 'SUBSYSTEM=="mem", ATTR{state}="online"',
    "dot is no pattern": 'SUBSYSTEM=="memor.", ATTR{state}="online"',
    "file that is not there": 'SUBSYSTEM=="memory", TEST=="/etc/online-memory", '
                              'ATTR{state}="online"',
    "only the processors": UBUNTU.replace('SUBSYSTEM=="memory"', '#SUBSYSTEM=="memory"'),
    "program of another device": 'SUBSYSTEM=="cpu", PROGRAM=="/bin/online-it"',
    "no such parameter": 'IMPORT{cmdline}="other"\nSUBSYSTEM=="memory", ENV{other}=="1", '
                         'ATTR{state}="online"',
}


@pytest.fixture(name="guest")
def fixture_guest(tree):
    """A guest of Hyper-V without a rule."""
    tree.remove(RULE)
    tree.write(f"{DMI}/sys_vendor", "Microsoft Corporation")
    tree.write(f"{DMI}/product_name", "Virtual Machine")
    tree.write("proc/cmdline", "quiet memory_online")
    return tree


@pytest.mark.parametrize("text", ONLINES.values(), ids=ONLINES)
def test_onlines(command, guest, text):
    """No complaint."""
    guest.write(f"{FOLDER}/80-memory.rules", text)
    assert command.problems() == []


@pytest.mark.parametrize("text", FOR_THE_EVENT.values(), ids=FOR_THE_EVENT)
def test_onlines_by_the_event(command, guest, text):
    """Where the driver sends one."""
    guest.write(f"{FOLDER}/80-memory.rules", text)
    assert command.problems() == []


@pytest.mark.parametrize("name", [name for name in FOR_THE_EVENT if name != "this project"])
def test_no_event(command, guest, name):
    """An older driver sends none, and that of the kernel tree neither."""
    guest.write(f"{FOLDER}/80-memory.rules", FOR_THE_EVENT[name])
    guest.remove(f"{GROUP}/new_blocks")
    assert command.problems() == ["no-onlining"]
    guest.load_in_tree()
    assert "no-onlining" in command.problems()


@pytest.mark.parametrize("change", ["load_in_tree", "unload"])
def test_rule_of_the_project(command, guest, change):
    """It serves the driver of the kernel tree too, and a driver that is not loaded yet."""
    guest.write(f"{FOLDER}/80-memory.rules", FOR_THE_EVENT["this project"])
    getattr(guest, change)()
    assert "no-onlining" not in command.problems()


@pytest.mark.parametrize("text", DOES_NOT.values(), ids=DOES_NOT)
def test_does_not_online(command, guest, text):
    """Looks as if, but nothing comes online."""
    guest.write(f"{FOLDER}/80-memory.rules", text)
    assert command.problems() == ["no-onlining"]


def test_rule_is_not_run(command, guest):
    """Files that somebody has sent are read only, whatever is written there."""
    here = guest.root / "was-here"
    guest.write(f"{FOLDER}/80-memory.rules",
                f'SUBSYSTEM=="memory", TEST=="/x\' || touch {here} \'", ATTR{{state}}="online"\n'
                f'SUBSYSTEM=="memory", PROGRAM=="/bin/touch {here}", ATTR{{state}}="on"')
    assert command.problems() == ["no-onlining"]
    assert not here.exists()


def test_rule_for_other_machines(command, guest):
    """Ubuntu's rule looks at who made the machine."""
    guest.write(f"{FOLDER}/40-vm-hotadd.rules", UBUNTU)
    guest.write(f"{DMI}/sys_vendor", "QEMU")
    assert command.problems() == ["no-onlining"]


def test_properties_cross_files(command, guest):
    """Files are read by name, from whatever folder."""
    guest.write("etc/udev/rules.d/70-use.rules", 'SUBSYSTEM=="memory", ATTR{state}="$env{S}"')
    guest.write(f"{FOLDER}/60-set.rules", 'SUBSYSTEM=="memory", ENV{S}="online"')
    assert command.problems() == []
    (guest.root / FOLDER / "60-set.rules").rename(guest.root / FOLDER / "80-set.rules")
    assert command.problems() == ["no-onlining"]


@pytest.mark.parametrize("place", ["etc/udev/rules.d", "run/udev/rules.d",
                                    "usr/local/lib/udev/rules.d"])
def test_overridden(command, guest, place):
    """A file of the same name in an earlier folder counts instead, also if it is empty."""
    guest.write(f"{FOLDER}/80-memory.rules", DEBIAN)
    guest.write(f"{place}/80-memory.rules", 'SUBSYSTEM=="cpu", ATTR{online}="1"')
    assert command.problems() == ["no-onlining"]
    guest.write(f"{place}/80-memory.rules", "")
    assert command.problems() == ["no-onlining"]
    guest.remove(f"{place}/80-memory.rules")
    (guest.root / place / "80-memory.rules").symlink_to("/dev/null")
    assert command.problems() == ["no-onlining"]


def test_override_wins(command, guest):
    """The folder of the administrator comes before that of the moment, and that before others."""
    guest.write("run/udev/rules.d/80-memory.rules", "# nothing")
    guest.write("etc/udev/rules.d/80-memory.rules", DEBIAN)
    assert command.problems() == []
    guest.remove("etc/udev/rules.d/80-memory.rules")
    assert command.problems() == ["no-onlining"]


def test_name_without_the_suffix(command, guest):
    """udev reads nothing else."""
    guest.write("etc/udev/rules.d/80-memory.rules.disabled", DEBIAN)
    assert command.problems() == ["no-onlining"]
