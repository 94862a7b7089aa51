#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# First program of the guest under test: a small system with a real udev, served over its shell port.

# shellcheck source=init-common.sh
. /lab/init-common.sh
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null

modprobe -a virtio_pci virtio_console
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
modprobe hv_vmbus

# shellcheck source=shell-server.sh
. /lab/shell-server.sh
serve shell
