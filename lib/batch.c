// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collects blocks and merges neighbours into one range, so that the host gets
 * few messages, can keep its large pages, and returns them in few messages.
 *
 * A range ends where a memory block ends: what lies on both sides may be of two
 * nodes, of boot memory and hot-added memory, of two offers of the host.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sort.h>

#include "batch.h"

/**
 * hvb_batch_init() - make an empty batch
 * @batch: filled in
 * @block_pages: pages of a memory block, a power of two
 */
void hvb_batch_init(struct hvb_batch *batch, u64 block_pages)
{
	batch->block_pages = block_pages;
	hvb_batch_limit(batch, 0);
	hvb_batch_clear(batch);
}

/**
 * hvb_batch_limit() - set how long a range may become
 * @batch: the batch, empty
 * @range_pages: pages, at least those of the largest block and at most
 *	HVB_RANGE_COUNT_MAX; 0 if only a memory block and the wire limit it
 */
void hvb_batch_limit(struct hvb_batch *batch, u32 range_pages)
{
	batch->range_pages = range_pages ? range_pages : HVB_RANGE_COUNT_MAX;
}

/**
 * hvb_batch_clear() - start a new batch
 * @batch: the batch
 */
void hvb_batch_clear(struct hvb_batch *batch)
{
	batch->nr = 0;
	batch->pages = 0;
	batch->marks[0] = 0;
	batch->marks[1] = 0;
}

/* Append to the last range if it touches and neither limit nor mark is in the way. */
static bool hvb_batch_join(struct hvb_batch *batch, u64 pfn, u32 count)
{
	struct hvb_range *last;

	if (batch->nr == batch->marks[1] || !(pfn & (batch->block_pages - 1)))
		return false;

	last = &batch->ranges[batch->nr - 1];
	if (last->start + last->count != pfn ||
	    (u64)last->count + count > batch->range_pages)
		return false;

	last->count += count;
	return true;
}

/**
 * hvb_batch_add() - note a block
 * @batch: the batch, not full; the pages in it and these stay below 2^32
 * @pfn: first PFN
 * @count: pages; the block is within the limits of the batch
 */
void hvb_batch_add(struct hvb_batch *batch, u64 pfn, u32 count)
{
	batch->pages += count;
	if (hvb_batch_join(batch, pfn, count))
		return;

	batch->ranges[batch->nr++] = (struct hvb_range) { pfn, count };
}

/**
 * hvb_batch_checkpoint() - keep apart what is in the batch and what is added
 * @batch: the batch
 *
 * hvb_batch_cut() can remove what was added since the last checkpoint, or the last but one.
 */
void hvb_batch_checkpoint(struct hvb_batch *batch)
{
	batch->marks[0] = batch->marks[1];
	batch->marks[1] = batch->nr;
}

/**
 * hvb_batch_cut() - remove the ranges that were added last
 * @batch: the batch
 * @nr: ranges that stay
 */
void hvb_batch_cut(struct hvb_batch *batch, u32 nr)
{
	while (batch->nr > nr)
		batch->pages -= batch->ranges[--batch->nr].count;
	batch->marks[0] = min(batch->marks[0], nr);
	batch->marks[1] = nr;
}

/**
 * hvb_batch_pop() - remove pages from the end of the last range
 * @batch: the batch, not empty
 * @pages: how many at most, not 0
 *
 * Return: what was removed.
 */
struct hvb_range hvb_batch_pop(struct hvb_batch *batch, u32 pages)
{
	struct hvb_range *last = &batch->ranges[batch->nr - 1];
	const u32 count = min(last->count, pages);
	const struct hvb_range popped = { last->start + last->count - count, count };

	last->count -= count;
	batch->pages -= count;
	if (!last->count)
		hvb_batch_cut(batch, batch->nr - 1);
	return popped;
}

static int hvb_range_compare(const void *a, const void *b)
{
	const struct hvb_range *left = a, *right = b;

	if (left->start == right->start)
		return 0;
	return left->start < right->start ? -1 : 1;
}

/**
 * hvb_batch_merge() - sort the ranges and join neighbours
 * @batch: the batch; its ranges must not overlap
 */
void hvb_batch_merge(struct hvb_batch *batch)
{
	const u32 nr = batch->nr;
	u32 i;

	sort(batch->ranges, nr, sizeof(batch->ranges[0]), hvb_range_compare, NULL);

	/* Never overtakes the reader: each range adds at most one entry. */
	hvb_batch_clear(batch);
	for (i = 0; i < nr; i++) {
		const struct hvb_range range = batch->ranges[i];

		hvb_batch_add(batch, range.start, range.count);
	}
}
