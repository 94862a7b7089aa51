// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hotplug map: what the driver knows of memory blocks, hot-added or with a gap.
 * lib/region.c has its logic; its room and its lock are managed here only.
 */
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/region.h"
#include "mark.h"

/* Without __GFP_RETRY_MAYFAIL a small allocation does not fail. Deflate may need it. */
#define HVB_GFP_MAP	(GFP_NOIO | __GFP_HIGH | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * Make room for @cap extents. The caller holds hvb->transfer_lock until it has used
 * the room, and deflate waits for that: so the allocation does no IO, and fails rather
 * than wait for memory, which deflate may bring. Extents may be removed concurrently.
 * Return: 0 or -ENOMEM.
 */
static int hvb_hotplug_map_grow(struct hvb_dev *hvb, struct hvb_extents *set,
				unsigned int cap)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	struct hvb_extent *list, *old;

	lockdep_assert_held(&hvb->transfer_lock);
	if (cap <= set->cap)
		return 0;

	cap = max(cap, 2 * set->cap);
	list = kvmalloc_array(cap, sizeof(*list), HVB_GFP_MAP);
	if (!list)
		return -ENOMEM;

	spin_lock(&map->lock);
	old = set->list;
	if (set->nr)
		memcpy(list, old, set->nr * sizeof(*list));
	set->list = list;
	set->cap = cap;
	spin_unlock(&map->lock);
	kvfree(old);
	return 0;
}

/*
 * One extent to spare in each set: a block that could not be added is dropped without
 * reserving room, which may split an extent.
 */
#define HVB_MAP_SPARE		1

/**
 * hvb_hotplug_map_make_room() - make room for one more block and for gaps
 * @hvb: the device
 * @gaps: how many more gaps there may be, beside those that were promised
 *
 * Blocks go online and offline in any order, so that the set of online blocks may
 * need an extent for each block in the map.
 *
 * Context: process, hvb->transfer_lock held until the room is used; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_make_room(struct hvb_dev *hvb, unsigned int gaps)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	struct hvb_regions *regions = &map->regions;
	unsigned int nr_added, nr_gaps, nr_ballooned;
	u64 nr_blocks;

	lockdep_assert_held(&hvb->transfer_lock);
	gaps += map->promised_gaps;
	spin_lock(&map->lock);
	nr_blocks = hvb_extents_pages(&regions->added) / regions->block_pages +
		    map->foreign_blocks + 2 + HVB_MAP_SPARE;
	nr_added = regions->added.nr + 2 + HVB_MAP_SPARE;
	nr_gaps = regions->gaps.nr + gaps + HVB_MAP_SPARE;
	nr_ballooned = regions->ballooned.nr + gaps + HVB_MAP_SPARE;
	spin_unlock(&map->lock);

	return hvb_hotplug_map_grow(hvb, &regions->added, nr_added) ?:
	       hvb_hotplug_map_grow(hvb, &regions->gaps, nr_gaps) ?:
	       hvb_hotplug_map_grow(hvb, &regions->ballooned, nr_ballooned) ?:
	       hvb_hotplug_map_grow(hvb, &regions->online, nr_blocks) ?:
	       hvb_hotplug_map_grow(hvb, &map->new_blocks, nr_blocks);
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
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = hvb_hotplug_map_make_room(hvb, 2);
	if (!ret) {
		spin_lock(&map->lock);
		hvb_regions_add_block(&map->regions, block, start, end);
		hvb_extents_add(&map->new_blocks, block, block + map->regions.block_pages);
		spin_unlock(&map->lock);
	}
	mutex_unlock(&hvb->transfer_lock);
	return ret;
}

/**
 * hvb_hotplug_map_knows() - whether a block is in the map
 * @map: the hotplug map
 * @block: first PFN of the block
 *
 * Context: process.
 * Return: whether it was added by the driver, or has a gap.
 */
bool hvb_hotplug_map_knows(struct hvb_hotplug_map *map, u64 block)
{
	bool known;

	spin_lock(&map->lock);
	known = hvb_regions_knows(&map->regions, block);
	spin_unlock(&map->lock);
	return known;
}

/**
 * hvb_hotplug_map_next() - find the next block that has pages in a set
 * @map: the hotplug map
 * @set: a set of it
 * @block: in: first PFN of the block to begin with; out: that of the block found
 *
 * Context: process.
 * Return: whether there is one.
 */
bool hvb_hotplug_map_next(struct hvb_hotplug_map *map, const struct hvb_extents *set, u64 *block)
{
	u64 next = U64_MAX;
	bool here;

	spin_lock(&map->lock);
	here = hvb_extents_span(set, *block, &next);
	spin_unlock(&map->lock);
	if (!here)
		*block = hvb_memory_block_of(map, next);
	return here || next != U64_MAX;
}

static bool hvb_going_offline_locked(const struct hvb_hotplug_map *map, u64 pfn)
{
	lockdep_assert_held(&map->lock);
	return pfn >= map->going_offline.start && pfn < map->going_offline.end;
}

/**
 * hvb_hotplug_map_mark() - mark pages that come online and must not be used
 * @map: the hotplug map
 * @pfn: first PFN
 * @end: in: where to stop, above @pfn; out: lowered to where the answer changes
 *
 * Gaps are marked before the lock is released: a gap that is filled later has its marks
 * then, and one that was filled before is not in the map any more.
 *
 * Context: process.
 * Return: whether the kernel may have the pages.
 */
bool hvb_hotplug_map_mark(struct hvb_hotplug_map *map, u64 pfn, u64 *end)
{
	enum hvb_backing backing;

	spin_lock(&map->lock);
	backing = hvb_regions_span(&map->regions, pfn, end);
	if (backing == HVB_GAP)
		hvb_mark_span(HVB_MARK_GAP, 0, pfn, *end);
	else if (backing == HVB_BALLOONED_OFFLINE)
		hvb_mark_span(HVB_MARK_BALLOONED_OFFLINE, 0, pfn, *end);
	spin_unlock(&map->lock);
	/* Memory of other drivers is onlined as without this callback. */
	return hvb_is_usable(backing);
}

/**
 * hvb_hotplug_map_unmark() - find pages that are marked as a gap, and unmark them
 * @map: the hotplug map
 * @pfn: in: where to begin; out: first PFN of the pages
 * @end: end PFN, exclusive, at most a pageblock away: marks are read under a spinlock
 *
 * Context: process.
 * Return: end PFN of the pages, exclusive.
 */
u64 hvb_hotplug_map_unmark(struct hvb_hotplug_map *map, u64 *pfn, u64 end)
{
	u64 stop;

	spin_lock(&map->lock);
	stop = hvb_unmark_span(pfn, end);
	spin_unlock(&map->lock);
	return stop;
}

/**
 * hvb_hotplug_map_fill() - note that the host gives pages of a gap
 * @hvb: the device; its map has room for one more gap
 * @start: first PFN
 * @end: in: where to stop; out: lowered to where the pages are of another kind
 * @online: set to whether they can be onlined now: their block is online, and not
 *	about to go offline
 *
 * Context: the pump, hvb->transfer_lock held.
 * Return: pages that were a gap; those that the host has ballooned are none.
 */
u32 hvb_hotplug_map_fill(struct hvb_dev *hvb, u64 start, u64 *end, bool *online)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	bool gap;
	u64 stop;

	lockdep_assert_held(&hvb->transfer_lock);
	spin_lock(&map->lock);
	gap = hvb_regions_span(&map->regions, start, end) == HVB_GAP;
	stop = *end;
	if (gap)
		hvb_extents_remove(&map->regions.gaps, start, *end);
	*online = hvb_extents_span(&map->regions.online, start, &stop) &&
		  !hvb_going_offline_locked(map, start);
	spin_unlock(&map->lock);
	return gap ? *end - start : 0;
}

/**
 * hvb_hotplug_map_return() - note that the host returns pages of a detached block
 * @hvb: the device; its map has room for one more extent
 * @start: first PFN; see hvb_hotplug_map_ballooned_end()
 * @end: end PFN, exclusive
 *
 * They become an ordinary gap.
 *
 * Context: the pump, hvb->transfer_lock held.
 */
void hvb_hotplug_map_return(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;

	lockdep_assert_held(&hvb->transfer_lock);
	spin_lock(&map->lock);
	hvb_extents_remove(&map->regions.ballooned, start, end);
	spin_unlock(&map->lock);
}

static enum hvb_backing hvb_hotplug_map_span(struct hvb_hotplug_map *map, u64 pfn, u64 *end)
{
	enum hvb_backing backing;

	spin_lock(&map->lock);
	backing = hvb_regions_span(&map->regions, pfn, end);
	spin_unlock(&map->lock);
	return backing;
}

/**
 * hvb_hotplug_map_usable() - whether the kernel may have pages
 * @map: the hotplug map
 * @pfn: first PFN
 * @end: in: where to stop, above @pfn; out: lowered to where the answer changes
 *
 * Context: process.
 * Return: whether it may.
 */
bool hvb_hotplug_map_usable(struct hvb_hotplug_map *map, u64 pfn, u64 *end)
{
	return hvb_is_usable(hvb_hotplug_map_span(map, pfn, end));
}

/**
 * hvb_hotplug_map_ballooned_end() - find pages that were ballooned while offline
 * @map: the hotplug map
 * @pfn: a PFN
 * @end: where to stop looking, above @pfn
 *
 * Context: process.
 * Return: end PFN of the run, exclusive; 0 if @pfn is not in one.
 */
u64 hvb_hotplug_map_ballooned_end(struct hvb_hotplug_map *map, u64 pfn, u64 end)
{
	return hvb_hotplug_map_span(map, pfn, &end) == HVB_BALLOONED_OFFLINE ? end : 0;
}

/**
 * hvb_hotplug_map_is_online() - whether a block is online or going online
 * @map: the hotplug map
 * @block: first PFN of the block
 *
 * Context: process.
 * Return: true if so.
 */
bool hvb_hotplug_map_is_online(struct hvb_hotplug_map *map, u64 block)
{
	u64 end = block + 1;
	bool online;

	spin_lock(&map->lock);
	online = hvb_extents_span(&map->regions.online, block, &end);
	spin_unlock(&map->lock);
	return online;
}

/**
 * hvb_hotplug_map_totals() - how much was hot-added
 * @hvb: the device
 * @backed: set to the pages that the host gave
 * @online: set to the pages among them that are online
 *
 * Context: process.
 */
void hvb_hotplug_map_totals(struct hvb_dev *hvb, u64 *backed, u64 *online)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;

	spin_lock(&map->lock);
	*backed = hvb_regions_backed(&map->regions);
	*online = *backed - hvb_regions_offline(&map->regions);
	spin_unlock(&map->lock);
}

/**
 * hvb_hotplug_map_is_partial() - whether a block has a gap
 * @map: the hotplug map
 * @block: first PFN of the block
 *
 * Context: process.
 * Return: whether it has one.
 */
bool hvb_hotplug_map_is_partial(struct hvb_hotplug_map *map, u64 block)
{
	bool partial;

	spin_lock(&map->lock);
	partial = hvb_regions_is_partial(&map->regions, block);
	spin_unlock(&map->lock);
	return partial;
}

/**
 * hvb_hotplug_map_set_online() - note whether a block is online or going online
 * @map: the hotplug map
 * @start: first PFN of the block, or the first after a memory map at its start
 * @count: pages from there on
 * @online: whether it is
 *
 * Blocks that are not in the map are ignored.
 *
 * Context: process.
 */
void hvb_hotplug_map_set_online(struct hvb_hotplug_map *map, u64 start, u64 count, bool online)
{
	const u64 block = hvb_memory_block_of(map, start);

	spin_lock(&map->lock);
	if (!online)
		hvb_extents_remove(&map->regions.online, block, start + count);
	else if (hvb_regions_knows(&map->regions, block))
		hvb_extents_add(&map->regions.online, block, start + count);
	hvb_extents_remove(&map->new_blocks, block, start + count);
	spin_unlock(&map->lock);
}

/**
 * hvb_hotplug_map_goes_offline() - whether the memory block of a page is about to go offline
 * @map: the hotplug map
 * @pfn: PFN of the page
 *
 * Context: process.
 * Return: true if so.
 */
bool hvb_hotplug_map_goes_offline(struct hvb_hotplug_map *map, u64 pfn)
{
	bool goes;

	spin_lock(&map->lock);
	goes = hvb_going_offline_locked(map, pfn);
	spin_unlock(&map->lock);
	return goes;
}

/**
 * hvb_hotplug_map_set_going_offline() - note which memory is about to go offline
 * @hvb: the device
 * @range: the memory; empty if it went, or stays
 *
 * Context: the task that takes it offline, hvb->transfer_lock held.
 */
void hvb_hotplug_map_set_going_offline(struct hvb_dev *hvb, struct hvb_extent range)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;

	lockdep_assert_held(&hvb->transfer_lock);
	spin_lock(&map->lock);
	map->going_offline = range;
	spin_unlock(&map->lock);
}

/**
 * hvb_hotplug_map_drop_block() - remove a block that was not added
 * @map: the hotplug map
 * @block: first PFN of the block
 *
 * Context: process.
 */
void hvb_hotplug_map_drop_block(struct hvb_hotplug_map *map, u64 block)
{
	spin_lock(&map->lock);
	hvb_regions_drop_block(&map->regions, block);
	hvb_extents_remove(&map->new_blocks, block, block + map->regions.block_pages);
	spin_unlock(&map->lock);
}

static void hvb_show_extents(struct seq_file *file, const char *name,
			     const struct hvb_extents *set)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		seq_printf(file, "%s 0x%llx 0x%llx %llu\n", name, set->list[i].start,
			   set->list[i].end, set->list[i].end - set->list[i].start);
}

/**
 * hvb_hotplug_map_show() - print all sets
 * @map: the hotplug map
 * @file: where to
 *
 * Context: process.
 */
void hvb_hotplug_map_show(struct hvb_hotplug_map *map, struct seq_file *file)
{
	spin_lock(&map->lock);
	hvb_show_extents(file, "region", &map->regions.added);
	hvb_show_extents(file, "gap", &map->regions.gaps);
	hvb_show_extents(file, "taken", &map->regions.ballooned);
	hvb_show_extents(file, "online", &map->regions.online);
	hvb_show_extents(file, "new", &map->new_blocks);
	spin_unlock(&map->lock);
}

/**
 * hvb_hotplug_map_detach() - note ballooned pages of a block that is going offline
 * @hvb: the device; its map has room for a gap
 * @start: first PFN
 * @end: end PFN, exclusive, in the same block
 *
 * Context: process, hvb->transfer_lock held.
 */
void hvb_hotplug_map_detach(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	const u64 block = hvb_memory_block_of(map, start);

	lockdep_assert_held(&hvb->transfer_lock);
	spin_lock(&map->lock);
	if (!hvb_regions_knows(&map->regions, block))
		map->foreign_blocks++;
	hvb_extents_add(&map->regions.online, block, block + map->regions.block_pages);
	hvb_regions_detach(&map->regions, start, end);
	spin_unlock(&map->lock);
}

static void hvb_hotplug_map_add_gap(struct hvb_hotplug_map *map, u64 start, u64 end)
{
	const u64 block = hvb_memory_block_of(map, start);
	const u64 block_end = block + map->regions.block_pages;

	spin_lock(&map->lock);
	hvb_extents_add(&map->regions.added, block, block_end);
	hvb_extents_add(&map->regions.online, block, block_end);
	hvb_extents_add(&map->regions.gaps, start, end);
	spin_unlock(&map->lock);
}

/**
 * hvb_hotplug_map_adopt() - take over a gap that an earlier load left
 * @hvb: the device; its channel is closed
 * @start: first PFN of the gap; its block is online
 * @end: end PFN, exclusive
 * @ballooned: the host has its memory
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool ballooned)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;

	lockdep_assert_held(&hvb->transfer_lock);
	while (start < end) {
		const u64 block_end = hvb_memory_block_of(map, start) + map->regions.block_pages;
		const u64 stop = min(end, block_end);
		int ret = hvb_hotplug_map_make_room(hvb, 2);

		if (ret)
			return ret;

		if (ballooned)
			hvb_hotplug_map_detach(hvb, start, stop);
		else
			hvb_hotplug_map_add_gap(map, start, stop);
		start = stop;
	}
	return 0;
}

/**
 * hvb_hotplug_map_adopt_block() - take over a block that was hot-added before
 * @hvb: the device; its channel is closed
 * @block: first PFN of the block, which has no gap as far as is known
 * @online: whether it is online
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hotplug_map_adopt_block(struct hvb_dev *hvb, u64 block, bool online)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	const u64 end = block + map->regions.block_pages;
	const int ret = hvb_hotplug_map_make_room(hvb, 0);

	lockdep_assert_held(&hvb->transfer_lock);
	if (ret)
		return ret;

	spin_lock(&map->lock);
	hvb_extents_add(&map->regions.added, block, end);
	if (online)
		hvb_extents_add(&map->regions.online, block, end);
	spin_unlock(&map->lock);
	return 0;
}

/**
 * hvb_hotplug_map_is_hot_added() - whether a PFN is in a block that was hot-added
 * @map: the hotplug map
 * @pfn: the PFN
 *
 * Context: process.
 * Return: whether it is, backed or not.
 */
bool hvb_hotplug_map_is_hot_added(struct hvb_hotplug_map *map, u64 pfn)
{
	bool added;

	spin_lock(&map->lock);
	added = hvb_regions_is_hot_added(&map->regions, pfn);
	spin_unlock(&map->lock);
	return added;
}

/**
 * hvb_hotplug_map_init() - get ready to note memory blocks
 * @map: zeroes
 * @block_pages: pages of a memory block
 *
 * Context: process.
 */
void hvb_hotplug_map_init(struct hvb_hotplug_map *map, u64 block_pages)
{
	spin_lock_init(&map->lock);
	map->regions.block_pages = block_pages;
}

/**
 * hvb_hotplug_map_exit() - undo hvb_hotplug_map_init()
 * @map: the hotplug map; not in use any more
 *
 * Context: process.
 */
void hvb_hotplug_map_exit(struct hvb_hotplug_map *map)
{
	kvfree(map->regions.added.list);
	kvfree(map->regions.gaps.list);
	kvfree(map->regions.ballooned.list);
	kvfree(map->regions.online.list);
	kvfree(map->new_blocks.list);
}
