/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hotplug map: what is known of memory blocks, hot-added or with a gap.
 */
#ifndef _HVB_HOTPLUG_MAP_H
#define _HVB_HOTPLUG_MAP_H

#include <linux/math.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "lib/region.h"

struct hvb_dev;
struct seq_file;

/**
 * struct hvb_hotplug_map - what is known of memory blocks
 *
 * Written by the pump, the online-page callback and the memory notifier; the latter
 * two run under the hotplug lock, in the add work or in a task that onlines or
 * offlines memory.
 */
struct hvb_hotplug_map {
	/** @lock: protects all that follows; never held over a call that sleeps */
	spinlock_t lock;

	/**
	 * @regions: the sets of PFNs. They grow with hvb->transfer_lock held too, see
	 * hvb_hotplug_map_make_room(). Its @block_pages is constant
	 */
	struct hvb_regions regions;

	/**
	 * @new_blocks: blocks that were added and that nothing has tried to online since;
	 * it grows as @regions does
	 */
	struct hvb_extents new_blocks;

	/**
	 * @foreign_blocks: how often a block of another driver, or of boot memory, got its
	 * first gap: an upper bound of those that have one
	 */
	unsigned int foreign_blocks;

	/**
	 * @promised_gaps: room in @regions for ballooned pages that were not reported yet
	 * and lie in a block that went offline: freeing them must not fail. Protected
	 * by hvb->transfer_lock
	 */
	unsigned int promised_gaps;

	/**
	 * @going_offline: PFNs that are about to go offline, empty if none are; written
	 * with hvb->transfer_lock held too, by the task that takes them offline
	 */
	struct hvb_extent going_offline;
};

/* The first PFN of the memory block that @pfn is in. */
static inline u64 hvb_memory_block_of(const struct hvb_hotplug_map *map, u64 pfn)
{
	return round_down(pfn, map->regions.block_pages);
}

#ifdef CONFIG_MEMORY_HOTPLUG

void hvb_hotplug_map_init(struct hvb_hotplug_map *map, u64 block_pages);
void hvb_hotplug_map_exit(struct hvb_hotplug_map *map);
int hvb_hotplug_map_make_room(struct hvb_dev *hvb, unsigned int gaps);
int hvb_hotplug_map_add_block(struct hvb_dev *hvb, u64 block, u64 start, u64 end);
void hvb_hotplug_map_drop_block(struct hvb_hotplug_map *map, u64 block);
bool hvb_hotplug_map_knows(struct hvb_hotplug_map *map, u64 block);
bool hvb_hotplug_map_is_partial(struct hvb_hotplug_map *map, u64 block);
bool hvb_hotplug_map_next(struct hvb_hotplug_map *map, const struct hvb_extents *set, u64 *block);
bool hvb_hotplug_map_mark(struct hvb_hotplug_map *map, u64 pfn, u64 *end);
u64 hvb_hotplug_map_unmark(struct hvb_hotplug_map *map, u64 *pfn, u64 end);
u32 hvb_hotplug_map_fill(struct hvb_dev *hvb, u64 start, u64 *end, bool *online);
void hvb_hotplug_map_return(struct hvb_dev *hvb, u64 start, u64 end);
bool hvb_hotplug_map_usable(struct hvb_hotplug_map *map, u64 pfn, u64 *end);
void hvb_hotplug_map_detach(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_hotplug_map_set_online(struct hvb_hotplug_map *map, u64 start, u64 count, bool online);
int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool ballooned);
int hvb_hotplug_map_adopt_block(struct hvb_dev *hvb, u64 block, bool online);
bool hvb_hotplug_map_is_hot_added(struct hvb_hotplug_map *map, u64 pfn);
void hvb_hotplug_map_show(struct hvb_hotplug_map *map, struct seq_file *file);
u64 hvb_hotplug_map_ballooned_end(struct hvb_hotplug_map *map, u64 pfn, u64 end);
bool hvb_hotplug_map_is_online(struct hvb_hotplug_map *map, u64 block);
void hvb_hotplug_map_totals(struct hvb_dev *hvb, u64 *backed, u64 *online);
bool hvb_hotplug_map_goes_offline(struct hvb_hotplug_map *map, u64 pfn);
void hvb_hotplug_map_set_going_offline(struct hvb_dev *hvb, struct hvb_extent range);

#endif /* CONFIG_MEMORY_HOTPLUG, else no_hot_add.h */

#endif /* _HVB_HOTPLUG_MAP_H */
