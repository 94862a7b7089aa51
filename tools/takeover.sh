# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # reads the variables of hvballoon
#
# What hvballoon takeover and hvballoon release do. Sourced by hvballoon.
#
# hv_dynmem, this project's driver under its second name, gets the device from the
# in-tree driver, or gives it back. Each step that can fail comes before the device is
# unbound, or is followed by the way back.

in_tree=hv_balloon
beside=hv_dynmem
drivers=$root/sys/bus/vmbus/drivers
figures=$root/sys/kernel/debug/hv-balloon
beside_module=$root/sys/module/$beside
# What lasts until the next boot.
kept=$root/run/hvballoon
# There while hv_dynmem is meant to serve the device: see 61-hv-dynmem.rules.
wanted=$kept/takeover
# The counters of the in-tree driver start at zero when the system does, not when it gets the
# device. This file has them as they were when it had it last: pages ballooned, pages
# hot-added, and how many more pages were hot-added by then, or "-" if that is not known.
counted=$kept/in-tree

quiet_s=2 quiet_tries=5		# the host has to be quiet for so long; it is looked at so often
boot_s=40 boot_tries=10		# until then it is quiet in any case, and one moment will do
lock_tries=30			# so often, a second apart, the lock is tried

# refuse WHY: nothing was changed.
refuse()
{
	one_line "$1"
	# As udev or a unit runs it.
	[ -t 2 ] || log "no $command: $line"
	die_with 1 "no $command: $line"
}

# log WHAT: into the kernel's log.
log()
{
	[ -n "$root" ] || { printf 'hvballoon: %s\n' "$1" >/dev/kmsg; } 2>/dev/null || :
}

# say WHAT: to the user and into the kernel's log.
say()
{
	one_line "$1"
	printf '%s\n' "$line"
	log "$line"
}

pages_in_mib()
{
	mib=$(($1 / 256))
}

is_bound_to()
{
	[ -n "$device" ] && serves "$1" "$device"
}

# write_to FILE TEXT: $why becomes the kernel's answer if it refuses.
write_to()
{
	# By a program: the shell would say "I/O error", whatever the kernel's answer is.
	why=$(printf '%s\n' "$2" | tee "$1" 2>&1 >/dev/null) && return
	why=${why##*: }
	return 1
}

bind_to()
{
	write_to "$drivers/$1/bind" "${device##*/}" || return 1
	is_bound_to "$1" || { why='the driver does not serve it'; return 1; }
}

unbind_from()
{
	write_to "$drivers/$1/unbind" "${device##*/}"
}

# --- Checks ---

check_caller()
{
	[ -n "$root" ] || is_root || refuse "only root can do that"
}

check_device()
{
	[ -n "$device" ] || refuse "the host offers this guest no Dynamic Memory"
}

# lock: two at once could unload the driver that the other has just bound. One waits for the other,
# and looks at the guest only then. The lock ends with this shell; programs that it starts do not
# outlive it.
lock()
{
	local try
	[ -z "$dry" ] || return 0
	mkdir -p "$kept" 2>/dev/null
	# Any user can lock what it can open, so only root can open this. And where the shell could not
	# open it, it would exit.
	(umask 077; : >>"$kept/lock") 2>/dev/null || refuse "${kept#"$root"} cannot be written"
	command -v flock >/dev/null || return 0
	exec 9>>"$kept/lock"
	try=0
	# By hand: flock of busybox cannot wait for a time.
	until flock -n 9; do
		[ "$try" -lt "$lock_tries" ] ||
			refuse "another takeover or release runs: try again when it has ended"
		sleep 1
		try=$((try + 1))
	done
}

# read_in_tree_figures: $state, $ballooned and $added become those of the in-tree driver.
read_in_tree_figures()
{
	local name rest
	state='' ballooned='' added=''
	if [ -z "$root" ] && [ ! -e "$figures" ]; then
		mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
	fi
	while IFS=' :' read -r name value rest; do
		case $name in
		state) state="$value $rest" ;;
		pages_ballooned) ballooned=$value ;;
		pages_added) added=$value ;;
		esac
	done 2>/dev/null <"$figures"
	[ -n "$state" ] && is_number "$ballooned" && is_number "$added"
}

# interrupts: $interrupts becomes how often the host has sent something, empty if not known.
count_interrupts()
{
	local file
	interrupts=
	for file in "$device"/channels/*/interrupts; do
		! get "$file" || ! is_number "$value" || interrupts=$((interrupts + value))
	done
}

# look_at_in_tree: $seen becomes all that changes when the host does something.
look_at_in_tree()
{
	read_in_tree_figures || refuse "the figures of the in-tree driver cannot be read
		(${figures#"$root"}): is debugfs there?"
	count_interrupts
	seen="$state $ballooned $added $interrupts"
}

look_at_ours()
{
	local file
	seen=
	for file in state ballooned_kb hot_added_kb balloon_requests hot_add_requests returned_kb; do
		get "$device/dynamic_memory/$file"
		seen="$seen $value"
	done
	count_interrupts
	seen="$seen $interrupts"
}

is_booting()
{
	get "$root/proc/uptime"
	value=${value%%.*}
	[ "${value:-$boot_s}" -lt "$boot_s" ]
}

# The in-tree driver must serve the device. At boot it may be about to.
check_in_tree_serves()
{
	local try
	try=0
	until is_bound_to "$in_tree"; do
		if [ "$try" -eq "$boot_tries" ] || ! is_booting; then
			refuse "the in-tree driver does not serve the device: \"echo ${device##*/}
				>/sys/bus/vmbus/drivers/$in_tree/bind\" first"
		fi
		sleep 1
		try=$((try + 1))
	done
}

check_idle()
{
	case ${state%% *} in
	0) refuse "the in-tree driver is in state $state: it has not agreed with the host yet. Try
		again later" ;;
	1) ;;
	5) refuse "the in-tree driver is in state $state: it has failed. Unbind and bind the device" ;;
	*) refuse "the in-tree driver is in state $state: it works on a request, or waits for memory
		to be onlined. Online it, or try again later" ;;
	esac
}

# wait_until_quiet LOOK: while the driver goes no message may come from the host. It has sent
# nothing for a while, and nothing has changed.
wait_until_quiet()
{
	local try before
	try=0
	# Hosts let a guest boot before they ask for something, and services wait for us then.
	! is_booting || quiet_s=0.3
	"$1"
	while before=$seen; [ "$try" -lt "$quiet_tries" ]; do
		sleep "$quiet_s"
		"$1"
		[ "$seen" != "$before" ] || return 0
		try=$((try + 1))
	done
	refuse "the host is not quiet: it has sent something in each of $quiet_tries times $quiet_s s.
		Try again later"
}

# find_module: $module_file becomes what is to be loaded, empty if it is loaded.
find_module()
{
	if [ -d "$beside_module" ]; then
		[ -z "$module_file" ] || refuse "$beside is loaded already: \"rmmod $beside\" before
			another one can be"
		return
	fi
	if [ -z "$module_file" ]; then
		can_take_over || refuse "$beside is not installed for kernel $release. Install the
			package hv-balloon-dkms and the headers of this kernel, or run \"make
			MODULE=$beside && sudo make MODULE=$beside install\" in its sources"
		module_file=$value
	fi
	[ -r "$module_file" ] || refuse "$module_file cannot be read"
	if wants_signature && ! has_signature "$module_file"; then
		refuse "the kernel takes only signed modules (Secure Boot, lockdown), and $module_file
			has no signature"
	fi
}

# expect: $expected becomes the figures for the module, $hot_added what is hot-added, empty if
# that is not known.
expect()
{
	local base_ballooned base_added more
	base_ballooned=0 base_added='' more=0
	[ ! -r "$counted" ] || read -r base_ballooned base_added more <"$counted"
	expected=$((ballooned - base_ballooned))
	[ "$expected" -ge 0 ] || refuse "the in-tree driver says that $ballooned pages are ballooned,
		which is less than before, $base_ballooned"
	hot_added=
	case $base_added:$more in
	:*) hot_added=$added ;;
	"$added":-) return ;;
	*:-) refuse "the in-tree driver has hot-added memory since it got the device back, and how
		much there was before is not known" ;;
	*) hot_added=$((added + more)) ;;
	esac
	expected=$expected,$hot_added
}

# --- Takeover ---

# refused_key: print why a module that has a signature may be refused.
refused_key()
{
	! wants_signature || echo " (the kernel takes only modules that are signed with a key that it
		knows: Secure Boot, lockdown)"
}

load_beside()
{
	if [ -d "$beside_module" ]; then
		write_to "$beside_module/parameters/takeover" "$expected"
	elif [ -n "$given_file" ]; then
		why=$(insmod "$module_file" takeover="$expected" 2>&1)
	else
		why=$(modprobe "$beside" takeover="$expected" 2>&1)
	fi || refuse "$beside cannot be loaded: $why$(refused_key)"
}

# What is loaded next is what is installed by then, with figures of its own. A driver that is bound
# stays: without it the device would have none.
forget_beside()
{
	is_bound_to "$beside" || rmmod "$beside" 2>/dev/null || :
}

# go_back WHY: the in-tree driver gets the device again.
go_back()
{
	local failed
	failed="$1"
	# Else the rule of udev would try again, and again.
	rm -f "$wanted"
	! is_bound_to "$beside" || unbind_from "$beside"
	if [ ! -d "$device" ]; then
		forget_beside
		say "takeover failed: the device has gone" >&2
	elif bind_to "$in_tree"; then
		forget_beside
		say "takeover failed: $failed. The in-tree driver serves the device again" >&2
	else
		say "takeover failed: $failed. The in-tree driver does not take the device back
			($why): restart the machine" >&2
	fi
	exit 1
}

# refusals: print the lines in which our driver has refused a takeover, all there ever were.
refusals()
{
	kernel_log | grep "$beside.*takeover refused: "
}

# words_of_probe BEFORE: why the probe of our driver has failed, by its own words since then.
words_of_probe()
{
	words=$(refusals | tail -n 1)
	if [ "$words" != "$1" ]; then
		words=${words##*takeover refused: }
	else
		words="$beside did not get the device ($why); see \"dmesg | grep $beside\""
	fi
}

# in_pages FILE: $pages becomes a figure of our driver.
in_pages()
{
	get "$device/dynamic_memory/$1"
	is_number "$value" || value=0
	pages=$((value / 4))
}

verify()
{
	get "$device/dynamic_memory/state"
	[ "$value" = running ] || go_back "host and driver have not agreed (state $value)"
	in_pages hot_added_kb
	if [ -n "$hot_added" ] && [ "$pages" -ne "$hot_added" ]; then
		go_back "$pages pages are hot-added, not $hot_added"
	fi
	in_pages ballooned_kb
	get "$beside_module/parameters/reclaim"
	if [ "$value" != Y ] && [ "$pages" -lt "${expected%,*}" ]; then
		go_back "$pages pages are ballooned, not ${expected%,*}"
	fi
}

remember()
{
	printf '%s\n' "$*" >"$counted"
}

switch_over()
{
	local ballooned_mib refused_before
	refused_before=$(refusals | tail -n 1)
	# The device must not stay without a driver, whatever becomes of this terminal.
	trap '' INT TERM HUP PIPE
	if ! unbind_from "$in_tree"; then
		forget_beside
		refuse "the in-tree driver cannot be unbound: $why"
	fi
	if ! bind_to "$beside"; then
		words_of_probe "$refused_before"
		go_back "$words"
	fi
	verify
	remember "$ballooned $added -"
	# Not by ":": where a file cannot be opened for one of its own commands a shell exits.
	printf '' >"$wanted"
	in_pages ballooned_kb
	pages_in_mib "$pages"
	ballooned_mib=$mib
	in_pages hot_added_kb
	pages_in_mib "$pages"
	say "$beside has taken over from the in-tree driver: $ballooned_mib MiB ballooned, $mib MiB
		hot-added"
}

print_takeover()
{
	echo "hvballoon takeover would do this:"
	[ -z "$module_file" ] || echo "  load $module_file"
	cat <<END
  tell $beside what to find: takeover=$expected
  unbind ${device##*/} from $in_tree, the in-tree driver
  bind it to $beside, and see whether it agrees with the host and has found all
  if not, bind it to $in_tree again
END
}

run_takeover()
{
	local before
	check_caller
	lock
	collect
	check_device
	if is_bound_to "$beside"; then
		echo "$beside serves the device already."
		return
	fi
	[ "$driver" != hv_balloon ] || {
		echo "This project's driver serves the device already, as hv_balloon."
		return
	}
	check_in_tree_serves
	given_file=$module_file
	find_module
	look_at_in_tree
	check_idle
	wait_until_quiet look_at_in_tree
	check_idle
	expect
	if [ -n "$dry" ]; then
		print_takeover
		return
	fi
	before=$seen
	load_beside
	look_at_in_tree
	if [ "$seen" != "$before" ]; then
		forget_beside
		refuse "the host is not quiet: try again"
	fi
	switch_over
}

# --- Release ---

# count_gaps: $pages becomes how many pages are missing in memory blocks.
count_gaps()
{
	local regions
	regions=$root/sys/kernel/debug/hv_balloon/regions
	[ -r "$regions" ] || refuse "${regions#"$root"} cannot be read: is debugfs there?"
	pages=$(awk '$1 == "gap" { pages += $4 } END { print pages + 0 }' "$regions")
}

check_empty()
{
	get "$device/dynamic_memory/state"
	[ "$value" = running ] || refuse "$beside is in state $value"
	in_pages ballooned_kb
	[ "$pages" -eq 0 ] || refuse "the host has $((pages / 256)) MiB ($pages pages) of this guest,
		which the in-tree driver would not know of. Let it give them back first: raise the
		guest's minimum on the host"
	count_gaps
	[ "$pages" -eq 0 ] || refuse "$((pages / 256)) MiB ($pages pages) are missing in memory
		blocks, which the in-tree driver would not know of. Let the host add them first"
	in_pages hot_added_kb
	hot_added=$pages
	in_pages hot_added_online_kb
	[ "$pages" -eq "$hot_added" ] || refuse "$(((hot_added - pages) / 256)) MiB of hot-added memory
		are offline, and would stay so with the in-tree driver. Online them first"
}

# Let our driver have the device again.
stay()
{
	local failed
	failed="$1"
	if bind_to "$beside"; then
		[ -z "$was_wanted" ] || printf '' >"$wanted"
		say "release failed: $failed. $beside serves the device again" >&2
	else
		say "release failed: $failed. $beside does not take the device back ($why): restart
			the machine" >&2
	fi
	exit 1
}

switch_back()
{
	trap '' INT TERM HUP PIPE
	unbind_from "$beside" || refuse "$beside cannot be unbound: $why"
	was_wanted=
	[ ! -e "$wanted" ] || was_wanted=yes
	# Before the device has a driver: the rule of udev must not take over again.
	rm -f "$wanted"
	bind_to "$in_tree" || stay "the in-tree driver did not get the device ($why)"
	read_in_tree_figures || ballooned=0 added=$hot_added
	remember "$ballooned $added $((hot_added - added))"
	forget_beside
	say "the in-tree driver serves the device again"
	[ "$ballooned" -eq 0 ] || {
		pages_in_mib "$ballooned"
		say "it still counts $mib MiB as ballooned, which the host has given back since, and
			reports so much more demand, until the next start of the machine"
	}
}

run_release()
{
	check_caller
	lock
	collect
	check_device
	if ! is_bound_to "$beside"; then
		echo "$beside does not serve the device: there is nothing to release."
		return
	fi
	[ -d "$drivers/$in_tree" ] || refuse "the in-tree driver is not loaded: \"modprobe $in_tree\"
		first"
	look_at_ours
	check_empty
	wait_until_quiet look_at_ours
	check_empty
	if [ -n "$dry" ]; then
		printf 'hvballoon release would bind %s to %s again, and unload %s.\n' \
			"${device##*/}" "$in_tree" "$beside"
		return
	fi
	switch_back
}
