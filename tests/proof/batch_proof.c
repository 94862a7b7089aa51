// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/batch.c: ranges are within their limits, and name the pages that were added.
 *
 * prove_add() is a step of an induction over any number of ranges: what holds of the last
 * range holds of the next one. prove_merge() has up to MERGED ranges; what it adds to
 * that step is the sort and the walk, which treat all ranges alike.
 *
 * Assumed: a block is of one memory block, not longer than the limit, and ends below
 * the last PFN; blocks do not overlap; all pages are below 2^32; qsort() below sorts.
 */
#include "lib/batch.h"
#include "proof.h"

#ifndef MERGED
#define MERGED	2
#endif

/* The kernel's sort(), for ranges: an insertion sort by the driver's comparison. */
void qsort(void *base, size_t nr, size_t size, int (*compare)(const void *a, const void *b))
{
	struct hvb_range *ranges = base;
	size_t i, j;

	prove(size == sizeof(*ranges));
	for (i = 1; i < nr; i++)
		for (j = i; j && compare(&ranges[j - 1], &ranges[j]) > 0; j--)
			swap(ranges[j - 1], ranges[j]);
}

static bool in_limits(const struct hvb_batch *batch, const struct hvb_range *range)
{
	const u64 last = range->start + range->count - !!range->count;

	return range->start < HVB_RANGE_PFN_LIMIT && range->count &&
	       last < HVB_RANGE_PFN_LIMIT && range->count <= batch->range_pages &&
	       !((range->start ^ last) & ~(batch->block_pages - 1));
}

static bool holds(const struct hvb_range *range, u64 pfn)
{
	return pfn >= range->start && pfn - range->start < range->count;
}

/* As hvb_batch_init() and hvb_batch_limit() leave it. */
static void any_limits(struct hvb_batch *batch)
{
	const unsigned int shift = nondet_u32();
	const u32 range_pages = nondet_u32();

	assume(shift && shift <= 9);
	assume(range_pages <= HVB_RANGE_COUNT_MAX);
	hvb_batch_init(batch, 1ULL << shift);
	hvb_batch_limit(batch, range_pages);
	prove(batch->range_pages && batch->range_pages <= HVB_RANGE_COUNT_MAX);
	prove(!batch->nr && !batch->pages);
}

static struct hvb_range any_range(const struct hvb_batch *batch)
{
	const struct hvb_range range = { (u64)nondet_u8() << 32 | nondet_u8(), nondet_u8() };

	assume(in_limits(batch, &range));
	return range;
}

static struct hvb_batch batch;

void prove_add(void)
{
	const u32 nr = nondet_u32(), at = nondet_u32(), pages = nondet_u32();
	struct hvb_range added, last, other;

	any_limits(&batch);
	added = any_range(&batch);
	last = any_range(&batch);
	assume(nr && nr <= MERGED && at < nr - 1);
	other = batch.ranges[at];
	assume(pages <= UINT32_MAX - added.count);
	batch.pages = pages;
	batch.nr = nr;
	batch.ranges[nr - 1] = last;
	hvb_batch_add(&batch, added.start, added.count);

	prove(batch.nr == nr || batch.nr == nr + 1);
	prove(batch.pages == pages + added.count);
	prove(batch.ranges[at].start == other.start && batch.ranges[at].count == other.count);
	prove(in_limits(&batch, &batch.ranges[batch.nr - 1]));
	if (batch.nr == nr) {
		prove(batch.ranges[nr - 1].start == last.start);
		prove(batch.ranges[nr - 1].count == last.count + added.count);
		prove(last.start + last.count == added.start);
	} else {
		prove(batch.ranges[nr - 1].count == last.count);
		prove(batch.ranges[nr].start == added.start);
		prove(batch.ranges[nr].count == added.count);
		prove(last.start + last.count != added.start ||
		      !(added.start & (batch.block_pages - 1)) ||
		      last.count + added.count > batch.range_pages);
	}
}

static bool any_holds(const struct hvb_range *ranges, u32 nr, u64 pfn)
{
	bool held = false;
	u32 i;

	for (i = 0; i < nr; i++)
		held = held || holds(&ranges[i], pfn);
	return held;
}

static void prove_ascending(void)
{
	u32 i;

	for (i = 0; i < batch.nr; i++)
		prove(in_limits(&batch, &batch.ranges[i]));
	for (i = 1; i < batch.nr; i++)
		prove(batch.ranges[i - 1].start + batch.ranges[i - 1].count <=
		      batch.ranges[i].start);
}

void prove_merge(void)
{
	const u32 nr = nondet_u32();
	const u64 pfn = nondet_u64();
	struct hvb_range before[MERGED];
	u32 i, j, pages = 0;

	any_limits(&batch);
	assume(nr <= MERGED);
	for (i = 0; i < nr; i++) {
		before[i] = any_range(&batch);
		for (j = 0; j < i; j++)
			assume(before[j].start + before[j].count <= before[i].start ||
			       before[i].start + before[i].count <= before[j].start);
		batch.ranges[i] = before[i];
		pages += before[i].count;
	}
	batch.nr = nr;
	batch.pages = pages;
	hvb_batch_merge(&batch);

	prove(batch.nr <= nr && !batch.nr == !nr);
	prove(batch.pages == pages);
	prove_ascending();
	prove(any_holds(batch.ranges, batch.nr, pfn) == any_holds(before, nr, pfn));
}
