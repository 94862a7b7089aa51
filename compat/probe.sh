#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Prints a -DHVB_HAVE_... for each feature that the kernel in $1 has. Versions
# tell little: distributions carry features back.
#
# usage: probe.sh KERNEL-TREE
include=$1/include

# has FILE PATTERN NAME
has() {
	grep -Eqs "$2" "$include/$1" && printf ' -DHVB_HAVE_%s' "$3"
}

has linux/hyperv.h 'void \(\*remove\)\(struct hv_device' VOID_REMOVE
has linux/mmzone.h '(^|[^_])NR_BALLOON_PAGES' NR_BALLOON_PAGES
# Asking for the memory map on the memory itself is a wish, no condition.
has linux/memory_hotplug.h 'mhp_supports_memmap_on_memory\(void\)' MEMMAP_WISH
# Hot-added pages start PageOffline, and generic_online_page() clears it.
has linux/page-flags.h 'PageOffline\(\). generic_online_page\(\) will' OFFLINE_HOTPLUG
# alloc_contig_range() takes flags of its own in place of a migrate type.
has linux/gfp.h 'acr_flags_t' ACR_FLAGS
has hyperv/hvgdk_ext.h 'heat_type : 2' HEAT_TYPE
exit 0
