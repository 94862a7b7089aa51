/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon: inflate and deflate.
 */
#ifndef _HVB_BALLOON_H
#define _HVB_BALLOON_H

#include <linux/types.h>

#include "lib/cost.h"

struct hvb_batch;
struct hvb_dev;
struct hvb_msg;
struct hvb_wire_balloon_response;

/* How many orders a mark can have (mark.h). */
#define HVB_MARK_ORDERS	32

/**
 * struct hvb_inflate - an inflate operation
 *
 * For the pump only, or written while it cannot run, but for what is said to be read
 * elsewhere.
 */
struct hvb_inflate {
	/** @active: an operation runs; read by the OOM notifier */
	bool active;

	/** @in_step: a step has begun, and goes on when a chunk has been made */
	bool in_step;

	/** @shortage_logged: the last operation ended short of pages, and the log says so */
	bool shortage_logged;

	/** @asked: pages that the host wants of this operation */
	u64 asked;

	/** @wanted: pages that this operation still has to find */
	u64 wanted;

	/** @progress_mark: what @wanted should fall to until @give_up */
	u64 progress_mark;

	/** @give_up: jiffies at which the operation ends if it has not */
	unsigned long give_up;

	/** @not_before: jiffies before which no page is looked for */
	unsigned long not_before;

	/** @cost: what it costs the programs; the end of its pause is read anywhere */
	struct hvb_cost cost;

	/**
	 * @batch: blocks taken, not reported yet; its ranges change with
	 * hvb->transfer_lock held, under which the memory notifier reads them
	 */
	struct hvb_batch *batch;

	/** @response: the message under construction, HVB_MSG_MAX bytes */
	struct hvb_wire_balloon_response *response;
};

/**
 * struct hvb_balloon - pages that the host has
 *
 * The figures are written with hvb->transfer_lock held, by the pump or by the memory
 * notifier, and read anywhere.
 */
struct hvb_balloon {
	/** @pages: all pages that the host has */
	u64 pages;

	/** @hidden: those among them that left the guest's total */
	u64 hidden;

	/** @blocks: blocks that they are in, by order */
	u64 blocks[HVB_MARK_ORDERS];

	/** @adopted: pages that an earlier load of the driver had left; written by probe */
	u64 adopted;
};

const char *hvb_floor_rule(const struct hvb_dev *hvb);
int hvb_balloon_init(struct hvb_dev *hvb);
void hvb_balloon_exit(struct hvb_dev *hvb);
void hvb_inflate_begin(struct hvb_dev *hvb, u32 num_pages);
unsigned long hvb_inflate_run(struct hvb_dev *hvb);
void hvb_inflate_resume(struct hvb_dev *hvb);
void hvb_inflate_end(struct hvb_dev *hvb);
void hvb_inflate_refuse(struct hvb_dev *hvb, u32 num_pages);
void hvb_deflate(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_deflate_confirm(struct hvb_dev *hvb);

#endif /* _HVB_BALLOON_H */
