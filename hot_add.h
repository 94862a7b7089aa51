/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hot-add: requests of the host to add memory.
 */
#ifndef _HVB_HOT_ADD_H
#define _HVB_HOT_ADD_H

#include <linux/notifier.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "hotplug_map.h"
#include "pending.h"

struct hvb_dev;
struct hvb_msg;

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
 * enum hvb_add_state - what the add work does
 * @HVB_ADD_NOTHING: nothing: it can be queued
 * @HVB_ADD_BUSY: it is queued or runs
 * @HVB_ADD_ANSWERED: it runs, and the host counts the block as added, see
 *	hvb_add_abandon()
 */
enum hvb_add_state {
	HVB_ADD_NOTHING,
	HVB_ADD_BUSY,
	HVB_ADD_ANSWERED,
};

/**
 * struct hvb_add - adds a memory block, in a work item of its own
 *
 * The pump writes the block while the work is not busy, the work reads it.
 */
struct hvb_add {
	/** @work: calls add_memory(), which waits for memory hotplug in progress */
	struct work_struct work;

	/** @state: set by the pump, except that @work ends with HVB_ADD_NOTHING */
	enum hvb_add_state state;

	/** @block: first PFN of the block; pump, while there is nothing to add */
	u64 block;

	/** @start: first PFN of it that the host gives; likewise */
	u64 start;

	/** @end: end PFN, exclusive; likewise */
	u64 end;

	/** @result: 0 or a negative error number; written by @work, holds when that is done */
	int result;
};

/**
 * struct hvb_hot_add_request - a request to add memory
 *
 * All of it is for the pump only.
 */
struct hvb_hot_add_request {
	/** @state: where it stands; changed by hvb_hot_add_set_state() only */
	enum hvb_hot_add_state state;

	/** @next: next PFN to add */
	u64 next;

	/** @end: end PFN, exclusive */
	u64 end;

	/** @offered: pages of the request */
	u32 offered;

	/** @added: pages added so far */
	u32 added;

	/** @skipped: pages before @next that were left out, see hvb_hot_add_skip() */
	u32 skipped;

	/** @not_before: jiffies before which the next block is not tried */
	unsigned long not_before;

	/** @give_up: jiffies at which the request is answered as it stands */
	unsigned long give_up;

	/** @short_of_memory: a block found no memory for its map: @give_up holds */
	bool short_of_memory;
};

/**
 * struct hvb_offline_watch - looks for hot-added memory that stays offline
 *
 * All of it is for the pump only.
 */
struct hvb_offline_watch {
	/** @check: jiffies of the next look */
	unsigned long check;

	/** @armed: @check holds */
	bool armed;

	/** @logged: the log says that memory stays offline */
	bool logged;
};

/**
 * struct hvb_hot_add - memory beyond what the guest was started with
 */
struct hvb_hot_add {
	/**
	 * @usable: the guest can hot-add, and the online-page callback is this driver's;
	 * written by probe
	 */
	bool usable;

	/** @groups: memory group of each node, negative if it has none yet; add work */
	int *groups;

	/**
	 * @resource_name: of blocks with a gap; it must outlive them, and so the module;
	 * written by probe
	 */
	const char *resource_name;

	/** @resource_name_used: a block has that name; add work */
	bool resource_name_used;

	/** @memory_nb: the memory notifier */
	struct notifier_block memory_nb;

	/** @closing: no block that has a gap may come online any more; written by remove */
	bool closing;

	/** @pending: the block that is being added; it has a lock */
	struct hvb_pending pending;

	/** @map: what is known of memory blocks; it has a lock */
	struct hvb_hotplug_map map;

	/**
	 * @onlined_movable: the last block came online in ZONE_MOVABLE; written by the
	 * memory notifier, read anywhere
	 */
	bool onlined_movable;

	/**
	 * @no_onlining: a block stayed offline too long, wait for none until one is
	 * onlined; set by the pump, cleared by the memory notifier, read anywhere
	 */
	bool no_onlining;

	/** @add: adds a block; shared by the pump and its work */
	struct hvb_add add;

	/** @request: the request of the host; pump only */
	struct hvb_hot_add_request request;

	/** @offline: looks for memory that stays offline; pump only */
	struct hvb_offline_watch offline;

	/** @max_pages: most pages that the host will give, 0 if unknown; written by the pump */
	u64 max_pages;
};

#ifdef CONFIG_MEMORY_HOTPLUG

int hvb_hot_add_init(struct hvb_dev *hvb);
void hvb_hot_add_exit(struct hvb_dev *hvb);
void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg);
unsigned long hvb_hot_add_run(struct hvb_dev *hvb);
void hvb_hot_add_end(struct hvb_dev *hvb);
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result);
bool hvb_hot_add_possible(const struct hvb_dev *hvb);
bool hvb_hot_add_is_at_maximum(const struct hvb_dev *hvb);
void hvb_hot_add_retry(struct hvb_dev *hvb);
void hvb_hot_add_resume(struct hvb_dev *hvb);
void hvb_add_exit(struct hvb_dev *hvb);

#endif /* CONFIG_MEMORY_HOTPLUG, else no_hot_add.h */

#endif /* _HVB_HOT_ADD_H */
