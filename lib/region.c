// SPDX-License-Identifier: GPL-2.0-only
/*
 * The logic of the hotplug map.
 *
 * Linux adds memory in whole memory blocks. The host may give it in smaller steps, in
 * any order, with gaps in between. The map is four sets of PFNs: memory that was
 * added, its gaps, pages that were ballooned while offline, and blocks that are
 * online.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "region.h"

/* The first extent that ends after @pos, or set->nr. */
static unsigned int hvb_extents_find(const struct hvb_extents *set, u64 pos)
{
	unsigned int low = 0, high = set->nr;

	while (low < high) {
		const unsigned int middle = low + (high - low) / 2;

		if (set->list[middle].end <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Put @nr_new extents of @new where @nr_old old ones were, from index @at. */
static void hvb_extents_replace(struct hvb_extents *set, unsigned int at,
				unsigned int nr_old,
				const struct hvb_extent *new, unsigned int nr_new)
{
	memmove(&set->list[at + nr_new], &set->list[at + nr_old],
		(set->nr - at - nr_old) * sizeof(*set->list));
	memcpy(&set->list[at], new, nr_new * sizeof(*set->list));
	set->nr = set->nr - nr_old + nr_new;
}

/**
 * hvb_extents_pages() - size of a set
 * @set: the set
 *
 * Return: number of pages in it.
 */
u64 hvb_extents_pages(const struct hvb_extents *set)
{
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		pages += set->list[i].end - set->list[i].start;
	return pages;
}

/**
 * hvb_extents_pages_in() - how much of a range is in a set
 * @set: the set
 * @start: first PFN of the range
 * @end: end PFN, exclusive
 *
 * Return: number of pages in both.
 */
u64 hvb_extents_pages_in(const struct hvb_extents *set, u64 start, u64 end)
{
	u64 pages = 0;
	unsigned int i;

	for (i = hvb_extents_find(set, start);
	     i < set->nr && set->list[i].start < end; i++)
		pages += min(set->list[i].end, end) - max(set->list[i].start, start);
	return pages;
}

/**
 * hvb_extents_span() - find the end of the run that a PFN is in
 * @set: the set
 * @pos: the PFN
 * @end: in: where to stop looking, above @pos; out: lowered to the first PFN
 *	that is not in the set if @pos is, or is if @pos is not
 *
 * Return: whether @pos is in the set.
 */
bool hvb_extents_span(const struct hvb_extents *set, u64 pos, u64 *end)
{
	const unsigned int i = hvb_extents_find(set, pos);

	if (i == set->nr)
		return false;

	if (set->list[i].start > pos) {
		*end = min(*end, set->list[i].start);
		return false;
	}

	*end = min(*end, set->list[i].end);
	return true;
}

/**
 * hvb_extents_add() - put a range into a set
 * @set: the set, with room for one more extent
 * @start: first PFN of the range
 * @end: end PFN, exclusive, above @start
 *
 * The range may overlap or touch what is there: neighbours become one.
 *
 * Return: number of pages that were not in the set before.
 */
u64 hvb_extents_add(struct hvb_extents *set, u64 start, u64 end)
{
	const u64 fresh = end - start - hvb_extents_pages_in(set, start, end);
	struct hvb_extent joined = { start, end };
	unsigned int first, last;

	/* An extent that ends at @start is a neighbour: look one frame lower. */
	first = hvb_extents_find(set, start ? start - 1 : 0);
	for (last = first; last < set->nr && set->list[last].start <= end; last++) {
		joined.start = min(joined.start, set->list[last].start);
		joined.end = max(joined.end, set->list[last].end);
	}

	hvb_extents_replace(set, first, last - first, &joined, 1);
	return fresh;
}

/**
 * hvb_extents_remove() - take a range out of a set
 * @set: the set, with room for one more extent
 * @start: first PFN of the range
 * @end: end PFN, exclusive, above @start
 *
 * The range need not be in the set, or not as a whole.
 *
 * Return: number of pages that were in the set.
 */
u64 hvb_extents_remove(struct hvb_extents *set, u64 start, u64 end)
{
	const u64 gone = hvb_extents_pages_in(set, start, end);
	const unsigned int first = hvb_extents_find(set, start);
	struct hvb_extent rest[2];
	unsigned int nr_rest = 0, last;

	for (last = first; last < set->nr && set->list[last].start < end; last++) {
		const struct hvb_extent *old = &set->list[last];

		if (old->start < start)
			rest[nr_rest++] = (struct hvb_extent) { old->start, start };
		if (old->end > end)
			rest[nr_rest++] = (struct hvb_extent) { end, old->end };
	}

	hvb_extents_replace(set, first, last - first, rest, nr_rest);
	return gone;
}

/**
 * hvb_regions_add_block() - note a new block, of which the host gives a part
 * @regions: the sets; added and gaps need room (gaps twice)
 * @block: first PFN of the block, not in a region yet
 * @start: first PFN that the host gives, in the block
 * @end: end PFN, exclusive, in the block or at its end
 */
void hvb_regions_add_block(struct hvb_regions *regions, u64 block, u64 start, u64 end)
{
	const u64 block_end = block + regions->block_pages;

	hvb_extents_add(&regions->added, block, block_end);
	if (start > block)
		hvb_extents_add(&regions->gaps, block, start);
	if (end < block_end)
		hvb_extents_add(&regions->gaps, end, block_end);
}

/**
 * hvb_regions_drop_block() - remove a block
 * @regions: the sets; each needs room
 * @block: first PFN of the block
 */
void hvb_regions_drop_block(struct hvb_regions *regions, u64 block)
{
	const u64 block_end = block + regions->block_pages;

	hvb_extents_remove(&regions->added, block, block_end);
	hvb_extents_remove(&regions->gaps, block, block_end);
	hvb_extents_remove(&regions->ballooned, block, block_end);
	hvb_extents_remove(&regions->online, block, block_end);
}

/**
 * hvb_regions_detach() - note ballooned pages of a block that is going offline
 * @regions: the sets; gaps and ballooned need room
 * @start: first PFN; its block need not be in @added
 * @end: end PFN, exclusive
 *
 * When it is returned it leaves @ballooned, and becomes an ordinary gap.
 */
void hvb_regions_detach(struct hvb_regions *regions, u64 start, u64 end)
{
	hvb_extents_add(&regions->gaps, start, end);
	hvb_extents_add(&regions->ballooned, start, end);
}

/**
 * hvb_regions_is_hot_added() - whether a PFN is in a block that was hot-added
 * @regions: the sets
 * @pfn: the PFN
 *
 * Return: whether it is, backed or not.
 */
bool hvb_regions_is_hot_added(const struct hvb_regions *regions, u64 pfn)
{
	return hvb_extents_pages_in(&regions->added, pfn, pfn + 1);
}

/**
 * hvb_regions_is_partial() - whether a block has a gap
 * @regions: the sets
 * @block: first PFN of the block
 *
 * Return: true if so.
 */
bool hvb_regions_is_partial(const struct hvb_regions *regions, u64 block)
{
	return hvb_extents_pages_in(&regions->gaps, block,
				    block + regions->block_pages);
}

/**
 * hvb_regions_span() - what backs a PFN, and how far
 * @regions: the sets
 * @pos: the PFN
 * @end: in: where to stop looking, above @pos; out: lowered to where the
 *	answer changes
 *
 * Return: the backing of all PFNs from @pos up to @end.
 */
enum hvb_backing hvb_regions_span(const struct hvb_regions *regions, u64 pos, u64 *end)
{
	if (!hvb_extents_span(&regions->gaps, pos, end))
		return hvb_extents_span(&regions->added, pos, end) ? HVB_BACKED : HVB_FOREIGN;
	if (hvb_extents_span(&regions->ballooned, pos, end))
		return HVB_BALLOONED_OFFLINE;
	return HVB_GAP;
}

/**
 * hvb_regions_backed() - how much memory the host has added
 * @regions: the sets
 *
 * Return: pages that were hot-added, also those that it has ballooned since.
 */
u64 hvb_regions_backed(const struct hvb_regions *regions)
{
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < regions->added.nr; i++) {
		const struct hvb_extent *region = &regions->added.list[i];

		pages += region->end - region->start -
			 hvb_extents_pages_in(&regions->gaps, region->start, region->end) +
			 hvb_extents_pages_in(&regions->ballooned, region->start, region->end);
	}
	return pages;
}

/**
 * hvb_regions_offline() - how much of that is offline
 * @regions: the sets
 *
 * Return: pages that are neither online nor going online, without ballooned ones.
 */
u64 hvb_regions_offline(const struct hvb_regions *regions)
{
	u64 pages = 0, pos, end;
	unsigned int i;

	for (i = 0; i < regions->added.nr; i++)
		for (pos = regions->added.list[i].start;
		     pos < regions->added.list[i].end; pos = end) {
			end = regions->added.list[i].end;
			if (!hvb_extents_span(&regions->online, pos, &end))
				pages += end - pos -
					 hvb_extents_pages_in(&regions->gaps, pos, end);
		}
	return pages;
}
