# SPDX-License-Identifier: GPL-2.0-only
#
# What hvballoon metrics prints: the text format of Prometheus, version 0.0.4, with names that are
# right for OpenMetrics too. Reads the lines that print.awk reads, and the driver's files of debugfs
# behind them, by the names of these files.

function file() {
	return FILENAME == "-" ? "" : substr(FILENAME, match(FILENAME, /[^\/]*$/))
}

FNR == 1 { part = file() }

part == "status" && NF == 2 { inside[substr($1, 1, length($1) - 1)] = $2 }
part == "blocks" && FNR > 1 { taken[++orders] = $2; failed[orders] = $3 }
part == "balloon" && FNR > 1 { held[++held_orders] = $2; held_order[held_orders] = $1 }
part == "latency" && /^[a-z]/ {
	operation[++operations] = $1
	sub(/:$/, "", operation[operations])
	gsub(/-/, "_", operation[operations])
	done[operations] = $2 + 0
	spent[operations] = 0
	for (i = 0; i < NF; i++)
		if ($i == "us" && $(i + 1) == "in")
			spent[operations] = $(i - 1) + 0
}
# At least so long, in microseconds: a power of two, or 0.
part == "latency" && /^ / { took[operations, $1] = $NF }
part == "" {
	split($0, field, "\t")
	if (field[1] == "fact")
		known[field[2]] = field[3]
	else if (field[1] == "problem") {
		problem[++problems] = labels("name", field[2], "severity", field[5])
		if (field[2] ~ /^(not-bound|other-driver|failed)$/)
			idle = 1
	}
}

function escaped(text,    safe, i, c) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		safe = safe (c == "\"" || c == "\\" ? "\\" : "") c
	}
	return safe
}

function label(name, text) { return name "=\"" escaped(text) "\"" }
function labels(one, first, two, second) { return label(one, first) "," label(two, second) }

function head(name, type, help) {
	print "# HELP hv_balloon_" name " " help
	print "# TYPE hv_balloon_" name " " type
}

function sample(name, pairs, value) {
	printf "hv_balloon_%s%s %s\n", name, (pairs == "" ? "" : "{" pairs "}"), value
}

function is_number(text) { return text ~ /^[0-9]+$/ }

# In bytes, which mawk would else round.
function bytes(units, size) { return sprintf("%.0f", units * size) }

function one(name, type, text, size, help) {
	if (!is_number(text))
		return
	head(name, type, help)
	sample(name, "", bytes(text, size))
}

function gauge(name, fact, size, help) { one(name, "gauge", known[fact], size, help) }
function counter(name, fact, size, help) { one(name "_total", "counter", known[fact], size, help) }
function inner(name, fact, size, help) { one(name "_total", "counter", inside[fact], size, help) }

function sizes() {
	gauge("assigned_bytes", "assigned_kb", 1024,
	      "Memory that the guest has: its total without the balloon, with what is offline.")
	gauge("ballooned_bytes", "ballooned_kb", 1024, "Memory that the host has taken.")
	gauge("hidden_bytes", "hidden_kb", 1024,
	      "The part of ballooned memory that is not in the guest's total.")
	gauge("hot_added_bytes", "hot_added_kb", 1024, "Memory that the host has added.")
	gauge("hot_added_online_bytes", "hot_added_online_kb", 1024,
	      "The part of hot-added memory that is online or with the host.")
	gauge("offline_bytes", "offline_kb", 1024, "Hot-added memory that waits to be onlined.")
	gauge("max_bytes", "max_kb", 1024, "The most that the host will give; 0 if it has not said so.")
	gauge("floor_bytes", "floor_kb", 1024, "Available memory that ballooning leaves the guest.")
	gauge("total_bytes", "mem_total_kb", 1024, "MemTotal of the guest.")
	gauge("available_bytes", "mem_available_kb", 1024, "MemAvailable of the guest.")
	gauge("reported_available_bytes", "reported_available_kb", 1024,
	      "Available memory of the last status report; 0 before the first one.")
	gauge("reported_committed_bytes", "reported_committed_kb", 1024,
	      "Committed memory of the last status report, with balloon and floor.")
	gauge("demand_bytes", "demand_kb", 1024, "Memory that the guest needs, without the balloon.")
	gauge("demand_used_bytes", "demand_used_kb", 1024, "Memory in use; falls slowly.")
	gauge("demand_cache_bytes", "demand_cache_kb", 1024,
	      "Page cache that proved needed, by what was read again.")
	gauge("demand_lead_bytes", "demand_lead_kb", 1024, "Growth until the host can react.")
	gauge("demand_emergency_bytes", "demand_emergency_kb", 1024,
	      "Asked for since the guest ran out of memory.")
	gauge("extra_demand_bytes", "extra_demand_kb", 1024, "Asked for by a program.")
	if (is_number(known["demand_kb"]) && known["assigned_kb"] > 0) {
		head("pressure_ratio", "gauge", "Demand by what is assigned.")
		sample("pressure_ratio", "",
		       sprintf("%.4f", known["demand_kb"] / known["assigned_kb"]))
	}
	gauge("event_step_bytes", "event_step_kb", 1024, "Change of size that is an event; 0 for none.")
}

function counters() {
	counter("balloon_requests", "balloon_requests", 1, "Requests of the host for memory.")
	counter("balloon_refused_bytes", "balloon_refused_kb", 1024,
		"Memory that the host asked for and did not get.")
	counter("returned_bytes", "returned_kb", 1024, "Memory that the host gave back.")
	counter("hot_add_requests", "hot_add_requests", 1, "Offers of the host of more memory.")
	counter("hot_add_refused_bytes", "hot_add_refused_kb", 1024,
		"Memory that the host offered and that was not added.")
	counter("rejected_messages", "rejected_messages", 1, "Messages of the host that were malformed.")
	counter("foreign_ranges", "foreign_ranges", 1,
		"Ranges that the host gave back without having them.")
	counter("status_reports", "status_reports", 1, "Reports that were sent to the host.")
	counter("send_failures", "send_failures", 1, "Messages to the host that could not be sent.")
	counter("events", "events", 1, "Memory events.")
}

function switches() {
	gauge("hibernation_enabled", "hibernation", 1, "1 if the guest can hibernate, and refuses all.")
	gauge("hot_add_enabled", "hot_add", 1, "1 if memory is added when the host offers it.")
	gauge("page_reporting_enabled", "page_reporting", 1, "1 if free pages are shown to the host.")
}

# One of all states is 1. The kernel's own driver has others.
function states(    names, n, i) {
	if (known["state"] == "")
		return
	head("state", "gauge", "Where the dialogue with the host stands: 1 for the state that is.")
	n = split("closed opened version capabilities running failed", names, " ")
	for (i = 1; i <= n && known["driver"] == "hv_balloon"; i++)
		sample("state", label("state", names[i]), names[i] == known["state"] ? 1 : 0)
	if (known["driver"] != "hv_balloon")
		sample("state", label("state", known["state"]), 1)
}

function debug_figures() {
	if (is_number(inside["pages_hinted_free"]))
		one("hinted_free_bytes", "gauge", inside["pages_hinted_free"], 4096,
		    "Free memory that was shown to the host.")
	inner("hints_failed", "hints_failed", 1, "Reports of free memory that the host refused.")
	inner("balloon_requested_bytes", "balloon_pages_requested", 4096,
	      "Memory that the host asked for.")
	inner("balloon_given_bytes", "balloon_pages_given", 4096, "Memory that the host was given.")
	inner("hot_add_requested_bytes", "hot_add_pages_requested", 4096,
	      "Memory that the host offered.")
	inner("hot_add_added_bytes", "hot_add_pages_added", 4096, "Memory that was added.")
	inner("blocks_cleared", "blocks_cleared", 1, "Blocks of 2 MiB that were emptied for the host.")
	inner("blocks_kept", "blocks_kept", 1, "Blocks of 2 MiB that were emptied for the guest.")
	inner("unexpected_messages", "messages_unexpected", 1,
	      "Messages of the host that did not fit the state.")
	inner("reserved_flags_messages", "messages_with_reserved_bits", 1,
	      "Messages with a bit set that has no meaning.")
	inner("wrong_size_messages", "messages_with_wrong_size", 1,
	      "Messages that declared another size than they had.")
}

function by_order(    i) {
	if (orders)
		head("blocks_taken_total", "counter", "Blocks of 2^order pages that were taken.")
	for (i = 1; i <= orders; i++)
		sample("blocks_taken_total", label("order", i - 1), taken[i])
	if (orders)
		head("block_failures_total", "counter", "How often no block of 2^order pages was free.")
	for (i = 1; i <= orders; i++)
		sample("block_failures_total", label("order", i - 1), failed[i])
	if (held_orders)
		head("balloon_blocks", "gauge", "Blocks of 2^order pages that the host has.")
	for (i = 1; i <= held_orders; i++)
		sample("balloon_blocks", label("order", held_order[i]), held[i])
}

# What took at least 2^n us took less than 2^(n + 1): each second power of two is a bucket.
function durations(    i, power, lower, sum, name) {
	name = "operation_duration_seconds"
	if (operations)
		head(name, "histogram", "Time that operations of the host took.")
	for (i = 1; i <= operations; i++) {
		sum = took[i, "0"] + 0
		lower = 1
		for (power = 1; power <= 30; power++) {
			sum += took[i, sprintf("%.0f", lower)]
			lower *= 2
			if (power % 2 == 0)
				sample(name "_bucket", labels("operation", operation[i], "le",
				       sprintf("%.6f", lower / 1000000)), bytes(sum, 1))
		}
		sample(name "_bucket", labels("operation", operation[i], "le", "+Inf"), done[i])
		sample(name "_sum", label("operation", operation[i]),
		       sprintf("%.6f", spent[i] / 1000000))
		sample(name "_count", label("operation", operation[i]), done[i])
	}
}

END {
	head("up", "gauge", "1 if a driver of Dynamic Memory serves this guest.")
	sample("up", "", known["driver"] != "" && !idle ? 1 : 0)
	head("info", "gauge", "What serves the guest; always 1.")
	sample("info", labels("driver", known["driver"], "driver_version", known["driver_version"]) "," \
	       labels("kernel", known["kernel"], "protocol_version", known["protocol_version"]) "," \
	       labels("accounting", known["accounting"], "device", known["device"]), 1)
	states()
	sizes()
	switches()
	counters()
	debug_figures()
	by_order()
	durations()
	if (problems)
		head("problem", "gauge", "A problem that hvballoon doctor explains; 1 while it is there.")
	for (i = 1; i <= problems; i++)
		sample("problem", problem[i], 1)
}
