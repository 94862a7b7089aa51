// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: hv-balloon, as the driver in the kernel tree has it since 6.1, for
 * scripts that know it. New scripts find all of it and more in sysfs.
 */
#include <linux/seq_file.h>

#include "debugfs.h"
#include "demand.h"
#include "device.h"
#include "hot_add.h"
#include "hotplug_map.h"
#include "lib/limits.h"

/* The states of that driver, and its numbers for them. */
enum hvb_legacy_state {
	HVB_LEGACY_INITIALIZING,
	HVB_LEGACY_INITIALIZED,
	HVB_LEGACY_BALLOON_UP,
	HVB_LEGACY_BALLOON_DOWN,
	HVB_LEGACY_HOT_ADD,
	HVB_LEGACY_ERROR,
};

static const char * const hvb_legacy_names[] = {
	[HVB_LEGACY_INITIALIZING]	= "Initializing",
	[HVB_LEGACY_INITIALIZED]	= "Initialized",
	[HVB_LEGACY_BALLOON_UP]		= "Balloon Up",
	[HVB_LEGACY_BALLOON_DOWN]	= "Balloon Down",
	[HVB_LEGACY_HOT_ADD]		= "Hot Add",
	[HVB_LEGACY_ERROR]		= "Error",
};

static bool hvb_runs(const struct hvb_dev *hvb, enum hvb_op op)
{
	return READ_ONCE(hvb->record.ops[op].started);
}

static enum hvb_legacy_state hvb_legacy_state(const struct hvb_dev *hvb)
{
	const enum hvb_state state = READ_ONCE(hvb->state);

	if (state == HVB_STATE_FAILED)
		return HVB_LEGACY_ERROR;
	if (state != HVB_STATE_RUNNING)
		return HVB_LEGACY_INITIALIZING;
	if (hvb_runs(hvb, HVB_OP_DEFLATE))
		return HVB_LEGACY_BALLOON_DOWN;
	if (hvb_runs(hvb, HVB_OP_INFLATE))
		return HVB_LEGACY_BALLOON_UP;
	if (hvb_runs(hvb, HVB_OP_HOT_ADD))
		return HVB_LEGACY_HOT_ADD;
	return HVB_LEGACY_INITIALIZED;
}

static void hvb_legacy_line(struct seq_file *file, const char *name, u64 value)
{
	seq_printf(file, "%-22s: %llu\n", name, value);
}

/**
 * hvb_legacy_show() - the file of the driver in the kernel tree
 * @file: where to print; private is the device
 * @offset: not used
 *
 * Context: process.
 * Return: 0.
 */
int hvb_legacy_show(struct seq_file *file, void *offset)
{
	struct hvb_dev *hvb = file->private;
	const enum hvb_legacy_state state = hvb_legacy_state(hvb);
	const bool balloon = HVB_CAN_BALLOON && !hvb->hibernation;
	struct hvb_demand demand;
	u64 backed, online;

	hvb_demand_read(hvb, &demand);
	hvb_hotplug_map_totals(hvb, &backed, &online);
	seq_printf(file, "%-22s: %u.%u\n", "host_version",
		   HVB_VERSION_MAJOR(hvb->version), HVB_VERSION_MINOR(hvb->version));
	seq_printf(file, "%-22s:%s%s\n", "capabilities", balloon ? " enabled" : "",
		   hvb_hot_add_possible(hvb) ? " hot_add" : "");
	seq_printf(file, "%-22s: %u (%s)\n", "state", state, hvb_legacy_names[state]);
	hvb_legacy_line(file, "page_size", HV_HYP_PAGE_SIZE);
	hvb_legacy_line(file, "pages_added", backed);
	hvb_legacy_line(file, "pages_onlined", online);
	hvb_legacy_line(file, "pages_ballooned", demand.ballooned);
	hvb_legacy_line(file, "total_pages_committed", hvb_committed_pages(&demand));
	hvb_legacy_line(file, "max_dynamic_page_count", READ_ONCE(hvb->hot_add.max_pages));
	return 0;
}
