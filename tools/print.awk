# SPDX-License-Identifier: GPL-2.0-only
#
# What hvballoon prints. Reads lines of fields that are separated by tabs:
#	fact	NAME	VALUE
#	problem	NAME	WHAT	WHAT TO DO	SEVERITY
#	note	NAME	WHAT
#	unseen	WHAT
# and prints them in the form that the variable "form" names; see the end.

$1 == "fact" { known[$2] = $3; order[++facts] = $2 }
$1 == "problem" { ids[++problems] = $2; what[problems] = $3; todo[problems] = $4
			severity[problems] = $5 }
$1 == "note" { note_ids[++notes] = $2; note_what[notes] = $3 }
$1 == "unseen" { hidden[++unseen] = $2 }

function has(name) { return known[name] != "" }
function mib(name) { return has(name) ? int(known[name] / 1024) : "?" }
function times(count, one, many) { return count " " (count == 1 ? one : many) }
function row(name, figure, more) {
	printf "  %-22s%8s%s%s\n", name, figure, (more == "" ? "" : "  " more), eol
}
function size(name, figure, more) { row(name, mib(figure) " MiB", more) }

# Memory of all kinds side by side, up to the most that the host may give.
function bar(width,    all, used, text) {
	if (!has("assigned_kb") || !has("mem_available_kb"))
		return ""
	all = known["assigned_kb"] + known["ballooned_kb"]
	if (known["max_kb"] > all)
		all = known["max_kb"]
	used = known["assigned_kb"] - known["mem_available_kb"] - known["offline_kb"]
	text = piece("#", 0, used, width / all)
	text = text piece("-", used, known["mem_available_kb"], width / all)
	text = text piece("o", used + known["mem_available_kb"], known["offline_kb"], width / all)
	text = text piece("%", known["assigned_kb"], known["ballooned_kb"], width / all)
	while (length(text) < width)
		text = text "."
	return "[" text "]"
}

# From start on so much, in characters; rounded so that the pieces join.
function piece(mark, start, amount, scale,    text, i) {
	for (i = int(start * scale + 0.5); i < int((start + amount) * scale + 0.5); i++)
		text = text mark
	return text
}

function health(    text, i) {
	if (!problems)
		return "good"
	for (i = 1; i <= problems; i++)
		text = text (i > 1 ? ", " : "") ids[i]
	return times(problems, "problem", "problems") ": " text ". See: hvballoon doctor"
}

function head(    text) {
	text = "Dynamic Memory: " (has("state") ? known["state"] : "state not known")
	if (has("protocol_version"))
		text = text ", protocol " known["protocol_version"]
	text = text (known["driver"] == "in-tree" ? ", driver of the kernel" : ", " name)
	print text (has("driver_version") ? " " known["driver_version"] : "") eol
	print eol
}

function table(    text) {
	head()
	size("assigned by the host", "assigned_kb",
	     known["max_kb"] ? "of at most " mib("max_kb") " MiB" : "")
	size("ballooned", "ballooned_kb", known["ballooned_kb"] ? "the host has it" : "")
	if (known["offline_kb"])
		text = mib("offline_kb") " MiB of it offline"
	else if (known["hot_added_kb"])
		text = "all of it online"
	size("hot-added", "hot_added_kb", text)
	size("floor", "floor_kb", floor_rule())
	size("available", "mem_available_kb", "")
	size("demand", "demand_kb", has("pressure_percent") ? \
	     "pressure " known["pressure_percent"] " %" more_demand() : "not reported yet")
	print eol
	text = bar(width > 84 ? 80 : width - 4)
	if (text != "") {
		print "  " text eol
		print "  # in use  - available  % ballooned  o offline  . not added" eol
		print eol
	}
	counters()
	row("health", "", health())
}

function floor_rule() {
	if (known["floor_rule"] == "cost")
		return "no ballooning now: programs paid with refaults or swapping"
	if (known["floor_rule"] == "oom")
		return "no ballooning now: recent OOM"
	return "ballooning stops there"
}

# What is asked for besides the usual.
function more_demand(    text) {
	if (known["demand_emergency_kb"])
		text = ", out of memory: " mib("demand_emergency_kb") " MiB more"
	if (known["extra_demand_kb"])
		text = text ", a program asks for " mib("extra_demand_kb") " MiB more"
	return text
}

function counters() {
	if (has("balloon_requests"))
		row("requests for memory", known["balloon_requests"],
		    mib("balloon_refused_kb") " MiB refused, " mib("returned_kb") " MiB returned")
	if (has("hot_add_requests"))
		row("offers of memory", known["hot_add_requests"],
		    mib("hot_add_refused_kb") " MiB refused")
	if (has("status_reports"))
		row("reports to the host", known["status_reports"], "")
	if (has("page_reporting"))
		row("page reporting", known["page_reporting"] ? "on" : "off", "")
}

function nothing() {
	return "no driver of Dynamic Memory runs"
}

function line(    text) {
	if (!has("driver")) {
		print clock "  " nothing() " (" ids[1] ")"
		return
	}
	text = bar(24)
	printf "%s %8s %9s %9s %7s %7s %9s %7s %8s%s\n", clock, mib("assigned_kb"),
		mib("ballooned_kb"), mib("hot_added_kb"), mib("offline_kb"), mib("floor_kb"),
		mib("mem_available_kb"), mib("demand_kb"),
		(has("pressure_percent") ? known["pressure_percent"] : "?"),
		(text == "" ? "" : "  " text)
}

function heading() {
	printf "%-8s %8s %9s %9s %7s %7s %9s %7s %8s\n", "MiB", "assigned", "ballooned",
		"hot-added", "offline", "floor", "available", "demand", "pressure"
}

# Break a text into lines, each after so many spaces.
function wrap(text, indent,    words, count, i, column) {
	count = split(text, words, " ")
	for (i = 1; i <= count; i++) {
		if (column && column + 1 + length(words[i]) > (width > 100 ? 100 : width)) {
			printf "\n"
			column = 0
		}
		printf "%" (column ? 1 : indent) "s%s", "", words[i]
		column += (column ? 1 : indent) + length(words[i])
	}
	printf "\n"
}

function report(    i) {
	print problems ? times(problems, "problem", "problems") " found" : "no problem found"
	for (i = 1; i <= problems; i++) {
		print "\n" i ". " ids[i]
		wrap(what[i], 3)
		wrap("To do: " todo[i], 3)
	}
	for (i = 1; i <= notes; i++) {
		print "\nNote: " note_ids[i]
		wrap(note_what[i], 3)
	}
	if (unseen)
		print "\nNot seen:"
	for (i = 1; i <= unseen; i++)
		wrap(hidden[i], 3)
}

# The names of all problems that are so bad.
function named(bad,    text, i) {
	for (i = 1; i <= problems; i++)
		if (severity[i] == bad)
			text = text (text == "" ? "" : ", ") ids[i]
	return text
}

# A figure in the form of performance data of plugins.
function measured(name, figure, most) {
	return has(figure) ? " " name "=" known[figure] "KB;;;0" (most > 0 ? ";" most : "") : ""
}

# What a plugin for monitoring prints: a word, a text, figures behind a bar.
function plugin(    text) {
	if ((text = named("critical")) != "")
		text = "CRITICAL - " text (named("warning") != "" ? ", " named("warning") : "")
	else if ((text = named("warning")) != "")
		text = "WARNING - " text
	else if ((text = named("unknown")) != "")
		text = "UNKNOWN - " text
	else
		text = "OK - " mib("assigned_kb") " MiB assigned, " mib("ballooned_kb") " MiB ballooned"
	text = "DYNAMIC MEMORY " text " |"
	text = text measured("assigned", "assigned_kb", known["max_kb"])
	text = text measured("ballooned", "ballooned_kb") measured("hot_added", "hot_added_kb")
	text = text measured("offline", "offline_kb") measured("floor", "floor_kb")
	text = text measured("available", "mem_available_kb") measured("demand", "demand_kb")
	sub(/ \|$/, "", text)
	print text
}

function quoted(text,    safe, i, c) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		safe = safe (c == "\"" || c == "\\" ? "\\" : "") (c < " " ? " " : c)
	}
	return "\"" safe "\""
}

function json_list(list, count,    text, i) {
	for (i = 1; i <= count; i++)
		text = text (i > 1 ? ", " : "") quoted(list[i])
	return "[" text "]"
}

function json_status(    i, value) {
	printf "{\"hvballoon\": %s, \"time\": %s", quoted(version), clock
	for (i = 1; i <= facts; i++) {
		value = known[order[i]]
		if (value !~ /^(0|[1-9][0-9]*)$/ || order[i] ~ /version|kernel|device/)
			value = quoted(value)
		printf ", %s: %s", quoted(order[i]), value
	}
	printf ", \"problems\": %s}\n", json_list(ids, problems)
}

function json_doctor(    i) {
	printf "{\"hvballoon\": %s, \"time\": %s, \"problems\": [", quoted(version), clock
	for (i = 1; i <= problems; i++)
		printf "%s{\"name\": %s, \"severity\": %s, \"what\": %s, \"do\": %s}",
			(i > 1 ? ", " : ""), quoted(ids[i]), quoted(severity[i]), quoted(what[i]),
			quoted(todo[i])
	printf "], \"notes\": ["
	for (i = 1; i <= notes; i++)
		printf "%s{\"name\": %s, \"what\": %s}", (i > 1 ? ", " : ""),
			quoted(note_ids[i]), quoted(note_what[i])
	printf "], \"not_seen\": %s}\n", json_list(hidden, unseen)
}

END {
	if (form == "status" && !has("driver")) {
		print nothing() eol
		print "  health: " health() eol
	} else if (form == "status") {
		table()
	} else if (form == "line") {
		line()
	} else if (form == "heading") {
		heading()
	} else if (form == "doctor") {
		report()
	} else if (form == "status-json") {
		json_status()
	} else if (form == "monitoring") {
		plugin()
	} else {
		json_doctor()
	}
}
