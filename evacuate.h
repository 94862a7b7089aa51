/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes chunks of 2 MiB, in a work item of its own.
 */
#ifndef _HVB_EVACUATE_H
#define _HVB_EVACUATE_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "lib/region.h"

struct hvb_dev;
struct page;

/* Chunks that are made before the pump has collected the first of them. */
#define HVB_CHUNKS_AHEAD	8

/**
 * struct hvb_chunk - 2 MiB of memory that belong to the driver
 * @page: the first page
 * @order: of the blocks that it consists of: HVB_CHUNK_ORDER, or 0
 */
struct hvb_chunk {
	struct page *page;
	unsigned int order;
};

/**
 * struct hvb_evacuate - makes chunks, in a work item of its own
 * @work: makes them; may wait for as long as a file system or a disk likes
 * @lock: protects all down to @range
 * @wanted: chunks to make for the host
 * @reserve: chunks to make for the guest, at most, after those
 * @exhausted: there were none to be made
 * @nr_made: chunks that wait for the pump
 * @made: they
 * @range: PFNs that are migrated from just now, empty if none are
 * @idle: woken when @range becomes empty
 * @pass: how often all memory was gone through; @work only, as what follows
 * @next: PFN up to which that is still to be done
 * @restart: jiffies from which on to begin with the first pass again
 */
struct hvb_evacuate {
	struct work_struct work;
	spinlock_t lock; /* protects all down to range */
	unsigned int wanted;
	unsigned int reserve;
	bool exhausted;
	unsigned int nr_made;
	struct hvb_chunk made[HVB_CHUNKS_AHEAD];
	struct hvb_extent range;
	wait_queue_head_t idle;
	unsigned int pass;
	u64 next;
	unsigned long restart;
};

void hvb_free_blocks(struct page *page, unsigned long pages, unsigned int order);
void hvb_evacuate_init(struct hvb_dev *hvb);
void hvb_evacuate_exit(struct hvb_dev *hvb);
void hvb_evacuate_request(struct hvb_dev *hvb, u64 nr);
bool hvb_evacuate_collect(struct hvb_dev *hvb, struct hvb_chunk *chunk);
bool hvb_evacuate_pending(struct hvb_dev *hvb);
void hvb_evacuate_retry(struct hvb_dev *hvb);
void hvb_evacuate_stop(struct hvb_dev *hvb);
void hvb_evacuate_reserve(struct hvb_dev *hvb);
void hvb_evacuate_rest(struct hvb_dev *hvb);
void hvb_evacuate_resume(struct hvb_dev *hvb);
int hvb_evacuate_leave(struct hvb_dev *hvb, const struct hvb_extent *range);

#endif /* _HVB_EVACUATE_H */
