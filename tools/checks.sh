# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # reads the variables of hvballoon
#
# What hvballoon doctor looks for, one function for each thing. Sourced by
# hvballoon, which has collected the facts; diagnose() at the end runs all.

blocks=$root/sys/devices/system/memory

# one_line TEXT: $line becomes that without line breaks and indentation.
one_line()
{
	set -f
	# shellcheck disable=SC2086 # to be taken apart at each white space
	set -- $1
	set +f
	line=$*
}

# finding KIND NAME WHAT DO: note it.
finding()
{
	one_line "$3"
	what=$line
	one_line "$4"
	findings="$findings$1$tab$2$tab$what$tab$line$nl"
}

# problem NAME WHAT DO: something is wrong, and what to do about it.
problem()
{
	finding problem "$1" "$2" "$3"
}

# note NAME WHAT: nothing is wrong, but it is good to know.
note()
{
	finding note "$1" "$2" ""
}

# mib KIB: $mib becomes that in MiB.
mib()
{
	mib=$(($1 / 1024))
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

# unseen WHAT: it could not be read. Nobody but root can read everything.
unseen()
{
	unseen="${unseen}unseen$tab$1$nl"
}

# The lines of the driver in the kernel's log.
log_lines()
{
	if [ -n "$root" ]; then
		cat "$root/var/log/dmesg" 2>/dev/null
	else
		dmesg 2>/dev/null
	fi | grep hv_balloon
}

# installed_module: $value becomes the file that modprobe takes, if that is ours.
installed_module()
{
	value=$(sed -n 's,^\([^:]*/hv_balloon\.ko[.a-z]*\):.*,\1,p' \
		"$root/lib/modules/$release/modules.dep" 2>/dev/null)
	case $value in
	'' | kernel/*) return 1 ;;
	/*) value=$root$value ;;
	*) value=$root/lib/modules/$release/$value ;;
	esac
}

unpacked()
{
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dc "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac 2>/dev/null
}

has_signature()
{
	[ "$(unpacked "$1" | tail -c 28)" = '~Module signature appended~' ]
}

# Does the kernel refuse modules without a signature?
wants_signature()
{
	get "$root/sys/module/module/parameters/sig_enforce" && [ "$value" = Y ] && return
	get "$root/sys/kernel/security/lockdown"
	case $value in
	*'[integrity]'* | *'[confidentiality]'*) ;;
	*) return 1 ;;
	esac
}

check_signature()
{
	if wants_signature && ! has_signature "$1"; then
		problem unsigned-module \
			"The kernel takes only signed modules (Secure Boot, lockdown), and
			${1#"$root"} has no signature." \
			"Sign it with a key that the machine knows, as DKMS does: import the key
			with \"mokutil --import\", restart, enrol it. Or switch Secure Boot off."
	fi
}

check_headers()
{
	if [ ! -e "$root/lib/modules/$release/build" ]; then
		problem no-headers \
			"The headers of kernel $release are missing, so that neither make nor DKMS
			can build the module for it." \
			"Install them: \"apt install linux-headers-$release\" on Debian and
			Ubuntu, \"dnf install kernel-devel-$release\" on Fedora and RHEL."
	fi
}

# What both ways to have no driver of ours have in common; $then tells how to start it.
check_installed()
{
	if installed_module; then
		check_signature "$value"
		next="It is installed for this kernel: $then."
	else
		check_headers
		next="It is not installed for kernel $release: run \"make && sudo make install\"
			in its sources, or install its package; $then."
	fi
}

check_in_tree()
{
	if is_built_in; then
		problem built-in \
			"The kernel's own hv_balloon is built into kernel $release. No module can
			take its place." \
			"Start a kernel that has it as a module (CONFIG_HYPERV_BALLOON=m), such as
			Debian's or Ubuntu's generic ones; or live with the driver of the kernel."
		return
	fi
	then="then restart the machine, as the running driver cannot be unloaded. If the kernel's
		own is back after that, an old copy is in the initramfs: run
		\"update-initramfs -u\" or \"dracut -f\""
	check_installed
	problem in-tree-driver \
		"The kernel's own hv_balloon runs, not that of this project." \
		"$next"
}

check_not_loaded()
{
	then='then run "modprobe hv_balloon"'
	check_installed
	problem not-loaded \
		"No driver of Dynamic Memory is loaded: the guest keeps the size it has." \
		"$next"
	# Its last word, unless it has been loaded again since.
	if log_lines | tail -n 1 | grep -q 'still ballooned and stay out of use'; then
		problem earlier-balloon \
			"The driver was unloaded while the host had memory of this guest, which
			stays out of use." \
			"Load the driver again: it takes the books over, and the host can give the
			memory back."
	fi
}

check_unbound()
{
	if [ -e "$device/driver" ]; then
		other=$(readlink "$device/driver")
		problem other-driver \
			"The device belongs to another driver, ${other##*/}." \
			"Unbind it: \"echo ${device##*/}
			>/sys/bus/vmbus/drivers/${other##*/}/unbind\", then write the same to
			/sys/bus/vmbus/drivers/hv_balloon/bind."
	else
		problem not-bound \
			"The driver is loaded but does not serve the device: the host has refused
			it or was silent, or it was unbound by hand. Right after loading, wait 20
			seconds." \
			"Read \"dmesg | grep hv_balloon\". Then try again: \"echo ${device##*/}
			>/sys/bus/vmbus/drivers/hv_balloon/bind\"."
	fi
}

check_state()
{
	figure state
	case $value in
	running) ;;
	failed | closed | error)
		problem failed \
			"The host has refused Dynamic Memory, or was silent (state $value)." \
			"Read \"dmesg | grep hv_balloon\" for the reason. Check that Dynamic
			Memory is on in the settings of this machine on the host. Then unbind and
			bind the device: write ${device##*/} to unbind and then to bind in
			/sys/bus/vmbus/drivers/hv_balloon."
		;;
	opened | version | capabilities | initializing)
		note negotiating \
			"The driver still negotiates with the host (state $value). That takes 20
			seconds at most."
		;;
	esac
}

# The kernel's own driver does not say, but VMBus does.
can_hibernate()
{
	figure hibernation || get "$root/sys/bus/vmbus/hibernation"
	[ "$value" = 1 ]
}

check_hibernation()
{
	if can_hibernate; then
		problem hibernation \
			"This guest can hibernate (ACPI S4), so the driver refuses every request
			of the host: a guest that comes back from hibernation gets the memory it
			was started with." \
			"Switch hibernation off for this machine on the host (QEMU: -global
			ICH9-LPC.disable_s4=1), or give it fixed memory."
	fi
}

check_hot_add()
{
	get "$module/parameters/hot_add"
	if [ "$value" = N ]; then
		problem hot-add-off \
			"The parameter hot_add is off: the guest refuses memory beyond what it was
			started with, and tells the host not to offer it again." \
			"Remove hot_add=0 from /etc/modprobe.d and from the kernel's command line.
			Now: \"echo Y >/sys/module/hv_balloon/parameters/hot_add\"; a host that
			was refused may offer memory again only after a restart of the guest."
	elif ! can_hibernate && figure hot_add && [ "$value" = 0 ]; then
		problem hot-add-unusable \
			"Another driver decides how new memory is onlined, or this machine cannot
			hot-add: the guest gets no memory beyond what it was started with." \
			"Unload that driver (virtio_mem and the Xen balloon are such) and load
			hv_balloon again."
	fi
}

# count_offline_blocks: $offline_blocks becomes the number of memory blocks that are offline.
count_offline_blocks()
{
	offline_blocks=0
	for file in "$blocks"/memory*/state; do
		if get "$file" && [ "$value" = offline ]; then
			offline_blocks=$((offline_blocks + 1))
		fi
	done
}

check_blocks()
{
	count_offline_blocks
	number offline_kb
	if [ "$value" -gt 0 ]; then
		mib "$value"
		what="$mib MiB of hot-added memory are"
	elif [ "$driver" = in-tree ] && [ "$offline_blocks" -gt 0 ]; then
		what="$offline_blocks memory blocks are"
	else
		return
	fi
	problem blocks-offline \
		"$what offline: the host has given this memory, and the guest cannot use it." \
		"Online it now: \"for state in /sys/devices/system/memory/memory*/state; do grep
		-q online \$state || echo online >\$state; done\". For the next time see that
		the udev rule is installed."
}

# all_rules: print the files of rules in the order in which udev reads them: by name, each name
# from the first folder that has it. One that is empty there, or a link to /dev/null, is masked.
all_rules()
{
	rank=0
	for folder in etc run usr/local/lib usr/lib lib; do
		rank=$((rank + 1))
		for file in "$root/$folder"/udev/rules.d/*.rules; do
			if [ -e "$file" ] || [ -L "$file" ]; then
				printf '%s\t%s\t%s\n' "${file##*/}" "$rank" "$file"
			fi
		done
	done | sort -t "$tab" -k 1,1 -k 2,2n | {
		before=
		while IFS="$tab" read -r name rank file; do
			[ "$name" = "$before" ] || [ ! -f "$file" ] || [ ! -s "$file" ] || printf '%s\n' "$file"
			before=$name
		done
	}
}

# Do the rules of udev online a block of memory that appears? To read them takes a moment, which
# watch need not spend each time.
has_rule()
{
	rules=$(all_rules)
	[ "$rules" != "${rules_read-none}" ] || return "$rules_online"
	set -f
	IFS=$nl
	# shellcheck disable=SC2086 # a word for each line
	set -- $rules
	unset IFS
	set +f
	[ $# -gt 0 ] && awk -v root="$root" -v machine="$(uname -m)" -f "$parts/rules.awk" "$@"
	rules_online=$? rules_read=$rules
	return "$rules_online"
}

check_onlining()
{
	get "$blocks/auto_online_blocks"
	[ "$value" = offline ] || return 0
	if ! has_rule; then
		problem no-onlining \
			"Nothing onlines hot-added memory: there is no udev rule for it, and the
			kernel does not do it (auto_online_blocks is offline)." \
			"Install the udev rule of this project, 60-hv-balloon.rules, into
			/etc/udev/rules.d and run \"udevadm control --reload\". Or: \"echo online
			>/sys/devices/system/memory/auto_online_blocks\", which lasts until the
			next start."
	elif [ ! -e "$root/run/udev/control" ]; then
		problem no-onlining \
			"Nothing onlines hot-added memory: there is a udev rule for it, but udev
			does not run, and the kernel does not do it (auto_online_blocks is
			offline)." \
			"Start udev. Or: \"echo online
			>/sys/devices/system/memory/auto_online_blocks\", which lasts until the
			next start."
	fi
}

check_balloon()
{
	number ballooned_kb
	mib "$value"
	if [ "$mib" -gt 0 ] && figure balloon_requests && [ "$value" = 0 ]; then
		problem earlier-balloon \
			"$mib MiB were ballooned by an earlier load of the driver, and stay out of
			use until the host gives them back." \
			"Let the host give the memory back. QEMU has forgotten it: there, load the
			driver with reclaim=1. With Hyper-V that can stop the guest: restart it
			instead."
	fi
	number balloon_refused_kb
	if [ "$value" -gt 0 ]; then
		mib "$value"
		note refused \
			"The guest has refused $mib MiB of what the host asked for, to keep its
			floor or as no free memory was to be had. That is its task; if it happens
			all the time, the minimum on the host is below the floor of the guest."
	fi
}

# check_count FIGURE NAME WHAT DO: a figure that should be 0.
check_count()
{
	number "$1"
	[ "$value" -eq 0 ] || problem "$2" "$value $3" "$4"
}

check_host()
{
	check_count foreign_ranges foreign-ranges \
		"times the host has given back memory that it did not have. The driver has ignored
		that." \
		"Nothing is lost. Report it to who runs the host, with \"dmesg | grep
		hv_balloon\": its books and those of the guest differ; a restart of the guest
		makes them agree."
	check_count rejected_messages rejected-messages \
		"messages of the host made no sense, and were rejected." \
		"Nothing is lost. Report it to who runs the host, and to this project, with
		\"dmesg | grep hv_balloon\": it may be a host that is newer than this driver."
	check_count send_failures send-failures \
		"messages could not be sent to the host: it reads too slowly or has gone." \
		"Read \"dmesg | grep hv_balloon\". If the number grows, ask who runs the host."
	figure state
	if [ "$value" = running ] && figure status_reports && [ "$value" = 0 ]; then
		note no-report \
			"The guest has not yet reported its demand. The first report comes
			pressure_report_delay seconds after the start (45, if not set); some
			hosts want none."
	fi
}

look_at_what_is_hidden()
{
	if [ "$driver" = in-tree ] && ! figure ballooned_kb; then
		if is_root; then
			unseen "the figures of the kernel's own driver: is debugfs mounted?"
		else
			unseen "the figures of the kernel's own driver, as only root can read them"
		fi
	fi
	if ! is_root && [ -z "$(log_lines)" ]; then
		unseen "the kernel's log, which is often for root only"
	fi
}

# From the outside in: what is behind something that is missing is not looked at.
diagnose()
{
	if [ ! -d "$root/sys/bus/vmbus" ]; then
		problem no-vmbus \
			"There is no VMBus: this is no guest of Hyper-V, or hv_vmbus is not
			loaded." \
			"In a guest of Hyper-V or Azure run \"modprobe hv_vmbus\". With QEMU,
			start the machine with -device vmbus-bridge and with kvm=off in -cpu."
		return
	fi
	if [ -z "$device" ]; then
		problem no-device \
			"The host offers this guest no Dynamic Memory." \
			"On Hyper-V, switch Dynamic Memory on in the settings of this machine and
			start it again. With QEMU, add -device hv-balloon."
		return
	fi
	case $driver in
	hv_balloon) ;;
	in-tree) check_in_tree ;;
	*) check_not_loaded ;;
	esac
	if [ -n "$driver" ] && ! is_bound; then
		check_unbound
	elif [ -n "$driver" ]; then
		check_state
	fi
	check_hibernation
	check_hot_add
	check_blocks
	check_onlining
	check_balloon
	check_host
}
