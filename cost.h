/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ballooning costs the programs of the guest.
 */
#ifndef _HVB_COST_H
#define _HVB_COST_H

#include <linux/types.h>

/**
 * struct hvb_cost - pages that reclaim should have left where they were
 * @begin: their count at the begin of the window
 * @window: jiffies at the begin of the window, which has a second
 * @usual: of these pages a second while nothing is ballooned
 * @costly: windows in a row in which it were too many
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
