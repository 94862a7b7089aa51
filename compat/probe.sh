#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Prints a -DHVB_HAVE_... for each feature that the kernel in $1 has, and then
# -DHVB_PROBED. Versions tell little: distributions carry features back.
#
# Each feature is known by code of the headers: by what is there with it, and by
# what is there without it. Where neither or both are found the kernel has changed,
# and a guess could build without a warning and do harm: then this fails.
#
# usage: probe.sh KERNEL-TREE
include=$1/include
failed=

# code FILE: a header in one line, without comments
code() {
	tr '\n' '\001' <"$include/$1" | sed -E 's,/\*([^*]|\*+[^*/])*\*+/, ,g' |
		tr '\001' '\n' | sed 's,//.*,,' | tr -s '[:space:]' ' '
}

# found TEXT PATTERN
found() {
	printf '%s\n' "$1" | grep -Eq "$2"
}

# decide NAME FILE HAS LACKS, the last two "yes" or empty
decide() {
	case $3:$4 in
	yes:)
		printf ' -DHVB_HAVE_%s' "$1"
		;;
	:yes) ;;
	*)
		echo "probe.sh: $include/$2 does not tell whether this kernel has $1" >&2
		failed=yes
		;;
	esac
}

# has NAME FILE WITH WITHOUT: the last two are patterns
has() {
	local text
	text=$(code "$2")
	decide "$1" "$2" "$(found "$text" "$3" && echo yes)" "$(found "$text" "$4" && echo yes)"
}

# lists NAME FILE ENUM LAST: does an enumeration that ends with LAST have a NAME
lists() {
	local text with
	text=$(code "$2" | grep -Eo "enum $3 \{[^}]*[ ,]$4,? \}")
	with=$(found "$text" "[ ,]$1[ ,]" && echo yes)
	decide "$1" "$2" "$with" "${text:+$(test "$with" || echo yes)}"
}

has VOID_REMOVE linux/hyperv.h \
	'void \(\*remove\)\(struct hv_device' 'int \(\*remove\)\(struct hv_device'

lists NR_BALLOON_PAGES linux/mmzone.h node_stat_item NR_VM_NODE_STAT_ITEMS

# The option that the events of balloons depend on.
has CONFIG_BALLOON linux/vm_event_item.h \
	'#ifdef CONFIG_BALLOON BALLOON_INFLATE' '#ifdef CONFIG_MEMORY_BALLOON BALLOON_INFLATE'

# Asking for the memory map on the memory itself is a wish, no condition. Together
# with that came what a block knows of its map.
has MEMMAP_WISH linux/memory.h \
	'struct memory_block \{[^}]* struct vmem_altmap \*altmap;' \
	'struct memory_block \{[^}]* unsigned long nr_vmemmap_pages;'

# Hot-added pages start PageOffline, and generic_online_page() clears it. Together
# with that came a count of the pages that go offline and are not.
has OFFLINE_HOTPLUG linux/memory_hotplug.h \
	'unsigned long __offline_isolated_pages\(' 'void __offline_isolated_pages\('

# alloc_contig_range() takes flags of its own in place of a migrate type.
range='alloc_contig_range(_noprof)?\(unsigned long start, unsigned long end,'
has ACR_FLAGS linux/gfp.h "$range acr_flags_t " "$range unsigned (int )?migratetype"

has FREE_HIGHATOMIC linux/mmzone.h \
	'nr_free_highatomic; long lowmem_reserve' 'nr_reserved_highatomic; long lowmem_reserve'

hints=hyperv/hvgdk_ext.h
test -e "$include/$hints" || hints=asm-generic/hyperv-tlfs.h
has HEAT_TYPE $hints \
	'struct hv_memory_hint \{ u64 heat_type ?:' 'struct hv_memory_hint \{ u64 type ?:'

test -z "$failed" && echo ' -DHVB_PROBED'
