// SPDX-License-Identifier: GPL-2.0-only
/*
 * The books of hot-added memory, as the kernel's code uses them: lib/region.c says
 * what is in them, here they get room and their lock.
 */
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "hv_balloon.h"

/*
 * Make room for @cap extents. Whoever makes a set grow holds hvb->transfer_lock
 * until it has used the room, and others wait for that: so the allocation waits for
 * no disk. Extents may go meanwhile. Return: 0 or -ENOMEM.
 */
static int hvb_hotplug_map_grow(struct hvb_hot_add *ha, struct hvb_extents *set,
			  unsigned int cap)
{
	struct hvb_extent *list, *old;

	if (cap <= set->cap)
		return 0;

	cap = max(cap, 2 * set->cap);
	list = kvmalloc_array(cap, sizeof(*list), GFP_NOIO | __GFP_NOWARN);
	if (!list)
		return -ENOMEM;

	spin_lock(&ha->lock);
	old = set->list;
	if (set->nr)
		memcpy(list, old, set->nr * sizeof(*list));
	set->list = list;
	set->cap = cap;
	spin_unlock(&ha->lock);
	kvfree(old);
	return 0;
}

/*
 * What each set may need. One is to spare: a block that could not be added after all
 * is dropped with no room asked for, and that may split an extent.
 */
#define HVB_MAP_SPARE		1

/**
 * hvb_hotplug_map_reserve() - make room for one more block and for gaps
 * @hvb: the device
 * @gaps: how many more gaps there may be
 *
 * Blocks go online and offline in any order, so that set may need an extent for
 * each that we added or that has a gap.
 *
 * Context: process, hvb->transfer_lock held until the room is used; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_reserve(struct hvb_dev *hvb, unsigned int gaps)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_regions *regions = &ha->regions;
	unsigned int nr_added, nr_gaps, nr_taken;
	u64 nr_blocks;

	lockdep_assert_held(&hvb->transfer_lock);
	spin_lock(&ha->lock);
	nr_blocks = hvb_extents_pages(&regions->added) / regions->block_pages +
		    ha->foreign_blocks + 2 + HVB_MAP_SPARE;
	nr_added = regions->added.nr + 2 + HVB_MAP_SPARE;
	nr_gaps = regions->gaps.nr + gaps + HVB_MAP_SPARE;
	nr_taken = regions->ballooned.nr + gaps + HVB_MAP_SPARE;
	spin_unlock(&ha->lock);

	return hvb_hotplug_map_grow(ha, &regions->added, nr_added) ?:
	       hvb_hotplug_map_grow(ha, &regions->gaps, nr_gaps) ?:
	       hvb_hotplug_map_grow(ha, &regions->ballooned, nr_taken) ?:
	       hvb_hotplug_map_grow(ha, &regions->online, nr_blocks);
}

/* Gaps that may be more after one is filled in part, and one to spare. */
#define HVB_FILL_EXTENTS	2

/**
 * hvb_hotplug_map_fill() - the host gives pages of blocks that were added before
 * @hvb: the device
 * @start: first PFN
 * @end: end PFN, exclusive
 * @filled: increased by the pages that were a gap
 *
 * In pieces: see hvb_online_fill(). Together they make one more extent, at most.
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: 0, or -ENOMEM if nothing was filled.
 */
int hvb_hotplug_map_fill(struct hvb_dev *hvb, u64 start, u64 end, u32 *filled)
{
	const int ret = hvb_hotplug_map_reserve(hvb, HVB_FILL_EXTENTS);

	while (!ret && start < end) {
		u64 stop = min(end, round_down(start, pageblock_nr_pages) + pageblock_nr_pages);

		*filled += hvb_online_fill(&hvb->hot_add, start, &stop);
		start = stop;
		cond_resched();
	}
	return ret;
}

/**
 * hvb_hotplug_map_take_back() - the host returns memory of a block that went offline
 * @hvb: the device
 * @start: first PFN; see hvb_ballooned_span()
 * @end: end PFN, exclusive
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: 0, or -ENOMEM if nothing has changed.
 */
int hvb_hotplug_map_take_back(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	u32 filled = 0;
	int ret;

	ret = hvb_hotplug_map_reserve(hvb, HVB_FILL_EXTENTS + 1);
	if (ret)
		return ret;

	spin_lock(&ha->lock);
	hvb_extents_remove(&ha->regions.ballooned, start, end);
	spin_unlock(&ha->lock);
	/* There is room for it: see above. */
	return hvb_hotplug_map_fill(hvb, start, end, &filled);
}

/**
 * hvb_hotplug_map_add_block() - note a new block, of which the host gives a part
 * @hvb: the device
 * @block: first PFN of the block
 * @start: first PFN that the host gives
 * @end: end PFN, exclusive
 *
 * Context: the pump; takes hvb->transfer_lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_add_block(struct hvb_dev *hvb, u64 block, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = hvb_hotplug_map_reserve(hvb, 2);
	if (!ret) {
		spin_lock(&ha->lock);
		hvb_regions_add_block(&ha->regions, block, start, end);
		spin_unlock(&ha->lock);
	}
	mutex_unlock(&hvb->transfer_lock);
	return ret;
}

/**
 * hvb_hotplug_map_know() - is anything noted of a block
 * @ha: the hot-added memory
 * @block: first PFN of the block
 *
 * Context: process.
 * Return: whether it was added by the driver, or has a gap.
 */
bool hvb_hotplug_map_know(struct hvb_hot_add *ha, u64 block)
{
	bool known;

	spin_lock(&ha->lock);
	known = hvb_regions_know(&ha->regions, block);
	spin_unlock(&ha->lock);
	return known;
}

/**
 * hvb_hotplug_map_next_partial() - find the next block that has a gap
 * @ha: the hot-added memory
 * @block: in: first PFN of the block to begin with; out: that of the block
 *
 * Context: process.
 * Return: whether there is one.
 */
bool hvb_hotplug_map_next_partial(struct hvb_hot_add *ha, u64 *block)
{
	const struct hvb_extents *gaps = &ha->regions.gaps;
	bool found = false;
	unsigned int i;

	spin_lock(&ha->lock);
	for (i = 0; i < gaps->nr && !found; i++) {
		found = gaps->list[i].end > *block;
		if (found)
			*block = max(*block, hvb_block_of(ha, gaps->list[i].start));
	}
	spin_unlock(&ha->lock);
	return found;
}

/**
 * hvb_hotplug_map_take() - note what the host has of a block that is online
 * @hvb: the device; its books have room for a gap
 * @start: first PFN
 * @end: end PFN, exclusive, in the same block
 *
 * Context: process, hvb->transfer_lock held.
 */
void hvb_hotplug_map_take(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 block = hvb_block_of(ha, start);

	spin_lock(&ha->lock);
	if (!hvb_regions_know(&ha->regions, block))
		ha->foreign_blocks++;
	hvb_extents_add(&ha->regions.online, block, block + ha->regions.block_pages);
	hvb_regions_detach(&ha->regions, start, end);
	spin_unlock(&ha->lock);
}

static void hvb_hotplug_map_add_gap(struct hvb_hot_add *ha, u64 start, u64 end)
{
	const u64 block = hvb_block_of(ha, start);
	const u64 block_end = block + ha->regions.block_pages;

	spin_lock(&ha->lock);
	hvb_extents_add(&ha->regions.added, block, block_end);
	hvb_extents_add(&ha->regions.online, block, block_end);
	hvb_extents_add(&ha->regions.gaps, start, end);
	spin_unlock(&ha->lock);
}

/**
 * hvb_hotplug_map_adopt() - take over a gap that an earlier load left
 * @hvb: the device; its channel is closed
 * @start: first PFN of the gap; its block is online
 * @end: end PFN, exclusive
 * @taken: the host has its memory
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool taken)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	while (start < end) {
		const u64 stop = min(end, hvb_block_of(ha, start) + ha->regions.block_pages);
		int ret = hvb_hotplug_map_reserve(hvb, 2);

		if (ret)
			return ret;

		if (taken)
			hvb_hotplug_map_take(hvb, start, stop);
		else
			hvb_hotplug_map_add_gap(ha, start, stop);
		start = stop;
	}
	return 0;
}

/**
 * hvb_hotplug_map_free() - free the books
 * @regions: they
 *
 * Context: process; nobody uses them any more.
 */
void hvb_hotplug_map_free(struct hvb_regions *regions)
{
	kvfree(regions->added.list);
	kvfree(regions->gaps.list);
	kvfree(regions->ballooned.list);
	kvfree(regions->online.list);
}
