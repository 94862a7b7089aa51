/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon: inflate and deflate.
 */
#ifndef _HVB_BALLOON_H
#define _HVB_BALLOON_H

#include <linux/types.h>

struct hvb_batch;
struct hvb_dev;
struct hvb_msg;
struct hvb_wire_balloon_response;

/* How many orders a mark can have (mark.h). */
#define HVB_MARK_ORDERS	32

/**
 * struct hvb_balloon - pages that the host has
 * @pages: all of them
 * @hidden: those among them that left the guest's total
 * @blocks: blocks that they are in, by order
 * @adopted: pages that an earlier load of the driver had left
 * @active: an inflate operation runs
 * @asked: pages that the host wants of this operation
 * @wanted: pages that this operation still has to find
 * @not_before: jiffies before which no page is looked for
 * @progress_mark: what @wanted should fall to, at least
 * @give_up: jiffies at which the operation ends if it has not until then
 * @highest_order: largest block worth trying for; falls when a try fails,
 *	rises by one with each step
 * @in_step: a step has begun, and goes on when a chunk has been made
 * @chunk_deadline: jiffies at which no chunk is waited for any more
 * @chunk_retry: jiffies before which no chunk is asked for, once there was none
 * @movable: memory that only programs can use may still be had in this step
 * @movable_order: the largest block of it worth trying for
 * @shortage_logged: the last operation ended short of pages, and the log says so
 * @batch: blocks taken, not reported yet
 * @response: the message under construction, HVB_MSG_MAX bytes
 *
 * Written by the pump only, but for what changes in @pages, @hidden and @blocks
 * when a memory block goes offline: the writer holds hvb->transfer_lock. They are
 * read anywhere.
 */
struct hvb_balloon {
	u64 pages;
	u64 hidden;
	u64 blocks[HVB_MARK_ORDERS];
	u64 adopted;
	bool active;
	u64 asked;
	u64 wanted;
	unsigned long not_before;
	u64 progress_mark;
	unsigned long give_up;
	unsigned int highest_order;
	bool in_step;
	unsigned long chunk_deadline;
	unsigned long chunk_retry;
	bool movable;
	unsigned int movable_order;
	bool shortage_logged;
	struct hvb_batch *batch;
	struct hvb_wire_balloon_response *response;
};

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
