# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# The shell server of a lab machine: answers requests on a virtio-serial port.
# A request is a line "ID SECONDS COMMAND", an answer a line "ID STATUS OUTPUT";
# COMMAND and OUTPUT are in base64. Sourced by the init scripts, runs for ever.

port_of()
{
	grep -lx "$1" /sys/class/virtio-ports/*/name | cut -d/ -f5
}

answer()
{
	printf %s "$3" | base64 -d >/tmp/request
	(
		echo 0 >/proc/self/oom_score_adj
		exec timeout -s KILL "$2" sh /tmp/request
	) </dev/null >/tmp/output 2>&1
	printf '%s %s ' "$1" "$?" >&3
	base64 -w 0 /tmp/output >&3
	echo >&3
}

serve()
{
	local id seconds command
	until port=$(port_of "$1") && [ -n "$port" ]; do
		sleep 0.1
	done
	echo -1000 >/proc/self/oom_score_adj
	exec 3<>"/dev/$port"
	while :; do
		while read -r id seconds command <&3; do
			[ -z "$command" ] || answer "$id" "$seconds" "$command"
		done
		sleep 0.1 # end of file: the host is not connected
	done
}
