// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: hv_balloon/status, one "name: value" a line, pages of 4 KiB. For
 * people and tests; not an interface to rely on.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "hv_balloon.h"

static void hvb_show(struct seq_file *file, const char *name, u64 value)
{
	seq_printf(file, "%s: %llu\n", name, value);
}

static void hvb_show_totals(struct seq_file *file, struct hvb_dev *hvb)
{
	u64 backed, online;

	hvb_hot_add_totals(hvb, &backed, &online);
	hvb_show(file, "pages_ballooned", READ_ONCE(hvb->balloon.pages));
	hvb_show(file, "pages_hidden", READ_ONCE(hvb->balloon.hidden));
	hvb_show(file, "pages_floor", hvb_floor(hvb));
	hvb_show(file, "pages_hot_added", backed);
	hvb_show(file, "pages_hot_added_online", online);
	hvb_show(file, "pages_hot_added_offline", backed - online);
	hvb_show(file, "pages_max", hvb->hot_add.max_pages);
	hvb_show(file, "pages_reported_available", hvb->report_status.available);
	hvb_show(file, "pages_reported_committed", hvb->report_status.committed);
}

static void hvb_show_stats(struct seq_file *file, const struct hvb_stats *stats)
{
	hvb_show(file, "balloon_requests", stats->balloon_requests);
	hvb_show(file, "balloon_pages_requested", stats->balloon_requested);
	hvb_show(file, "balloon_pages_given", stats->balloon_given);
	hvb_show(file, "balloon_pages_refused", stats->balloon_refused);
	hvb_show(file, "balloon_pages_returned", stats->returned);
	hvb_show(file, "foreign_ranges", stats->foreign_ranges);
	hvb_show(file, "hot_add_requests", stats->hot_add_requests);
	hvb_show(file, "hot_add_pages_requested", stats->hot_add_requested);
	hvb_show(file, "hot_add_pages_added", stats->hot_add_added);
	hvb_show(file, "status_reports", stats->reports);
	hvb_show(file, "messages_rejected", hvb_rejected_messages(stats));
	hvb_show(file, "messages_unexpected", stats->unexpected);
	hvb_show(file, "messages_with_reserved_bits", stats->reserved_bits);
	hvb_show(file, "send_failures", stats->send_failures);
}

static int hvb_status_show(struct seq_file *file, void *offset)
{
	struct hvb_dev *hvb = file->private;

	seq_printf(file, "state: %s\n", hvb_state_name(READ_ONCE(hvb->state)));
	seq_printf(file, "host_version: %u.%u\n", hvb->version >> 16, hvb->version & 0xffff);
	hvb_show_totals(file, hvb);
	hvb_show_stats(file, &hvb->stats);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hvb_status);

/**
 * hvb_debugfs_init() - create the files
 * @hvb: the device
 *
 * Context: process, may sleep.
 */
void hvb_debugfs_init(struct hvb_dev *hvb)
{
	hvb->debugfs = debugfs_create_dir("hv_balloon", NULL);
	debugfs_create_file("status", 0444, hvb->debugfs, hvb, &hvb_status_fops);
}

/**
 * hvb_debugfs_exit() - remove the files; nobody reads them afterwards
 * @hvb: the device
 *
 * Context: process, may sleep.
 */
void hvb_debugfs_exit(struct hvb_dev *hvb)
{
	debugfs_remove(hvb->debugfs);
}
