#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# First program of a guest that goes on as an installed system with systemd, on the disk whose
# serial number is "system": brings /lab and the shell server there, then makes way for systemd.

# shellcheck source=init-common.sh
. /lab/init-common.sh

modprobe -a virtio_pci virtio_console virtio_blk virtio_net ext4
until disk=$(grep -lx system /sys/block/*/serial) && [ -n "$disk" ]; do
	sleep 0.1
done
disk=${disk%/serial}
mkdir /system
mount -t ext4 "/dev/${disk##*/}" /system

mkdir -p /system/lab
cp -a /lab/. /system/lab
rm -f /system/etc/systemd/system/*.wants/* # each case starts what it needs
cp /lab/shell/lab-shell.service /system/etc/systemd/system
mkdir -p /system/etc/systemd/system/multi-user.target.wants
ln -s ../lab-shell.service /system/etc/systemd/system/multi-user.target.wants

for folder in proc sys dev run; do
	mount --move /$folder /system/$folder
done
exec switch_root /system /lib/systemd/systemd systemd.unit=multi-user.target
