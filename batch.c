// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gathers blocks and merges neighbours into one range, so that the host gets
 * few messages, can keep its large pages, and gives them back in few messages.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sort.h>

#include "batch.h"

/**
 * hvb_batch_clear() - start a new batch
 * @batch: the batch
 */
void hvb_batch_clear(struct hvb_batch *batch)
{
	batch->nr = 0;
	batch->pages = 0;
}

/* Append to the last range if it touches and stays in the limits of the wire. */
static bool hvb_batch_join(struct hvb_batch *batch, u64 pfn, u32 count)
{
	struct hvb_range *last;

	if (!batch->nr)
		return false;

	last = &batch->ranges[batch->nr - 1];
	if (last->start + last->count != pfn ||
	    count > HVB_RANGE_COUNT_MAX - last->count)
		return false;

	last->count += count;
	return true;
}

/**
 * hvb_batch_add() - note a block
 * @batch: the batch, not full; the pages in it and these stay below 2^32
 * @pfn: first page frame
 * @count: pages, at most HVB_RANGE_COUNT_MAX
 */
void hvb_batch_add(struct hvb_batch *batch, u64 pfn, u32 count)
{
	batch->pages += count;
	if (hvb_batch_join(batch, pfn, count))
		return;

	batch->ranges[batch->nr++] = (struct hvb_range) { pfn, count };
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
