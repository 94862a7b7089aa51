/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In place of hot_add.c, memory_block.c, hotplug_map.c, memory_notifier.c, online.c and
 * offline.c in a kernel that has no memory hotplug: nothing is ever added, and no
 * memory block goes offline. For device.h only.
 */
#ifndef _HVB_NO_HOT_ADD_H
#define _HVB_NO_HOT_ADD_H

#include "channel.h"

/* Sections take the place of memory blocks, of which there are none. */
static inline int hvb_hot_add_init(struct hvb_dev *hvb)
{
	spin_lock_init(&hvb->hot_add.map.lock);
	hvb->hot_add.map.regions.block_pages = PAGES_PER_SECTION;
	return 0;
}

static inline void hvb_hot_add_exit(struct hvb_dev *hvb) { }

/* The host may offer memory although the capability was not reported. */
static inline void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result)
{
	struct hvb_wire_hot_add_response response;

	hvb->stats.hot_add_refused += pages;
	hvb_send(hvb, &response, hvb_encode_hot_add(&response, 0, result));
}

static inline void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	const u32 pages = msg->hot_add.range.count;

	hvb->stats.hot_add_requests++;
	hvb->stats.hot_add_requested += pages;
	hvb_hot_add_refuse(hvb, pages, HVB_RESULT_DONE);
}

static inline void hvb_hot_add_end(struct hvb_dev *hvb) { }

static inline void hvb_hot_add_retry(struct hvb_dev *hvb) { }

static inline void hvb_hot_add_resume(struct hvb_dev *hvb) { }

static inline void hvb_add_exit(struct hvb_dev *hvb) { }

static inline unsigned long hvb_hot_add_run(struct hvb_dev *hvb)
{
	return HVB_NEVER;
}

static inline bool hvb_hot_add_possible(const struct hvb_dev *hvb)
{
	return false;
}

static inline bool hvb_hot_add_is_at_maximum(const struct hvb_dev *hvb)
{
	return true;
}

static inline unsigned long hvb_pending_await(struct hvb_hot_add *ha)
{
	return 0;
}

static inline void hvb_hotplug_map_totals(struct hvb_dev *hvb, u64 *backed, u64 *online)
{
	*backed = 0;
	*online = 0;
}

static inline u64 hvb_hotplug_map_ballooned_end(struct hvb_hotplug_map *map, u64 pfn, u64 end)
{
	return 0;
}

static inline int hvb_online_return(struct hvb_dev *hvb, u64 start, u64 end)
{
	return 0;
}

static inline int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool ballooned)
{
	return 0;
}

static inline int hvb_hotplug_map_adopt_block(struct hvb_dev *hvb, u64 block, bool online)
{
	return 0;
}

static inline bool hvb_hotplug_map_is_hot_added(struct hvb_hotplug_map *map, u64 pfn)
{
	return false;
}

static inline bool hvb_hotplug_map_goes_offline(struct hvb_hotplug_map *map, u64 pfn)
{
	return false;
}

static inline bool hvb_hotplug_map_next(struct hvb_hotplug_map *map,
					const struct hvb_extents *set, u64 *block)
{
	return false;
}

static inline void hvb_hotplug_map_show(struct hvb_hotplug_map *map, struct seq_file *file) { }

#endif /* _HVB_NO_HOT_ADD_H */
