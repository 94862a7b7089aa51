/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a merged batch must be like, whatever went into it.
 */
#ifndef _HVB_BATCH_MODEL_H
#define _HVB_BATCH_MODEL_H

#include <kunit/test.h>
#include <linux/types.h>

#include "../../batch.h"

#define COUNT_MAX	0xffffffU	/* pages of a range, 24 bits */

/* Ascending, disjoint, joined wherever a range may be so long; and the sum. */
static inline void batch_check_merged(struct kunit *test, const struct hvb_batch *batch)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < batch->nr; i++) {
		const struct hvb_range *range = &batch->ranges[i];
		const struct hvb_range *next = range + 1;

		KUNIT_ASSERT_GT(test, range->count, 0);
		KUNIT_ASSERT_LE(test, range->count, COUNT_MAX);
		pages += range->count;
		if (i + 1 == batch->nr)
			break;
		KUNIT_ASSERT_LE(test, range->start + range->count, next->start);
		if (range->start + range->count == next->start)
			KUNIT_ASSERT_GT(test, range->count + next->count, COUNT_MAX);
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
