// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: hv_balloon/, for debugging and for tests; not an interface to rely on.
 * Sizes are in pages of 4 KiB.
 *
 *	status		all figures, one "name: value" a line
 *	blocks		per order: blocks taken for the host, failures to find one
 *	balloon		per order: blocks that the host has
 *	regions		hot-added memory and its gaps, as PFNs
 *	latency		how long operations took
 *	messages	the last messages each way (debugfs_messages.c)
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "balloon.h"
#include "debugfs.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/limits.h"
#include "lib/region.h"
#include "negotiate.h"
#include "record.h"
#include "status.h"

static void hvb_show(struct seq_file *file, const char *name, u64 value)
{
	seq_printf(file, "%s: %llu\n", name, value);
}

static void hvb_show_totals(struct seq_file *file, struct hvb_dev *hvb)
{
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	hvb_show(file, "pages_ballooned", READ_ONCE(hvb->balloon.pages));
	hvb_show(file, "pages_hidden", READ_ONCE(hvb->balloon.hidden));
	hvb_show(file, "pages_floor", hvb_floor(hvb));
	hvb_show(file, "pages_hot_added", backed);
	hvb_show(file, "pages_hot_added_online", online);
	hvb_show(file, "pages_hot_added_offline", backed - online);
	hvb_show(file, "pages_max", READ_ONCE(hvb->hot_add.max_pages));
	hvb_show(file, "pages_hinted_free", READ_ONCE(hvb->reporting.pages));
	hvb_show(file, "hints_failed", READ_ONCE(hvb->reporting.failures));
	hvb_show(file, "pages_reported_available", hvb->report.status.available);
	hvb_show(file, "pages_reported_committed", hvb->report.status.committed);
}

static void hvb_show_demand(struct seq_file *file, struct hvb_dev *hvb)
{
	struct hvb_demand demand;

	hvb_demand_read(hvb, &demand);
	seq_printf(file, "demand_by: %s\n", demand.by_use ? "used" : "committed");
	hvb_show(file, "pages_demand_committed", demand.vm_committed);
	hvb_show(file, "pages_demand_used", demand.used);
	hvb_show(file, "pages_demand_cache", demand.cache);
	hvb_show(file, "pages_demand_lead", demand.lead);
	hvb_show(file, "pages_demand_emergency", demand.emergency);
	hvb_show(file, "pages_demand_extra", demand.extra);
}

static void hvb_show_stats(struct seq_file *file, const struct hvb_dev *hvb)
{
	const struct hvb_stats *stats = &hvb->stats;

	hvb_show(file, "balloon_requests", stats->balloon_requests);
	hvb_show(file, "balloon_pages_requested", stats->balloon_requested);
	hvb_show(file, "balloon_pages_given", stats->balloon_given);
	hvb_show(file, "balloon_pages_refused", stats->balloon_refused);
	hvb_show(file, "balloon_pages_returned", stats->returned);
	hvb_show(file, "blocks_cleared", hvb->evacuate.for_host);
	hvb_show(file, "blocks_kept", hvb->evacuate.for_guest);
	hvb_show(file, "foreign_ranges", stats->foreign_ranges);
	hvb_show(file, "hot_add_requests", stats->hot_add_requests);
	hvb_show(file, "hot_add_pages_requested", stats->hot_add_requested);
	hvb_show(file, "hot_add_pages_added", stats->hot_add_added);
	hvb_show(file, "pages_looked_at", stats->pages_looked_at);
	hvb_show(file, "status_reports", stats->reports);
	hvb_show(file, "messages_rejected", hvb_rejected_messages(stats));
	hvb_show(file, "messages_unexpected", stats->unexpected);
	hvb_show(file, "messages_with_reserved_bits", stats->reserved_bits);
	hvb_show(file, "messages_with_wrong_size", stats->size_mismatches);
	hvb_show(file, "send_failures", stats->send_failures);
}

static int hvb_status_show(struct seq_file *file, void *offset)
{
	struct hvb_dev *hvb = file->private;

	seq_printf(file, "state: %s\n", hvb_state_name(READ_ONCE(hvb->state)));
	seq_printf(file, "host_version: %u.%u\n", HVB_VERSION_MAJOR(hvb->version),
		   HVB_VERSION_MINOR(hvb->version));
	hvb_show_totals(file, hvb);
	hvb_show_demand(file, hvb);
	hvb_show_stats(file, hvb);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_status);

static int hvb_blocks_show(struct seq_file *file, void *offset)
{
	const struct hvb_dev *hvb = file->private;
	unsigned int order;

	seq_puts(file, "order taken failures\n");
	for (order = 0; order <= HVB_CHUNK_ORDER; order++)
		seq_printf(file, "%u %llu %llu\n", order,
			   READ_ONCE(hvb->stats.blocks_taken[order]),
			   READ_ONCE(hvb->stats.block_failures[order]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_blocks);

static int hvb_balloon_show(struct seq_file *file, void *offset)
{
	const struct hvb_dev *hvb = file->private;
	unsigned int order;

	seq_puts(file, "order blocks pages\n");
	for (order = 0; order < HVB_MARK_ORDERS; order++) {
		const u64 blocks = READ_ONCE(hvb->balloon.blocks[order]);

		if (blocks || order <= HVB_CHUNK_ORDER)
			seq_printf(file, "%u %llu %llu\n", order, blocks, blocks << order);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_balloon);

static int hvb_regions_show(struct seq_file *file, void *offset)
{
	struct hvb_dev *hvb = file->private;

	seq_puts(file, "what first behind pages\n");
	hvb_hotplug_map_show(&hvb->hot_add.map, file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_regions);

static void hvb_show_buckets(struct seq_file *file, const struct hvb_latency *latency)
{
	unsigned int i;

	for (i = 0; i < HVB_LATENCY_BUCKETS; i++)
		if (READ_ONCE(latency->buckets[i]))
			seq_printf(file, "  %llu us or more: %llu\n", i ? 1ULL << (i - 1) : 0,
				   READ_ONCE(latency->buckets[i]));
}

static int hvb_latency_show(struct seq_file *file, void *offset)
{
	const struct hvb_dev *hvb = file->private;
	enum hvb_op op;

	for (op = 0; op < HVB_OPS; op++) {
		const struct hvb_latency *latency = &hvb->record.ops[op];

		seq_printf(file, "%s: %llu times, %llu us in all, %llu us at most\n",
			   hvb_op_name(op), READ_ONCE(latency->count),
			   READ_ONCE(latency->total_us), READ_ONCE(latency->longest_us));
		hvb_show_buckets(file, latency);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_latency);
DEFINE_SHOW_ATTRIBUTE(hvb_messages);
DEFINE_SHOW_ATTRIBUTE(hvb_legacy);

/**
 * hvb_debugfs_init() - create the files
 * @hvb: the device
 *
 * Read-only: a locked-down kernel denies files that can be written. PFNs are for root
 * only.
 *
 * Context: process, may sleep.
 */
void hvb_debugfs_init(struct hvb_dev *hvb)
{
	struct dentry *dir = debugfs_create_dir("hv_balloon", NULL);

	hvb->debugfs = dir;
	debugfs_create_file("status", 0444, dir, hvb, &hvb_status_fops);
	debugfs_create_file("blocks", 0444, dir, hvb, &hvb_blocks_fops);
	debugfs_create_file("balloon", 0444, dir, hvb, &hvb_balloon_fops);
	debugfs_create_file("regions", 0400, dir, hvb, &hvb_regions_fops);
	debugfs_create_file("latency", 0444, dir, hvb, &hvb_latency_fops);
	debugfs_create_file("messages", 0400, dir, hvb, &hvb_messages_fops);
	hvb->debugfs_legacy = debugfs_create_file("hv-balloon", 0444, NULL, hvb,
						  &hvb_legacy_fops);
}

/**
 * hvb_debugfs_exit() - remove the files; no reader is left afterwards
 * @hvb: the device
 *
 * Context: process, may sleep.
 */
void hvb_debugfs_exit(struct hvb_dev *hvb)
{
	debugfs_remove(hvb->debugfs_legacy);
	debugfs_remove(hvb->debugfs);
}
