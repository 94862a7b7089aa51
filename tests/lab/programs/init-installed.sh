#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# First program of a guest with an installed Debian, behind the initial RAM disk of that: as much
# of a boot as loads the drivers that udev finds devices for, then the shell server.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp DEBIAN_FRONTEND=noninteractive

mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug

modprobe -a virtio_pci virtio_console
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --type=subsystems
udevadm trigger --action=add --type=devices

# shellcheck source=shell-server.sh
. /lab/shell-server.sh
serve shell
