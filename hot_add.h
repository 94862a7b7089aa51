/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hot-add: requests of the host to add memory.
 */
#ifndef _HVB_HOT_ADD_H
#define _HVB_HOT_ADD_H

#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "lib/region.h"

struct hvb_dev;
struct hvb_msg;

/* No memory block has this as its first PFN. */
#define HVB_NO_BLOCK	U64_MAX

/**
 * enum hvb_hot_add_state - where a request to add memory stands
 * @HVB_HOT_ADD_IDLE: there is none
 * @HVB_HOT_ADD_NEXT: the next block can be added
 * @HVB_HOT_ADD_ADDING: the add work adds a block
 * @HVB_HOT_ADD_ONLINING: a block was added and should come online first
 * @HVB_HOT_ADD_PARKED: there was no memory for a memory map; try again later
 * @HVB_HOT_ADD_STATES: number of states
 */
enum hvb_hot_add_state {
	HVB_HOT_ADD_IDLE,
	HVB_HOT_ADD_NEXT,
	HVB_HOT_ADD_ADDING,
	HVB_HOT_ADD_ONLINING,
	HVB_HOT_ADD_PARKED,
	HVB_HOT_ADD_STATES,
};

/**
 * struct hvb_add - adds a memory block, in a work item of its own
 * @work: calls add_memory(), which may wait for as long as memory hotplug in progress
 * @busy: it is queued or runs; set by the pump, cleared by @work
 * @answered: the host was told that the block is there; see hvb_add_abandon()
 * @block: first PFN of the block; this and the next two are written by the
 *	pump while @work is not busy
 * @start: first PFN of it that the host gives
 * @end: end PFN, exclusive
 * @result: 0 or a negative error number; holds when no longer @busy
 */
struct hvb_add {
	struct work_struct work;
	bool busy;
	bool answered;
	u64 block;
	u64 start;
	u64 end;
	int result;
};

/**
 * struct hvb_hot_add - memory that the host gave on top
 * @lock: protects @regions. Taken by the pump, by the online-page callback and
 *	by the memory notifier (both run under the hotplug lock, in the pump or
 *	in a task that onlines memory); never held over a call that onlines,
 *	adds or sleeps
 * @regions: which memory that is
 * @foreign_blocks: how many blocks of others were found to have a gap
 * @going_offline: PFNs that are about to go offline, empty if none are;
 *	protected by @lock, written by the task that takes them offline
 * @pending_block: block that was or is being added and is not online yet, HVB_NO_BLOCK
 *	if there is none to wait for; protected by @lock
 * @pending_done: woken when @pending_block has changed
 * @usable: the kernel lets us online memory in parts (the online-page callback
 *	is ours) and the guest can hot-add
 * @groups: memory group of each node, negative if it has none yet
 * @closing: the driver ends: no block that has a gap may come online any more
 * @comes_movable: the last block came online as memory for programs only
 * @add: adds blocks
 * @state: where the request stands. From here on: pump only
 * @next: next PFN to add
 * @end: end PFN of the request, exclusive
 * @offered: pages of the request
 * @added: pages added so far
 * @skipped: pages behind those that were left out, see hvb_hot_add_skip()
 * @not_before: jiffies before which nothing is tried
 * @give_up: jiffies at which the operation is answered as it stands
 * @short_of_memory: @give_up holds: a block could not be added for lack of
 *	memory
 * @nobody_onlines: a block stayed offline too long; wait for none until one
 *	is onlined
 * @check_offline: jiffies of the next look for blocks that stayed offline
 * @check_armed: @check_offline holds
 * @offline_warned: the log says that blocks stay offline
 * @max_pages: the most pages that the host will ever give, 0 if not known
 * @memory_nb: the memory notifier
 */
struct hvb_hot_add {
	spinlock_t lock; /* protects all down to pending_block */
	struct hvb_regions regions;
	unsigned int foreign_blocks;
	struct hvb_extent going_offline;
	u64 pending_block;
	wait_queue_head_t pending_done;
	bool usable;
	int *groups;
	bool closing;
	bool comes_movable;
	struct hvb_add add;
	enum hvb_hot_add_state state;
	u64 next;
	u64 end;
	u32 offered;
	u32 added;
	u32 skipped;
	unsigned long not_before;
	unsigned long give_up;
	bool short_of_memory;
	bool nobody_onlines;
	unsigned long check_offline;
	bool check_armed;
	bool offline_warned;
	u64 max_pages;
	struct notifier_block memory_nb;
};

#ifdef CONFIG_MEMORY_HOTPLUG

int hvb_hot_add_init(struct hvb_dev *hvb);
void hvb_hot_add_exit(struct hvb_dev *hvb);
void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg);
unsigned long hvb_hot_add_run(struct hvb_dev *hvb);
void hvb_hot_add_end(struct hvb_dev *hvb);
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result);
bool hvb_hot_add_possible(const struct hvb_dev *hvb);
void hvb_hot_add_retry(struct hvb_dev *hvb);
void hvb_hot_add_resume(struct hvb_dev *hvb);
void hvb_add_exit(struct hvb_dev *hvb);
unsigned long hvb_hot_add_await(struct hvb_hot_add *ha);

#endif /* CONFIG_MEMORY_HOTPLUG, else no_hot_add.h */

#endif /* _HVB_HOT_ADD_H */
