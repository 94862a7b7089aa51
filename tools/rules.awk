# SPDX-License-Identifier: GPL-2.0-only
#
# Says whether udev would online a memory block that appears. Its input is the
# files of rules in the order in which udev reads them; it ends with status 0 if
# they online the block. The rules are followed as udev follows them, for the
# events of one new block (see start()): that of the block itself, and that of
# the driver that added it. Each line is a list of KEY OP "VALUE", and if all that
# it compares is so, it does what it assigns.
#
# Conditions that are unknown outside the event (output of a program, a property
# of another rule) are true in one pass and false in another: a
# rule that may online the block is no fault.
#
# Variables: root (where the guest's files are), machine (as uname -m says), told
# (whether the driver lists the blocks that it adds: that of this project does).

BEGIN { NO = 0; YES = 1; UNKNOWN = 2 }

FNR == 1 { whole = ""; first[++files] = lines + 1 }

# Within a line that is continued, too, comments are passed over.
{
	text = $0
	sub(/^[ \t]+/, "", text)
	if (text ~ /^#/)
		next
	if (sub(/\\$/, "", text)) {
		whole = whole text
		next
	}
	rule[++lines] = whole text
	whole = ""
	last[files] = lines
}

END {
	for (guess = NO; guess <= YES; guess++)
		if (follow_all("memory", guess) || (told && follow_all("vmbus", guess)))
			exit 0
	exit 1
}

# --- The events ---

function start(subsystem,    name) {
	for (name in env) delete env[name]
	for (name in tags) delete tags[name]
	for (name in attr) delete attr[name]
	env["SUBSYSTEM"] = subsystem
	imported = ran = onlines = NO
	result = driver = ""
	if (subsystem == "memory")
		start_block()
	else
		start_driver()
}

function start_block() {
	env["ACTION"] = "add"
	kernel = "memory99"
	env["DEVPATH"] = "/devices/system/memory/memory99"
	attr["state"] = "offline"
	attr["online"] = "0"
}

function start_driver() {
	env["ACTION"] = "change"
	kernel = "1eccfd72-4b41-45ef-b73a-4a6e44c12924"
	driver = "hv_balloon"
	env["DEVPATH"] = "/devices/pci0000:00/QEMU0000:00/" kernel
	env["DRIVER"] = driver
	env["DYNAMIC_MEMORY_NEW_BLOCK"] = "99"
	attr["dynamic_memory/new_blocks"] = "99"
}

function follow_all(subsystem, assumed,    i) {
	start(subsystem)
	guess = assumed
	for (i = 1; i <= files; i++)
		follow(first[i], last[i])
	return onlines || attr["state"] ~ /^online(_kernel|_movable)?$/
}

function follow(from, to,    i) {
	for (i = from; i <= to; i++) {
		if (!parse(rule[i]) || !matches())
			continue
		assign()
		if (goal != "")
			i = place_of(goal, i, to)
	}
}

# A label that is not there, or before this line, is no place to go to.
function place_of(label, from, to,    i) {
	for (i = from + 1; i <= to; i++)
		if (index(rule[i], label) && parse(rule[i]) && here == label)
			return i - 1
	return from
}

# --- A line ---

# Take a line apart: key[], op[] and value[], 1 to count. A line that is wrong is none.
function parse(text,    k) {
	count = 0
	goal = here = ""
	while (1) {
		sub(/^[ \t,]+/, "", text)
		if (text == "")
			return count > 0
		if (!match(text, /^[A-Z_]+(\{[^}]*\})?[ \t]*(==|!=|\+=|-=|:=|=)[ \t]*[ei]?"/))
			return 0
		k = ++count
		head = substr(text, 1, RLENGTH - 1)
		text = substr(text, RLENGTH + 1)
		blind[k] = head ~ /i$/
		sub(/[ \t]*[ei]?$/, "", head)
		match(head, /[-=!+:]+$/)
		op[k] = substr(head, RSTART)
		key[k] = substr(head, 1, RSTART - 1)
		sub(/[ \t]+$/, "", key[k])
		inner[k] = ""
		if (match(key[k], /\{.*\}$/)) {
			inner[k] = substr(key[k], RSTART + 1, RLENGTH - 2)
			key[k] = substr(key[k], 1, RSTART - 1)
		}
		if (!match(text, /^([^"\\]|\\.)*"/))
			return 0
		value[k] = substr(text, 1, RLENGTH - 1)
		gsub(/\\"/, "\"", value[k])
		text = substr(text, RLENGTH + 1)
		if (key[k] == "GOTO")
			goal = value[k]
		else if (key[k] == "LABEL")
			here = value[k]
	}
}

# udev compares in the order of its list of keys, not in that of the line: a program runs if all
# else is so, and RESULT is what a PROGRAM of the same line says, wherever it stands.
function matches(    k) {
	for (k = 1; k <= count; k++)
		if (op[k] ~ /^[=!]=$/ && key[k] !~ /^(PROGRAM|IMPORT|RESULT)$/ &&
		    !holds(compare(k), op[k]))
			return 0
	for (k = 1; k <= count; k++)
		if (key[k] == "PROGRAM" && !holds(run(value[k]), op[k]))
			return 0
	for (k = 1; k <= count; k++)
		if (key[k] == "IMPORT" && !holds(imports(inner[k], value[k]), op[k]))
			return 0
	for (k = 1; k <= count; k++)
		if (key[k] == "RESULT" && !holds(compare(k), op[k]))
			return 0
	return 1
}

function holds(answer, operator) {
	if (answer == UNKNOWN)
		return guess
	return operator == "!=" ? !answer : answer
}

function compare(k,    name) {
	name = key[k]
	if (name == "ACTION" || name == "DEVPATH" || name == "SUBSYSTEM")
		return like(env[name], k)
	if (name == "SUBSYSTEMS")
		return like(env["SUBSYSTEM"], k)
	if (name == "KERNEL" || name == "KERNELS")
		return like(kernel, k)
	if (name == "DRIVER" || name == "DRIVERS")
		return like(driver, k)
	if (name == "NAME" || name == "SYMLINK")
		return like("", k)
	if (name == "ENV")
		return inner[k] in env || !imported ? like(env[inner[k]], k) : UNKNOWN
	if (name == "TAG" || name == "TAGS")
		return value[k] in tags
	if (name == "RESULT")
		return ran == UNKNOWN ? UNKNOWN : like(result, k)
	if (name == "ATTR" || name == "ATTRS")
		return compare_attribute(k)
	if (name == "TEST")
		return exists(replaced(value[k]))
	if (name == "CONST" && inner[k] == "arch")
		return like(machine == "x86_64" ? "x86-64" : machine == "aarch64" ? "arm64" : machine, k)
	# This is a virtual machine; of which kind it seems to be depends on the host.
	if (name == "CONST" && inner[k] == "virt")
		return like("microsoft", k) ? YES : like("none", k) ? NO : UNKNOWN
	return UNKNOWN
}

function compare_attribute(k,    name, line) {
	name = inner[k]
	if (name in attr)
		return like(attr[name], k)
	if (name ~ /^\[dmi\/id\]/) {
		sub(/^\[dmi\/id\]/, "", name)
		if ((getline line <(root "/sys/class/dmi/id/" name)) > 0) {
			close(root "/sys/class/dmi/id/" name)
			return like(line, k)
		}
	}
	return UNKNOWN
}

# --- What a line does ---

function assign(    k) {
	for (k = 1; k <= count; k++)
		if (key[k] == "ENV" && op[k] ~ /^[+:]?=$/)
			env[inner[k]] = (op[k] == "+=" && env[inner[k]] != "" ? env[inner[k]] " " : "") \
				replaced(value[k])
		else if (key[k] == "TAG" && op[k] ~ /^[+:]?=$/)
			tags[value[k]]
	for (k = 1; k <= count; k++)
		if (key[k] == "ATTR" && op[k] ~ /^[+:]?=$/)
			write_attribute(inner[k], replaced(value[k]))
		else if (key[k] == "RUN" && op[k] ~ /^[+:]?=$/)
			note_program(value[k])
}

# The kernel takes four words, and refuses all others.
function write_attribute(name, text) {
	if (!("state" in attr))
		return
	if (name == "online" && text ~ /^[01]$/)
		attr["state"] = text == "1" ? "online" : "offline"
	else if (name == "state" && text ~ /^(offline|online(_kernel|_movable)?)$/)
		attr["state"] = text
	attr["online"] = attr["state"] == "offline" ? "0" : "1"
}

# A shell that writes the word into a file may well do it into the right one.
function note_program(text) {
	if (text ~ /online/)
		onlines = YES
}

function run(text) {
	note_program(text)
	ran = YES
	if (text ~ /(^|\/)uname +-[mp]$/)
		result = machine
	else if (text ~ /(^|\/)systemd-detect-virt( |$)/)
		result = "microsoft"
	else
		ran = UNKNOWN
	return ran
}

function imports(type, name,    line, words, i, n) {
	if (type != "cmdline") {
		imported = YES
		return UNKNOWN
	}
	getline line <(root "/proc/cmdline")
	close(root "/proc/cmdline")
	n = split(line, words, " ")
	for (i = 1; i <= n; i++)
		if (words[i] == name || index(words[i], name "=") == 1) {
			env[name] = words[i] == name ? "1" : substr(words[i], length(name) + 2)
			return YES
		}
	return NO
}

# The substitutions of udev that can matter here.
function replaced(text,    out, name) {
	out = ""
	while (match(text, /[$%]/)) {
		out = out substr(text, 1, RSTART - 1)
		text = substr(text, RSTART)
		if (match(text, /^(\$env|%E)\{[^}]*\}/)) {
			name = substr(text, 1, RLENGTH)
			sub(/^[^{]*\{/, "", name)
			sub(/\}$/, "", name)
			out = out env[name]
		} else if (match(text, /^(\$attr|%s)\{[^}]*\}/)) {
			name = substr(text, 1, RLENGTH)
			sub(/^[^{]*\{/, "", name)
			sub(/\}$/, "", name)
			out = out attr[name]
		} else if (match(text, /^(\$kernel|%k)/)) {
			out = out kernel
		} else if (match(text, /^(\$number|%n)/)) {
			out = out "99"
		} else if (match(text, /^(\$devpath|%p)/)) {
			out = out env["DEVPATH"]
		} else if (match(text, /^(\$sys|%S)/)) {
			out = out "/sys"
		} else if (match(text, /^(\$result|%c)/)) {
			out = out result
		} else if (match(text, /^(\$\$|%%)/)) {
			out = out substr(text, 1, 1)
		} else {
			match(text, /^./)
			out = out substr(text, 1, 1)
		}
		text = substr(text, RLENGTH + 1)
	}
	return out text
}

# --- Files and patterns ---

# The block is not there to be looked at, and the driver may be yet to be loaded.
function exists(path) {
	if (path ~ /^(state|online|phys_device|phys_index|removable|valid_zones)$/)
		return env["SUBSYSTEM"] == "memory"
	if (path == "uevent" || path in attr)
		return YES
	if (path ~ /^\/sys\/module\/hv_balloon\/parameters\/(accounting|floor_mib)$/ ||
	    path == "/sys/bus/vmbus/drivers/hv_dynmem/*/class_id")
		return told
	if (path !~ /^\// || path ~ /hv_balloon|vmbus|memory99/)
		return path ~ /^\/sys\/(bus\/vmbus\/drivers|module)\/hv_balloon\/?$/ ? YES : UNKNOWN
	return system("test -e " quoted(root path)) == 0
}

function quoted(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

# Does a text match one of the patterns of a value?
function like(text, k,    patterns, i, n, wanted) {
	wanted = value[k]
	if (blind[k]) {
		text = tolower(text)
		wanted = tolower(wanted)
	}
	n = split(wanted, patterns, "|")
	if (n == 0)
		return text == ""
	for (i = 1; i <= n; i++)
		if (text ~ expression(patterns[i]))
			return YES
	return NO
}

# A pattern of a shell as a regular expression.
function expression(pattern,    out, i, c, set) {
	out = ""
	for (i = 1; i <= length(pattern); i++) {
		c = substr(pattern, i, 1)
		set = substr(pattern, i)
		if (c == "*")
			out = out ".*"
		else if (c == "?")
			out = out "."
		else if (c == "[" && match(set, /^\[[!^]?\]?[^]]*\]/)) {
			set = substr(set, 1, RLENGTH)
			i += RLENGTH - 1
			sub(/^\[!/, "[^", set)
			out = out set
		} else if (c ~ /[A-Za-z0-9_ \/:=,-]/)
			out = out c
		else
			out = out "\\" c
	}
	return "^(" out ")$"
}
