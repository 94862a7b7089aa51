/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocates blocks for the balloon.
 */
#ifndef _HVB_ALLOC_H
#define _HVB_ALLOC_H

#include <linux/types.h>

struct hvb_dev;

/* How long an inflate waits for the next chunk: longer than one takes to make. */
#define HVB_CHUNK_WAIT		HZ

/*
 * When to ask for chunks again after there were none, and after none came in time:
 * longer than an operation goes on without progress, so that it ends.
 */
#define HVB_CHUNK_RETRY		(2 * HZ)
#define HVB_CHUNK_STUCK		(10 * HZ)

/**
 * struct hvb_alloc - which blocks to try for
 *
 * All of it is for the pump only.
 */
struct hvb_alloc {
	/**
	 * @highest_order: largest block worth trying for; falls when a try fails, rises
	 * by one with each step
	 */
	unsigned int highest_order;

	/** @node: node that blocks are taken of, NUMA_NO_NODE if there is but one */
	int node;

	/** @movable: blocks of ZONE_MOVABLE are tried for first in this step */
	bool movable;

	/** @movable_order: the largest of these worth trying for */
	unsigned int movable_order;

	/** @chunk_deadline: jiffies at which no chunk is waited for any more */
	unsigned long chunk_deadline;

	/** @chunk_retry: jiffies before which no chunk is asked for, once there was none */
	unsigned long chunk_retry;
};

void hvb_alloc_begin_step(struct hvb_dev *hvb);
void hvb_alloc_choose_node(struct hvb_dev *hvb);
bool hvb_alloc_can_spare(const struct hvb_dev *hvb);
u32 hvb_alloc_next(struct hvb_dev *hvb, u64 budget);
bool hvb_alloc_awaits_chunk(struct hvb_dev *hvb);

#endif /* _HVB_ALLOC_H */
