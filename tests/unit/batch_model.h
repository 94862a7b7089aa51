/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a merged batch must be like, whatever went into it.
 */
#ifndef _HVB_BATCH_MODEL_H
#define _HVB_BATCH_MODEL_H

#include <kunit/test.h>
#include <linux/types.h>

#include "../../lib/batch.h"

#define COUNT_MAX	0xffffffU	/* pages of a range, 24 bits */

#define NO_BORDERS	(1ULL << 40)	/* as a memory block that has all page frames */

static inline bool batch_is_border(const struct hvb_batch *batch, u64 pfn)
{
	return pfn % batch->block_pages == 0;
}

/* A range that is as long as may be, and within one memory block. */
static inline void batch_check_range(struct kunit *test, const struct hvb_batch *batch,
				     const struct hvb_range *range)
{
	KUNIT_ASSERT_GT(test, range->count, 0);
	KUNIT_ASSERT_LE(test, range->count, COUNT_MAX);
	KUNIT_ASSERT_LE(test, range->count, batch->range_pages);
	KUNIT_ASSERT_EQ(test, range->start / batch->block_pages,
			(range->start + range->count - 1) / batch->block_pages);
}

/* Ascending, disjoint, joined wherever a range may be so long; and the sum. */
static inline void batch_check_merged(struct kunit *test, const struct hvb_batch *batch)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < batch->nr; i++) {
		const struct hvb_range *range = &batch->ranges[i];
		const struct hvb_range *next = range + 1;

		batch_check_range(test, batch, range);
		pages += range->count;
		if (i + 1 == batch->nr)
			break;
		KUNIT_ASSERT_LE(test, range->start + range->count, next->start);
		if (range->start + range->count == next->start &&
		    !batch_is_border(batch, next->start))
			KUNIT_ASSERT_GT(test, range->count + next->count, batch->range_pages);
	}
	KUNIT_ASSERT_EQ(test, (u64)batch->pages, pages);
}

/* Merge it, and once more: there must be nothing left to do. */
static inline void batch_merge(struct kunit *test, struct hvb_batch *batch)
{
	const u32 pages = batch->pages;
	u32 nr;

	hvb_batch_merge(batch);
	KUNIT_ASSERT_EQ(test, batch->pages, pages);
	batch_check_merged(test, batch);

	nr = batch->nr;
	hvb_batch_merge(batch);
	KUNIT_ASSERT_EQ(test, batch->pages, pages);
	KUNIT_ASSERT_EQ(test, batch->nr, nr);
	batch_check_merged(test, batch);
}

#endif /* _HVB_BATCH_MODEL_H */
