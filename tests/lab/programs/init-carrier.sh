#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# First program of the emulated machine that carries the guest's QEMU: gives it KVM and the
# folders of the real machine at their own paths (arguments of the kernel command line).

# shellcheck source=init-common.sh
. /lab/init-common.sh

argument()
{
	sed -n "s/.*\<$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

mount_shared()
{
	mkdir -p "$2"
	mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2"
}

modprobe -a kvm_amd 9pnet_virtio 9p
cache=$(argument lab.cache)
run=$(argument lab.run)
mount_shared cache "$cache" ro,cache=loose
mount_shared run "$run" rw,cache=none

# shellcheck source=shell-server.sh
. /lab/shell-server.sh
serve carrier
