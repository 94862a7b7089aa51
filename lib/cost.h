/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cost floor: what inflating costs the guest's programs. Pure.
 */
#ifndef _HVB_COST_H
#define _HVB_COST_H

#include <linux/types.h>

/**
 * struct hvb_cost - the rate of refaults and of writes of reclaim
 * @begin: their count at the begin of the window
 * @begin_ms: the begin of the window; its length is a second, more between operations
 * @usual: pages per second that are not the balloon's doing
 * @costly: the last window was costly
 * @score: rises with each costly window, falls with each second without cost
 * @pause_ms: length of the last pause
 * @pause_end_ms: until then no page is ballooned
 *
 * Times are in milliseconds since an arbitrary one, counts in pages.
 */
struct hvb_cost {
	u64 begin;
	u64 begin_ms;
	u64 usual;
	bool costly;
	unsigned int score;
	u64 pause_ms;
	u64 pause_end_ms;
};

/**
 * enum hvb_cost_look - what a look at the cost found
 * @HVB_COST_LOW: none that counts
 * @HVB_COST_LOW_SECOND: none that counts, and a window has ended
 * @HVB_COST_HIGH: more refaults or swapping than usual
 */
enum hvb_cost_look {
	HVB_COST_LOW,
	HVB_COST_LOW_SECOND,
	HVB_COST_HIGH,
};

void hvb_cost_init(struct hvb_cost *cost, u64 now_ms, u64 count);
void hvb_cost_begin(struct hvb_cost *cost, u64 now_ms, u64 count);
enum hvb_cost_look hvb_cost_look(struct hvb_cost *cost, u64 now_ms, u64 count);
void hvb_cost_end(struct hvb_cost *cost, u64 now_ms, u64 count);
bool hvb_cost_begin_pause(struct hvb_cost *cost, u64 now_ms);
bool hvb_cost_pauses(const struct hvb_cost *cost, u64 now_ms);

#endif /* _HVB_COST_H */
