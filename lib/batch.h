/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks that were taken for the host but not reported yet. Pure.
 */
#ifndef _HVB_BATCH_H
#define _HVB_BATCH_H

#include "proto.h"

#define HVB_BATCH_MAX	4096

/**
 * struct hvb_batch - ranges to report in the next messages
 * @nr: ranges in use
 * @pages: pages in them
 * @marks: ranges in use at the last call of hvb_batch_checkpoint() but one, and at the last
 * @block_pages: no range crosses a multiple of this number of pages; a
 *	power of two
 * @range_pages: no range has more pages
 * @ranges: in the order of allocation; after hvb_batch_merge() ascending and
 *	with neighbours joined
 */
struct hvb_batch {
	u32 nr;
	u32 pages;
	u32 marks[2];
	u64 block_pages;
	u32 range_pages;
	struct hvb_range ranges[HVB_BATCH_MAX];
};

static inline bool hvb_batch_full(const struct hvb_batch *batch)
{
	return batch->nr == HVB_BATCH_MAX;
}

void hvb_batch_init(struct hvb_batch *batch, u64 block_pages);
void hvb_batch_limit(struct hvb_batch *batch, u32 range_pages);
void hvb_batch_clear(struct hvb_batch *batch);
void hvb_batch_add(struct hvb_batch *batch, u64 pfn, u32 count);
void hvb_batch_checkpoint(struct hvb_batch *batch);
void hvb_batch_cut(struct hvb_batch *batch, u32 nr);
struct hvb_range hvb_batch_pop(struct hvb_batch *batch, u32 pages);
void hvb_batch_merge(struct hvb_batch *batch);

#endif /* _HVB_BATCH_H */
