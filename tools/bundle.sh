# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # reads the variables of hvballoon
#
# What hvballoon doctor --bundle writes: one archive with what a report of a bug needs. Sourced by
# hvballoon when it is asked for. Files keep their places, so that HVBALLOON_ROOT can name the
# unpacked archive, and the doctor says there what it has said here.

archive_name=hvballoon-report
collected=/proc/meminfo\ /proc/zoneinfo\ /proc/buddyinfo\ /proc/pagetypeinfo\ /proc/vmstat
collected="$collected /proc/iomem /proc/cmdline /proc/version /proc/pressure/memory"
collected="$collected /proc/sys/kernel/osrelease /proc/sys/vm/overcommit_memory"
collected="$collected /proc/sys/vm/nr_hugepages /proc/sys/vm/min_free_kbytes /etc/os-release"
collected="$collected /sys/kernel/security/lockdown /sys/module/module/parameters/sig_enforce"
collected="$collected /sys/bus/vmbus/hibernation /sys/class/dmi/id/sys_vendor"
collected="$collected /sys/class/dmi/id/product_name"

# keep PATH...: copy files of the guest to the same places in the archive; what is not there is
# passed over, what cannot be read is noted.
keep()
{
	local path
	for path; do
		[ -f "$root$path" ] || continue
		# Files that can only be written, also by root; and one that is always empty.
		case $path in
		/sys/module/*/uevent | /sys/module/*/parameters/takeover | /run/hvballoon/lock) continue ;;
		esac
		mkdir -p "$report${path%/*}"
		if ! cat "$root$path" >"$report$path" 2>/dev/null; then
			rm -f "$report$path"
			unread="$unread $path"
		fi
	done
}

# keep_all PATTERN: the same for all files whose paths match. The pattern must have no spaces.
keep_all()
{
	local found
	for found in "$root"$1; do
		keep "${found#"$root"}"
	done
}

# keep_link PATH: a link, which may lead to nowhere here.
keep_link()
{
	[ -L "$root$1" ] || return 0
	mkdir -p "$report${1%/*}"
	ln -s "$(readlink "$root$1")" "$report$1"
}

# mark PATH: that it is there is enough.
mark()
{
	[ -e "$root$1" ] || return 0
	mkdir -p "$report${1%/*}"
	: >"$report$1"
}

# print_into NAME COMMAND...: what a command prints, if it is there. Of another guest it is in a file
# already.
print_into()
{
	if [ -n "$root" ]; then
		keep "/$1"
		return
	fi
	name=$1
	shift
	if command -v "$1" >/dev/null; then
		"$@" >"$report/$name" 2>&1 || :
	fi
}

keep_driver()
{
	local name
	keep_all '/sys/bus/vmbus/devices/*/class_id'
	keep_all '/sys/bus/vmbus/devices/*/dynamic_memory/*'
	[ -z "$device" ] || keep_link "${device#"$root"}/driver"
	mkdir -p "$report/sys/bus" && mark_folder /sys/bus/vmbus
	for name in hv_balloon hv_dynmem; do
		[ -z "$device" ] || mark "/sys/bus/vmbus/drivers/$name/${device##*/}"
		keep_all "/sys/module/$name/*"
		keep_all "/sys/module/$name/parameters/*"
	done
	keep_all '/run/hvballoon/*'
	keep_all '/sys/module/memory_hotplug/parameters/*'
	keep_all '/sys/kernel/debug/hv_balloon/*'
	keep /sys/kernel/debug/hv-balloon
}

mark_folder()
{
	[ ! -d "$root$1" ] || mkdir -p "$report$1"
}

# Thousands of blocks are one file here: their states, a line each.
keep_blocks()
{
	local block
	keep /sys/devices/system/memory/auto_online_blocks /sys/devices/system/memory/block_size_bytes
	for block in "$blocks"/memory[0-9]*; do
		if get "$block/state"; then
			printf '%s %s\n' "${block##*/}" "$value"
		fi
	done >"$report/memory-blocks"
}

# Rules that have to do with it, with those of the same name that they override or that override
# them, also by a link to /dev/null.
keep_rules()
{
	local folder path
	mark /run/udev/control
	for folder in etc run usr/local/lib usr/lib lib; do
		grep -lE 'memory|online|vmbus|hv_balloon' "$root/$folder"/udev/rules.d/*.rules
	done 2>/dev/null | sed 's,.*/,,' | sort -u >"$work/rules"
	while read -r name; do
		for folder in etc run usr/local/lib usr/lib lib; do
			path=/$folder/udev/rules.d/$name
			if [ "$(readlink "$root$path")" = /dev/null ]; then
				keep_link "$path"
			else
				keep "$path"
			fi
		done
	done <"$work/rules"
}

keep_module()
{
	local dep folder found
	dep=/lib/modules/$release/modules.dep
	if [ -r "$root$dep" ]; then
		mkdir -p "$report${dep%/*}"
		grep hv_ "$root$dep" >"$report$dep"
	fi
	[ ! -e "$root/lib/modules/$release/build" ] || mkdir -p "$report/lib/modules/$release/build"
	if installed_module; then
		print_into modinfo modinfo "$value"
	fi
	for folder in etc run usr/local/lib usr/lib lib; do
		grep -lE 'hv_|balloon' "$root/$folder"/modprobe.d/*.conf
	done 2>/dev/null >"$work/modprobe"
	while read -r found; do
		keep "${found#"$root"}"
	done <"$work/modprobe"
	keep_all '/var/lib/dkms/hv_balloon/*/build/make.log'
	keep_all '/var/log/hv_balloon-dkms-*.log'
	if look_into_image; then
		printf '%s\n%s\n' "$image" "$held" >"$report/initramfs"
	fi
}

keep_log()
{
	local lines
	lines=$(kernel_log | grep -i -e hv_ -e balloon -e 'memory block')
	if [ -n "$lines" ]; then
		mkdir -p "$report/var/log"
		printf '%s\n' "$lines" >"$report/var/log/dmesg"
	elif ! is_root; then
		unread="$unread dmesg"
	fi
}

keep_programs()
{
	local found
	grep -lxE 'earlyoom|systemd-oomd|kubelet' "$root"/proc/[0-9]*/comm 2>/dev/null >"$work/programs"
	while read -r found; do
		keep "${found#"$root"}"
	done <"$work/programs"
	print_into earlyoom earlyoom -v
}

# Without the name of the machine.
collect_report()
{
	print_into uname uname -srvm
	# shellcheck disable=SC2086 # a word for each file
	keep $collected
	if ! is_root; then
		# For others it has no addresses.
		rm -f "$report/proc/iomem"
		unread="$unread /proc/iomem"
	fi
	keep_driver
	keep_blocks
	keep_rules
	keep_module
	keep_log
	keep_programs
	print_into dkms dkms status hv_balloon
	render doctor >"$report/doctor.txt"
	render doctor-json >"$report/doctor.json"
	render status >"$report/status.txt"
	render status-json >"$report/status.json"
	print_metrics >"$report/metrics.prom"
	# shellcheck disable=SC2086 # a line for each
	[ -z "$unread" ] || printf '%s\n' $unread >"$report/not-read"
}

forget_report()
{
	rm -rf "$work"
	[ -z "$unfinished" ] || rm -f "$unfinished"
}

# Only who makes the archive may read it, and nothing that is there is overwritten.
write_bundle()
{
	unread='' unfinished=''
	umask 077
	[ ! -e "$bundle" ] || die "$bundle is there already: name a new file"
	work=$(mktemp -d) || die "there is no place for temporary files: set TMPDIR"
	trap forget_report EXIT
	trap 'exit 1' INT TERM HUP
	report=$work/$archive_name
	mkdir "$report"
	(set -C && : >"$bundle") 2>/dev/null ||
		die "$bundle cannot be written: is its folder there, and yours?"
	unfinished=$bundle
	collect_report
	if ! { tar -C "$work" -cf "$work/tar" "$archive_name" && gzip -9c "$work/tar" >"$bundle"; }; then
		die "$bundle cannot be written: is the disk full?"
	fi
	unfinished=
	printf '%s: %s files. Look at them before you send it: kernel, memory, log\n' "$bundle" \
		"$(find "$report" -type f | wc -l)"
	printf 'lines, rules and options that have to do with Dynamic Memory.\n'
	[ -z "$unread" ] || printf 'Not read, mostly as only root can:%s\n' "$unread"
}
