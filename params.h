/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module parameters.
 */
#ifndef _HVB_PARAMS_H
#define _HVB_PARAMS_H

#include <linux/types.h>

/**
 * struct hvb_params - the module parameters
 * @hot_add: serve hot-add requests
 * @report_delay: seconds from agreement with the host to the first report
 * @floor_mib: the floor in MiB, 0 for the one that follows from the guest's size
 * @demand_by_use: the demand that is reported is that by use, not the commit charge
 * @oom_wait: seconds for which a guest that is out of memory waits for the host
 * @max_range_mib: most MiB that a range in a message has, 0 for no such limit
 * @shrink: ballooned memory leaves the guest's total (fixed at load)
 * @reclaim: take back what an earlier load left ballooned (fixed at load)
 *
 * All but the fixed ones can be written through sysfs at any time: read once
 * per use, with READ_ONCE().
 */
struct hvb_params {
	bool hot_add;
	unsigned int report_delay;
	unsigned int floor_mib;
	bool demand_by_use;
	unsigned int oom_wait;
	unsigned int max_range_mib;
	bool shrink;
	bool reclaim;
};

extern struct hvb_params hvb_params;

/**
 * struct hvb_takeover_figures - figures of the in-tree driver, in pages
 * @ballooned: its ballooned pages
 * @hot_added: pages that the host has added
 * @hot_added_known: @hot_added holds; else all memory blocks are whole, but for gaps
 *	that are marked
 */
struct hvb_takeover_figures {
	u64 ballooned;
	u64 hot_added;
	bool hot_added_known;
};

bool hvb_params_consume_takeover(struct hvb_takeover_figures *figures);

#endif /* _HVB_PARAMS_H */
