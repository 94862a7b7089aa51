# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# What the init scripts of all lab machines do first. Sourced by them.

export PATH=/usr/sbin:/usr/bin HOME=/tmp

/usr/bin/busybox --install -s /usr/bin 2>/dev/null
mkdir -p /proc /sys /dev /run /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
