/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pending memory block: added, not yet online. Tasks that hit OOM wait for it.
 */
#ifndef _HVB_PENDING_H
#define _HVB_PENDING_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

struct hvb_hot_add;

/* No memory block has this as its first PFN. */
#define HVB_NO_BLOCK	U64_MAX

/**
 * struct hvb_pending - the pending memory block
 */
struct hvb_pending {
	/** @lock: protects @block and @end; taken in the memory notifier */
	spinlock_t lock;

	/** @block: first PFN of a block that is added and not online yet, or HVB_NO_BLOCK */
	u64 block;

	/** @end: in jiffies64, until when a task waits for it; 0 before one does */
	u64 end;

	/** @changed: woken when @block has changed */
	wait_queue_head_t changed;
};

#ifdef CONFIG_MEMORY_HOTPLUG

void hvb_pending_init(struct hvb_pending *pending);
void hvb_pending_begin(struct hvb_pending *pending, u64 block);
void hvb_pending_done(struct hvb_pending *pending, u64 block);
unsigned long hvb_pending_await(struct hvb_hot_add *ha);

#endif

#endif /* _HVB_PENDING_H */
