/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hotplug map: what is known of memory blocks, hot-added or with a gap.
 */
#ifndef _HVB_HOTPLUG_MAP_H
#define _HVB_HOTPLUG_MAP_H

#include <linux/math.h>
#include <linux/types.h>

#include "hot_add.h"

struct hvb_dev;
struct seq_file;

/* The first PFN of the memory block that @pfn is in. */
static inline u64 hvb_block_of(const struct hvb_hot_add *ha, u64 pfn)
{
	return round_down(pfn, ha->regions.block_pages);
}

#ifdef CONFIG_MEMORY_HOTPLUG

int hvb_hotplug_map_reserve(struct hvb_dev *hvb, unsigned int gaps);
int hvb_hotplug_map_add_block(struct hvb_dev *hvb, u64 block, u64 start, u64 end);
void hvb_hotplug_map_drop_block(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_know(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_is_partial(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_next_partial(struct hvb_hot_add *ha, u64 *block);
bool hvb_hotplug_map_claim(struct hvb_hot_add *ha, u64 pfn, u64 *end);
u64 hvb_hotplug_map_unmark(struct hvb_hot_add *ha, u64 *pfn, u64 end);
u32 hvb_hotplug_map_fill(struct hvb_dev *hvb, u64 start, u64 *end, bool *online);
void hvb_hotplug_map_return(struct hvb_dev *hvb, u64 start, u64 end);
bool hvb_hotplug_map_usable(struct hvb_hot_add *ha, u64 pfn, u64 *end);
void hvb_hotplug_map_take(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_hotplug_map_set_online(struct hvb_hot_add *ha, u64 start, u64 count, bool online);
int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool taken);
void hvb_hotplug_map_show(struct hvb_hot_add *ha, struct seq_file *file);
void hvb_hotplug_map_free(struct hvb_regions *regions);
u64 hvb_ballooned_span(struct hvb_hot_add *ha, u64 pfn, u64 end);
bool hvb_block_online(struct hvb_hot_add *ha, u64 block);
void hvb_hot_add_totals(struct hvb_dev *hvb, u64 *backed, u64 *online);
bool hvb_goes_offline(struct hvb_hot_add *ha, u64 pfn);
void hvb_set_going_offline(struct hvb_dev *hvb, struct hvb_extent range);
void hvb_pending_block_begin(struct hvb_hot_add *ha, u64 block);
void hvb_pending_block_done(struct hvb_hot_add *ha, u64 block);

#endif /* CONFIG_MEMORY_HOTPLUG, else no_hot_add.h */

#endif /* _HVB_HOTPLUG_MAP_H */
