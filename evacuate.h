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
 */
struct hvb_evacuate {
	/** @work: makes chunks; waits unbounded, for file systems and disks */
	struct work_struct work;

	/** @lock: protects what the pump asks for and what @work has made: down to @range */
	spinlock_t lock;

	/** @wanted: chunks to make for the host; written by pump and @work */
	unsigned int wanted;

	/** @reserve: chunks to make for the guest, at most, after those; likewise */
	unsigned int reserve;

	/** @exhausted: there were none to be made; likewise */
	bool exhausted;

	/** @nr_made: chunks that wait for the pump; likewise */
	unsigned int nr_made;

	/** @made: these chunks; likewise */
	struct hvb_chunk made[HVB_CHUNKS_AHEAD];

	/**
	 * @range: PFNs that are being evacuated, empty if none are; written by @work,
	 * read by the memory notifier
	 */
	struct hvb_extent range;

	/** @idle: woken when @range becomes empty */
	wait_queue_head_t idle;

	/** @pass: completed passes through all memory; @work only */
	unsigned int pass;

	/** @next: PFN up to which this pass is still to be done; @work only */
	u64 next;

	/** @restart: jiffies from which on to begin with the first pass again; @work only */
	unsigned long restart;

	/** @for_host: chunks evacuated for the host; written by @work, read anywhere */
	u64 for_host;

	/** @for_guest: chunks evacuated for the guest's reserve; likewise */
	u64 for_guest;
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
int hvb_evacuate_wait(struct hvb_dev *hvb, const struct hvb_extent *range);

#endif /* _HVB_EVACUATE_H */
