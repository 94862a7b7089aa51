/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refaults and swapping while the balloon inflates.
 */
#ifndef _HVB_COST_H
#define _HVB_COST_H

#include <linux/types.h>

/**
 * struct hvb_cost - refaults, and writes of reclaim
 * @begin: their count at the begin of the window
 * @window: jiffies at the begin of the window, which lasts a second
 * @usual: pages per second between operations
 * @costly: consecutive costly windows
 * @pause_end: in jiffies64: until then no page is ballooned
 *
 * Pump only.
 */
struct hvb_cost {
	u64 begin;
	unsigned long window;
	u64 usual;
	unsigned int costly;
	u64 pause_end;
};

void hvb_cost_init(struct hvb_cost *cost);
void hvb_cost_begin(struct hvb_cost *cost);
bool hvb_cost_is_high(struct hvb_cost *cost);
bool hvb_cost_is_over(struct hvb_cost *cost);
bool hvb_cost_pauses(const struct hvb_cost *cost);

#endif /* _HVB_COST_H */
