# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # reads the variables of hvballoon
#
# The checks of hvballoon doctor, a function for each problem. Sourced by
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

# finding KIND NAME WHAT DO SEVERITY: note it.
finding()
{
	local what
	one_line "$3"
	what=$line
	one_line "$4"
	findings="$findings$1$tab$2$tab$what$tab$line$tab$5$nl"
}

# severity_of NAME: $severity becomes what a problem means for monitoring. Critical is what keeps
# the guest from changing its size, or from memory that it has been given; unknown is where there
# is no Dynamic Memory to look at.
severity_of()
{
	case $1 in
	no-vmbus | no-device) severity=unknown ;;
	not-loaded | not-bound | other-driver | failed | hibernation | unsigned-module | \
		blocks-offline | partial-block) severity=critical ;;
	*) severity=warning ;;
	esac
}

# problem NAME WHAT DO: something is wrong, and what to do about it.
problem()
{
	severity_of "$1"
	finding problem "$1" "$2" "$3" "$severity"
}

# note NAME WHAT: nothing is wrong, but it is good to know.
note()
{
	finding note "$1" "$2" "" ""
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

# unseen WHAT: it could not be read. Only root can read everything.
unseen()
{
	one_line "$1"
	unseen="${unseen}unseen$tab$line$nl"
}

# said NAME COMMAND...: print what a program of the guest prints. Programs of this machine say
# nothing of another guest: a bundle has the text in a file of that name.
said()
{
	if [ -n "$root" ]; then
		cat "$root/$1" 2>/dev/null
	else
		shift
		"$@" 2>&1
	fi
}

kernel_log()
{
	if [ -n "$root" ]; then
		cat "$root/var/log/dmesg" 2>/dev/null
	else
		dmesg 2>/dev/null
	fi
}

# The lines of the driver in the kernel's log.
log_lines()
{
	kernel_log | grep -e hv_balloon -e hv_dynmem
}

# The same since the driver was loaded last.
last_log_lines()
{
	log_lines | awk '/Dynamic Memory protocol/ { text = "" } { text = text $0 "\n" }
		END { printf "%s", text }'
}

# installed_module [NAME]: $value becomes the file that modprobe takes, if that is ours.
installed_module()
{
	value=$(sed -n "s,^\\([^:]*/${1:-$driver_name}\\.ko[.a-z]*\\):.*,\\1,p" \
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

# srcversion_of FILE: $value becomes the checksum of the sources that a module was built from,
# empty if it is not known. In the module it is a string "name=value" between zeros.
srcversion_of()
{
	value=$(unpacked "$1" | tr '\000' '\n' | sed -n 's/^srcversion=//p' | head -n 1)
	[ -n "$value" ] || value=$(modinfo -F srcversion "$1" 2>/dev/null)
}

# look_into_image: $image becomes the boot image of this kernel, $held the files of the driver in
# it. Fails if that cannot be told. Only doctor has the time to list an image.
look_into_image()
{
	local file names
	image='' held=''
	[ -n "$thorough" ] || return 1
	for file in "$root/boot/initrd.img-$release" "$root/boot/initramfs-$release.img" \
		"$root/boot/initrd-$release"; do
		[ ! -r "$file" ] || image=$file
	done
	[ -n "$image" ] || return 1
	if command -v lsinitramfs >/dev/null; then
		names=$(lsinitramfs "$image" 2>/dev/null)
	else
		names=$(lsinitrd "$image" 2>/dev/null)
	fi || return 1
	held=$(printf '%s\n' "$names" | sed -n 's,.*\(lib/modules/.*/hv_balloon\.ko[.a-z]*\).*,\1,p')
	image=${image#"$root"}
}

# advise_image: $advice becomes what to do about the boot image.
advise_image()
{
	if ! look_into_image; then
		advice='If the old one is back after that, a copy of it is in the initramfs: run
			"update-initramfs -u" or "dracut -f".'
	elif [ -n "$held" ]; then
		advice="$image may hold an old copy ($held): run \"update-initramfs -u -k $release\" or
			\"dracut -f --kver $release\" before."
	else
		advice="$image holds no copy."
	fi
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
		next="It is installed for this kernel: ${then%.}."
	else
		check_headers
		next="It is not installed for kernel $release: run \"make && sudo make install\"
			in its sources, or install its package; ${then%.}."
	fi
}

# Is this project's driver installed under the name that can be loaded beside the in-tree one?
can_take_over()
{
	installed_module hv_dynmem
}

check_in_tree()
{
	if can_take_over; then
		check_signature "$value"
		problem in-tree-driver \
			"The kernel's own hv_balloon runs, not that of this project." \
			"Run \"hvballoon takeover\": nothing has to be restarted."
		return
	fi
	if is_built_in; then
		check_headers
		problem built-in \
			"The kernel's own hv_balloon is built into kernel $release. Only a driver with
			another name can take the device from it, and hv_dynmem is not installed." \
			"Install this project's package, or run \"make MODULE=hv_dynmem && sudo make
			MODULE=hv_dynmem install\" in its sources. Then: \"hvballoon takeover\"."
		return
	fi
	advise_image
	then="then restart the machine, as the running driver cannot be unloaded. $advice To need no
		restart, run \"make MODULE=hv_dynmem && sudo make MODULE=hv_dynmem install\", and
		\"hvballoon takeover\"."
	check_installed
	problem in-tree-driver \
		"The kernel's own hv_balloon runs, not that of this project." \
		"$next"
}

# Does what runs differ from what the next load takes? Files are read once, also by watch.
check_version()
{
	local running
	get "$module/srcversion" || return 0
	running=$value
	if ! installed_module; then
		note not-installed \
			"The driver runs, but it is not installed for kernel $release: the next start
			loads the kernel's own, unless it comes from the initramfs."
		return
	fi
	if [ "$value" != "$module_read" ]; then
		module_read=$value
		srcversion_of "$module_read"
		srcversion=$value
	fi
	if [ -n "$srcversion" ] && [ "$srcversion" != "$running" ]; then
		advise_image
		problem other-version \
			"Another build of the driver runs (srcversion $running) than is installed
			($srcversion in ${module_read#"$root"})." \
			"Load it anew while the host has no memory of the guest: \"rmmod $driver_name &&
			modprobe $driver_name\". $advice"
	fi
}

check_not_loaded()
{
	then='then run "modprobe hv_balloon"'
	check_installed
	problem not-loaded \
		"No driver of Dynamic Memory is loaded: the guest keeps the size it has." \
		"$next"
	if last_log_lines | grep -q 'still ballooned and stay out of use'; then
		problem earlier-balloon \
			"The driver was unloaded while the host had memory of this guest, which
			stays out of use." \
			"Load the driver again: it adopts the ballooned pages, and the host can give the
			memory back."
	fi
}

check_unbound()
{
	local other
	if [ -e "$device/driver" ]; then
		other=$(readlink "$device/driver")
		problem other-driver \
			"The device belongs to another driver, ${other##*/}." \
			"Unbind it: \"echo ${device##*/}
			>/sys/bus/vmbus/drivers/${other##*/}/unbind\", then write the same to
			/sys/bus/vmbus/drivers/$driver_name/bind."
	else
		problem not-bound \
			"The driver is loaded but does not serve the device: the host has refused
			it or was silent, or it was unbound by hand. Right after loading, wait 20
			seconds." \
			"Read \"dmesg | grep $driver_name\". Then try again: \"echo ${device##*/}
			>/sys/bus/vmbus/drivers/$driver_name/bind\"."
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
			"Read \"dmesg | grep $driver_name\" for the reason. Check that Dynamic
			Memory is on in the settings of this machine on the host. Then unbind and
			bind the device: write ${device##*/} to unbind and then to bind in
			/sys/bus/vmbus/drivers/$driver_name."
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
			Now: \"echo Y >/sys/module/$driver_name/parameters/hot_add\"; a host that
			was refused may offer memory again only after a restart of the guest."
	elif ! can_hibernate && figure hot_add && [ "$value" = 0 ]; then
		problem hot-add-unusable \
			"Another driver decides how new memory is onlined, or this machine cannot
			hot-add: the guest gets no memory beyond what it was started with." \
			"Unload that driver (virtio_mem and the Xen balloon are such) and load
			$driver_name again."
	fi
}

# count_offline_blocks: $offline_blocks becomes the number of memory blocks that are offline.
count_offline_blocks()
{
	local file
	offline_blocks=0
	for file in "$blocks"/memory*/state; do
		if get "$file" && [ "$value" = offline ]; then
			offline_blocks=$((offline_blocks + 1))
		fi
	done
}

# check_partial_blocks: is there a block that the host backs in part, and that could not be removed?
check_partial_blocks()
{
	local pfn
	[ "$offline_blocks" -gt 0 ] || return 1
	pfn=$(log_lines | sed -n 's/.*cannot remove the offline memory block at PFN \([0-9a-fx]*\).*/\1/p' |
		tail -n 1)
	[ -n "$pfn" ] || return 1
	problem partial-block \
		"The driver was unloaded and could not remove the offline memory block at PFN $pfn,
		which the host backs in part." \
		"Do not online this block: a page that the host does not back stops the guest. A
		restart of the guest removes it."
}

check_blocks()
{
	local what advice
	count_offline_blocks
	if check_partial_blocks; then
		advice="Restart the guest; online no memory block before that, see above."
	else
		advice="Online it now: \"for state in /sys/devices/system/memory/memory*/state; do grep
			-q online \$state || echo online >\$state; done\". For the next time see that
			the udev rule is installed."
	fi
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
		"$advice"
}

# all_rules: print the files of rules in the order in which udev reads them: by name, each name
# from the first folder that has it. One that is empty there, or a link to /dev/null, is masked.
all_rules()
{
	local rank folder file before
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

# Does the driver send an event for each block that it adds? Where none is bound, the next may.
tells_of_blocks()
{
	if [ ! -d "$module" ] || ! is_bound || [ -e "$device/dynamic_memory/new_blocks" ]; then
		echo 1
	else
		echo 0
	fi
}

# Do the rules of udev online a block of memory that appears? To read them takes a moment, which
# watch need not spend each time.
has_rule()
{
	local rules machine
	rules=$(all_rules)
	[ "$rules" != "${rules_read-none}" ] || return "$rules_online"
	set -f
	IFS=$nl
	# shellcheck disable=SC2086 # a word for each line
	set -- $rules
	unset IFS
	set +f
	machine=$(said uname uname -srvm)
	[ $# -gt 0 ] && awk -v root="$root" -v machine="${machine##* }" -v told="$(tells_of_blocks)" \
		-f "$parts/rules.awk" "$@"
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
			floor or for lack of free memory. This is normal; if it happens
			all the time, the minimum on the host is below the floor of the guest."
	fi
}

# floor_of MIB: $floor becomes what ballooning leaves a guest of that size, in MiB.
floor_of()
{
	if [ "$1" -lt 128 ]; then
		floor=$((8 + $1 / 2))
	elif [ "$1" -lt 512 ]; then
		floor=$((40 + $1 / 4))
	elif [ "$1" -lt 2048 ]; then
		floor=$((104 + $1 / 8))
	elif [ "$1" -lt 8192 ]; then
		floor=$((232 + $1 / 16))
	else
		floor=$((488 + $1 / 32))
	fi
	get "$module/parameters/floor_mib"
	case $value in
	'' | *[!0-9]*) ;;
	*) [ "$value" -eq 0 ] || floor=$value ;;
	esac
}

# read_sizes: $startup and $maximum become the sizes of the guest, in MiB.
read_sizes()
{
	number mem_total_kb || return
	startup=$value
	number hot_added_online_kb
	startup=$((startup - value))
	if [ "$driver" = in-tree ]; then
		number ballooned_kb
	else
		number hidden_kb
	fi
	startup=$(((startup + value) / 1024))
	number max_kb
	maximum=$((value / 1024))
	[ "$startup" -gt 0 ] && [ "$maximum" -gt "$startup" ]
}

# Each GiB that is added costs 16 MiB of what the guest has: 64 bytes a page.
check_budget()
{
	local cost budget
	read_sizes || return 0
	floor_of "$startup"
	cost=$(((maximum - startup) / 64))
	budget=$((startup > floor ? startup - floor : 0))
	[ "$cost" -gt "$budget" ] || return 0
	if [ "$maximum" -eq 1048576 ]; then
		note default-maximum \
			"The maximum is 1 TiB, the default of Hyper-V: a memory map for that much
			would cost the guest $cost MiB, and it was started with $startup. No harm is
			done if the host never gives so much; else set a maximum that is meant."
		return
	fi
	problem maximum-too-high \
		"To manage $maximum MiB, the maximum, would cost the guest $cost MiB (16 for each GiB
		that is added), and of the $startup MiB that it was started with it has $budget above
		its floor." \
		"On the host, raise the startup memory of this machine, or lower its maximum."
}

# block_mib: $mib becomes the size of a memory block.
block_mib()
{
	get "$blocks/block_size_bytes"
	case $value in
	'' | *[!0-9a-f]*) return 1 ;;
	esac
	mib=$((0x$value / 1048576))
	[ "$mib" -gt 0 ]
}

check_grid()
{
	read_sizes && block_mib || return 0
	rest=$((maximum % mib))
	[ "$rest" -eq 0 ] || note maximum-off-the-grid \
		"The maximum, $maximum MiB, is no multiple of a memory block, $mib MiB. The driver tells
		the host to add whole blocks, so a guest that was started with a multiple of them stays
		$rest MiB below its maximum. That is harmless; startup and minimum need not be
		multiples."
}

# Programs that compute with the guest's total, which has the balloon in it under "keep".
check_programs()
{
	local programs program
	[ "$driver" = hv_balloon ] && figure accounting && [ "$value" = keep ] || return 0
	programs=$(grep -hxE 'earlyoom|systemd-oomd|kubelet' "$root"/proc/[0-9]*/comm 2>/dev/null)
	for program in $(printf '%s\n' "$programs" | sort -u); do
		case $program in
		earlyoom) check_earlyoom ;;
		kubelet) note kubelet \
			"kubelet takes the guest's total at its start for what it can give to pods, and
			counts what the host has taken nowhere. Reserve for it (--system-reserved), or
			load the driver with accounting=shrink and restart kubelet after changes." ;;
		*) note systemd-oomd \
			"systemd-oomd counts what the host has taken as used memory, so its limits for
			memory and swap are met sooner; those for memory pressure are not concerned.
			Where that matters load the driver with accounting=shrink." ;;
		esac
	done
}

check_earlyoom()
{
	local earlyoom
	earlyoom=$(said earlyoom earlyoom -v | sed -n 's/^earlyoom v*\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
	case $earlyoom in
	0.* | 1.[0-7])
		problem earlyoom \
			"earlyoom $earlyoom runs: it kills when less than 10 % of the guest's total are
			available. With accounting=keep what the host has is in that total, so it kills
			in a large guest long before the floor is reached." \
			"Update earlyoom to 1.8, or give it a limit below the floor (-M, in KiB), or
			load the driver with accounting=shrink (/etc/modprobe.d)."
		;;
	'')
		note earlyoom-version \
			"earlyoom runs, and its version could not be told. Before 1.8 it takes what the
			host has for used memory, if accounting is keep, and kills too early."
		;;
	esac
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
		$driver_name\": host and guest count ballooned pages differently; a restart of the guest
		makes them agree."
	check_count rejected_messages rejected-messages \
		"messages of the host made no sense, and were rejected." \
		"Nothing is lost. Report it to who runs the host, and to this project, with
		\"dmesg | grep $driver_name\": it may be a host that is newer than this driver."
	check_count send_failures send-failures \
		"messages could not be sent to the host: it reads too slowly or has gone." \
		"Read \"dmesg | grep $driver_name\". If the number grows, ask who runs the host."
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
	if [ "$driver" = hv_balloon ] && [ -n "$module_read" ] && [ -z "$srcversion" ]; then
		unseen "whether the installed driver is the one that runs: ${module_read#"$root"} has no
			srcversion, or cannot be read"
	fi

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
	hv_balloon) check_version ;;
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
	check_budget
	check_grid
	check_programs
}
