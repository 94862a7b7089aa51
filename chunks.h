/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The blocks that the balloon is made of.
 */
#ifndef _HVB_CHUNKS_H
#define _HVB_CHUNKS_H

#include <linux/types.h>

struct hvb_dev;
struct hvb_range;
struct page;

/* How long an inflate waits for the next chunk: longer than one takes to make. */
#define HVB_CHUNK_WAIT		HZ

/*
 * When to ask for chunks again after there were none, and after none came in time:
 * longer than an operation goes on without progress, so that it ends.
 */
#define HVB_CHUNK_RETRY		(2 * HZ)
#define HVB_CHUNK_STUCK		(10 * HZ)

void hvb_chunks_choose(struct hvb_dev *hvb);
void hvb_chunks_choose_node(struct hvb_dev *hvb);
bool hvb_chunks_can_spare(const struct hvb_dev *hvb);
u32 hvb_chunks_take(struct hvb_dev *hvb, u64 budget);
bool hvb_chunks_await(struct hvb_dev *hvb);
bool hvb_chunks_are_ballooned(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_chunks_release(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_chunks_adopt(struct hvb_dev *hvb, struct page *page);
int hvb_chunks_adopt_offline(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_chunks_detach(struct hvb_dev *hvb, struct page *page);

#endif /* _HVB_CHUNKS_H */
