// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merging of blocks: what goes in comes out, in as few ranges as may be.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "batch_model.h"
#include "prng.h"

#define LAST_FRAME	((1ULL << 40) - 1)

static struct hvb_batch *batch_new(struct kunit *test)
{
	struct hvb_batch *batch = kunit_kmalloc(test, sizeof(*batch), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, batch);
	memset(batch, 0xaa, sizeof(*batch));
	hvb_batch_init(batch, NO_BORDERS);
	return batch;
}

/* Tables ----------------------------------------------------------------- */

#define BLOCKS	6

/* Blocks in the order of allocation; a count of 0 ends a list. */
static const struct merge_case {
	const char *name;
	struct hvb_range blocks[BLOCKS];
	struct hvb_range merged[BLOCKS];
} merge_cases[] = {
	{ "nothing", {}, {} },
	{ "one page", { { 5, 1 } }, { { 5, 1 } } },
	{ "page frame 0", { { 0, 1 } }, { { 0, 1 } } },
	{ "two that touch, ascending",
	  { { 512, 512 }, { 1024, 512 } }, { { 512, 1024 } } },
	{ "two that touch, descending",
	  { { 1024, 512 }, { 512, 512 } }, { { 512, 1024 } } },
	{ "two with a page between",
	  { { 512, 512 }, { 1025, 512 } }, { { 512, 512 }, { 1025, 512 } } },
	{ "two apart, descending",
	  { { 4096, 512 }, { 512, 512 } }, { { 512, 512 }, { 4096, 512 } } },
	{ "the middle one last",
	  { { 0, 8 }, { 16, 8 }, { 8, 8 } }, { { 0, 24 } } },
	{ "the middle one first",
	  { { 8, 8 }, { 0, 8 }, { 16, 8 } }, { { 0, 24 } } },
	{ "descending, different sizes",
	  { { 14, 1 }, { 12, 2 }, { 8, 4 }, { 0, 8 } }, { { 0, 15 } } },
	{ "two runs, interleaved",
	  { { 0, 4 }, { 100, 4 }, { 4, 4 }, { 104, 4 }, { 8, 4 }, { 108, 4 } },
	  { { 0, 12 }, { 100, 12 } } },
	{ "a range between two others that do not touch",
	  { { 20, 2 }, { 0, 2 }, { 10, 2 } }, { { 0, 2 }, { 10, 2 }, { 20, 2 } } },
	{ "over page frame 2^32",
	  { { 0x100000000, 512 }, { 0xfffffe00, 512 } }, { { 0xfffffe00, 1024 } } },
	{ "the same low 32 bits",
	  { { 0x200000000, 1 }, { 0x100000000, 1 }, { 0, 1 } },
	  { { 0, 1 }, { 0x100000000, 1 }, { 0x200000000, 1 } } },
	{ "differing only above 31 bits",
	  { { 0x80000000, 1 }, { 0, 1 } }, { { 0, 1 }, { 0x80000000, 1 } } },
	{ "up to the last page frame",
	  { { LAST_FRAME, 1 }, { LAST_FRAME - 1, 1 }, { 0, 1 } },
	  { { 0, 1 }, { LAST_FRAME - 1, 2 } } },

	{ "just the most pages of a range",
	  { { 0, COUNT_MAX - 1 }, { COUNT_MAX - 1, 1 } }, { { 0, COUNT_MAX } } },
	{ "just the most pages of a range, descending",
	  { { 1, COUNT_MAX - 1 }, { 0, 1 } }, { { 0, COUNT_MAX } } },
	{ "a page too many",
	  { { 0, COUNT_MAX }, { COUNT_MAX, 1 } }, { { 0, COUNT_MAX }, { COUNT_MAX, 1 } } },
	{ "a page too many, descending",
	  { { COUNT_MAX, 1 }, { 0, COUNT_MAX } }, { { 0, COUNT_MAX }, { COUNT_MAX, 1 } } },
	{ "2^24 pages in two halves",
	  { { 0, 0x800000 }, { 0x800000, 0x800000 } },
	  { { 0, 0x800000 }, { 0x800000, 0x800000 } } },
	{ "two of the most pages",
	  { { COUNT_MAX, COUNT_MAX }, { 0, COUNT_MAX } },
	  { { 0, COUNT_MAX }, { COUNT_MAX, COUNT_MAX } } },
	{ "going on behind the limit",
	  { { COUNT_MAX + 512, 512 }, { COUNT_MAX, 512 }, { 0, COUNT_MAX } },
	  { { 0, COUNT_MAX }, { COUNT_MAX, 1024 } } },
};

static void merge_describe(const struct merge_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(merge, merge_cases, merge_describe);

static void merge_table(struct kunit *test)
{
	const struct merge_case *row = test->param_value;
	struct hvb_batch *batch = batch_new(test);
	u32 pages = 0, i;

	for (i = 0; i < BLOCKS && row->blocks[i].count; i++) {
		hvb_batch_add(batch, row->blocks[i].start, row->blocks[i].count);
		pages += row->blocks[i].count;
		KUNIT_EXPECT_EQ(test, batch->pages, pages);
	}
	batch_merge(test, batch);
	KUNIT_EXPECT_EQ(test, batch->pages, pages);

	for (i = 0; i < BLOCKS && row->merged[i].count; i++) {
		KUNIT_EXPECT_EQ(test, batch->ranges[i].start, row->merged[i].start);
		KUNIT_EXPECT_EQ(test, batch->ranges[i].count, row->merged[i].count);
	}
	KUNIT_EXPECT_EQ(test, batch->nr, i);
}

/* Memory blocks of 1024 pages; the limit of a range is 0 if there is no other. */
static const struct limit_case {
	const char *name;
	u32 range_pages;
	struct hvb_range blocks[BLOCKS];
	struct hvb_range merged[BLOCKS];
} limit_cases[] = {
	{ "up to the end of a memory block", 0,
	  { { 512, 256 }, { 768, 256 } }, { { 512, 512 } } },
	{ "over the end of a memory block", 0,
	  { { 512, 512 }, { 1024, 512 } }, { { 512, 512 }, { 1024, 512 } } },
	{ "over the end of a memory block, descending", 0,
	  { { 1024, 512 }, { 512, 512 } }, { { 512, 512 }, { 1024, 512 } } },
	{ "a memory block and a page each side", 0,
	  { { 2048, 1 }, { 1536, 512 }, { 1024, 512 }, { 1023, 1 } },
	  { { 1023, 1 }, { 1024, 1024 }, { 2048, 1 } } },
	{ "over page frame 2^32", 0,
	  { { 0x100000000, 512 }, { 0xfffffe00, 512 } },
	  { { 0xfffffe00, 512 }, { 0x100000000, 512 } } },
	{ "up to the last page frame", 0,
	  { { LAST_FRAME, 1 }, { LAST_FRAME - 1, 1 } }, { { LAST_FRAME - 1, 2 } } },

	{ "no two blocks in one range", 512,
	  { { 0, 512 }, { 512, 512 }, { 1024, 512 } },
	  { { 0, 512 }, { 512, 512 }, { 1024, 512 } } },
	{ "as many as a range may have", 512,
	  { { 256, 256 }, { 128, 128 }, { 0, 128 } }, { { 0, 512 } } },
	{ "one more than a range may have", 512,
	  { { 512, 1 }, { 256, 256 }, { 128, 128 }, { 0, 128 } }, { { 0, 512 }, { 512, 1 } } },
	{ "no power of two", 768,
	  { { 0, 512 }, { 512, 256 }, { 768, 256 } }, { { 0, 768 }, { 768, 256 } } },
	{ "only whole blocks go into a range", 768,
	  { { 0, 512 }, { 512, 512 } }, { { 0, 512 }, { 512, 512 } } },
	{ "longer than a memory block", 4096,
	  { { 512, 512 }, { 1024, 512 }, { 1536, 512 } }, { { 512, 512 }, { 1024, 1024 } } },
};

static void limit_describe(const struct limit_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(limit, limit_cases, limit_describe);

static void limit_table(struct kunit *test)
{
	const struct limit_case *row = test->param_value;
	struct hvb_batch *batch = batch_new(test);
	u32 i;

	hvb_batch_init(batch, 1024);
	hvb_batch_limit(batch, row->range_pages);
	for (i = 0; i < BLOCKS && row->blocks[i].count; i++)
		hvb_batch_add(batch, row->blocks[i].start, row->blocks[i].count);
	batch_merge(test, batch);

	for (i = 0; i < BLOCKS && row->merged[i].count; i++) {
		KUNIT_EXPECT_EQ(test, batch->ranges[i].start, row->merged[i].start);
		KUNIT_EXPECT_EQ(test, batch->ranges[i].count, row->merged[i].count);
	}
	KUNIT_EXPECT_EQ(test, batch->nr, i);
}

/* The limits stay when a batch is cleared; one that is taken back is the wire's. */
static void limit_stays(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);

	hvb_batch_init(batch, 1024);
	hvb_batch_limit(batch, 2);
	hvb_batch_clear(batch);
	KUNIT_EXPECT_EQ(test, batch->range_pages, 2);
	KUNIT_EXPECT_EQ(test, batch->block_pages, 1024);
	hvb_batch_limit(batch, 0);
	KUNIT_EXPECT_EQ(test, batch->range_pages, COUNT_MAX);
}

/* What touches the last range goes into it at once; nothing else does. */
static void add_joins_the_last(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);

	hvb_batch_add(batch, 100, 10);
	hvb_batch_add(batch, 110, 10);
	KUNIT_EXPECT_EQ(test, batch->nr, 1);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].count, 20);

	hvb_batch_add(batch, 90, 10);
	KUNIT_EXPECT_EQ(test, batch->nr, 2);
	hvb_batch_add(batch, 120, 10);
	KUNIT_EXPECT_EQ(test, batch->nr, 3);
	KUNIT_EXPECT_EQ(test, batch->pages, 40);

	batch_merge(test, batch);
	KUNIT_EXPECT_EQ(test, batch->nr, 1);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].start, 90);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].count, 40);
}

static void clear(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);

	hvb_batch_add(batch, 100, 10);
	hvb_batch_clear(batch);
	KUNIT_EXPECT_EQ(test, batch->nr, 0);
	KUNIT_EXPECT_EQ(test, batch->pages, 0);
	KUNIT_EXPECT_FALSE(test, hvb_batch_full(batch));

	/* What was there before is forgotten, though this would touch it. */
	hvb_batch_add(batch, 110, 10);
	KUNIT_EXPECT_EQ(test, batch->nr, 1);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].start, 110);
	KUNIT_EXPECT_EQ(test, batch->pages, 10);
}

/*
 * Nothing hands out a block twice. If it happens, both are kept as they are, so
 * that the sum still says what was taken.
 */
static void the_same_block_twice(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);

	hvb_batch_add(batch, 100, 10);
	hvb_batch_add(batch, 100, 10);
	hvb_batch_merge(batch);
	KUNIT_EXPECT_EQ(test, batch->nr, 2);
	KUNIT_EXPECT_EQ(test, batch->pages, 20);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].start, 100);
	KUNIT_EXPECT_EQ(test, batch->ranges[1].start, 100);
}

/* A full batch ----------------------------------------------------------- */

/*
 * HVB_BATCH_MAX blocks of @count pages, the highest first, each @distance from
 * the next; they become @merged ranges, of which the first has @first pages.
 */
static const struct full_case {
	const char *name;
	u32 count;
	u32 distance;
	u32 merged;
	u32 first;
} full_cases[] = {
	{ "single pages that touch", 1, 1, 1, 4096 },
	{ "single pages apart", 1, 2, 4096, 1 },
	{ "2 MiB that touch", 512, 512, 1, 4096 * 512 },
	{ "2 MiB apart", 512, 513, 4096, 512 },
	{ "as many pages as a range has, less one block", 4095, 4095, 1, 4095 * 4096 },
	{ "as many pages as a range has, and one", 4096, 4096, 2, 4095 * 4096 },
	{ "three ranges", 8192, 8192, 3, 2047 * 8192 },
	{ "as many pages as can be counted", 0xfffff, 0xfffff, 256, 16 * 0xfffff },
	{ "as many pages as can be counted, apart", 0xfffff, 0x100000, 4096, 0xfffff },
};

static void full_describe(const struct full_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(full, full_cases, full_describe);

static void full_fill(struct kunit *test, struct hvb_batch *batch)
{
	const struct full_case *row = test->param_value;
	u32 i;

	for (i = HVB_BATCH_MAX; i--; ) {
		KUNIT_ASSERT_FALSE(test, hvb_batch_full(batch));
		hvb_batch_add(batch, (u64)i * row->distance, row->count);
	}
}

static void full_table(struct kunit *test)
{
	const struct full_case *row = test->param_value;
	struct hvb_batch *batch = batch_new(test);

	full_fill(test, batch);
	KUNIT_EXPECT_TRUE(test, hvb_batch_full(batch));
	KUNIT_EXPECT_EQ(test, batch->nr, HVB_BATCH_MAX);

	batch_merge(test, batch);
	KUNIT_EXPECT_EQ(test, batch->nr, row->merged);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].start, 0);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].count, row->first);
	KUNIT_EXPECT_EQ(test, hvb_batch_full(batch), row->merged == HVB_BATCH_MAX);
}

/* Ascending they need one entry, however many there are. */
static void never_full_if_they_touch(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);
	u32 i;

	for (i = 0; i < 2 * HVB_BATCH_MAX; i++)
		hvb_batch_add(batch, 512ULL * i, 512);
	KUNIT_EXPECT_EQ(test, batch->nr, 1);
	KUNIT_EXPECT_EQ(test, batch->ranges[0].count, 2 * HVB_BATCH_MAX * 512);
	KUNIT_EXPECT_EQ(test, batch->pages, 2 * HVB_BATCH_MAX * 512);
	batch_merge(test, batch);
	KUNIT_EXPECT_EQ(test, batch->nr, 1);
}

/* Random blocks ---------------------------------------------------------- */

#define FRAMES		0x20000U
#define ROUNDS		20

/**
 * struct shuffle - blocks as an allocator hands them out
 * @prng: where the numbers come from
 * @frames: for each page frame, whether it is in one of the blocks
 * @blocks: the blocks
 * @nr: number of them
 * @base: page frame of the first of @frames
 * @border: pages of a memory block, over whose end no block goes
 */
struct shuffle {
	struct hvb_prng prng;
	bool *frames;
	struct hvb_range *blocks;
	u32 nr;
	u64 base;
	u64 border;
};

static void shuffle_init(struct kunit *test, struct shuffle *shuffle, u64 base, u64 border)
{
	*shuffle = (struct shuffle) {
		.prng = { HVB_PRNG_SEED },
		.frames = kunit_kzalloc(test, FRAMES, GFP_KERNEL),
		.blocks = kunit_kzalloc(test, HVB_BATCH_MAX * sizeof(*shuffle->blocks),
					GFP_KERNEL),
		.base = base,
		.border = border,
	};
	KUNIT_ASSERT_NOT_NULL(test, shuffle->frames);
	KUNIT_ASSERT_NOT_NULL(test, shuffle->blocks);
	kunit_info(test, "seed %#llx\n", HVB_PRNG_SEED);
}

/* How many page frames there are up to the next border. */
static u64 shuffle_room(const struct shuffle *shuffle, u32 at)
{
	return shuffle->border - (shuffle->base + at) % shuffle->border;
}

/* Powers of two, of which a part of @share in 8 is taken, in any order. */
static void shuffle_blocks(struct shuffle *shuffle, u32 share)
{
	u32 at, count, i, other;

	memset(shuffle->frames, 0, FRAMES);
	shuffle->nr = 0;
	for (at = 0; at < FRAMES && shuffle->nr < HVB_BATCH_MAX; at += count) {
		count = min(1U << hvb_prng_below(&shuffle->prng, 10), FRAMES - at);
		count = min((u64)count, shuffle_room(shuffle, at));
		if (hvb_prng_below(&shuffle->prng, 8) >= share)
			continue;
		shuffle->blocks[shuffle->nr++] = (struct hvb_range) {
			shuffle->base + at, count,
		};
		memset(shuffle->frames + at, true, count);
	}

	for (i = shuffle->nr; i > 1; i--) {
		other = hvb_prng_below(&shuffle->prng, i);
		swap(shuffle->blocks[i - 1], shuffle->blocks[other]);
	}
}

/* The runs of the bitmap must be the ranges, one by one. */
static void shuffle_compare(struct kunit *test, const struct shuffle *shuffle,
			    const struct hvb_batch *batch)
{
	u32 at, end, i = 0;

	for (at = 0; at < FRAMES; at = end) {
		end = at + 1;
		while (end < FRAMES && shuffle->frames[end] == shuffle->frames[at] &&
		       (shuffle->base + end) % shuffle->border)
			end++;
		if (!shuffle->frames[at])
			continue;
		KUNIT_ASSERT_LT(test, i, batch->nr);
		KUNIT_ASSERT_EQ(test, batch->ranges[i].start, shuffle->base + at);
		KUNIT_ASSERT_EQ(test, batch->ranges[i].count, end - at);
		i++;
	}
	KUNIT_ASSERT_EQ(test, batch->nr, i);
}

static const struct shuffle_case {
	const char *name;
	u64 base;
	u32 share;
	u64 border;
} shuffle_cases[] = {
	{ "from page frame 0, one in 8", 0, 1, NO_BORDERS },
	{ "from page frame 0, half of them", 0, 4, NO_BORDERS },
	{ "from page frame 0, 7 in 8", 0, 7, NO_BORDERS },
	{ "from page frame 0, all", 0, 8, NO_BORDERS },
	{ "over page frame 2^32, half of them", (1ULL << 32) - FRAMES / 2, 4, NO_BORDERS },
	{ "up to page frame 2^40, half of them", LAST_FRAME + 1 - FRAMES, 4, NO_BORDERS },
	{ "up to page frame 2^40, all", LAST_FRAME + 1 - FRAMES, 8, NO_BORDERS },
	{ "in memory blocks of 128 MiB, all", 0, 8, 0x8000 },
	{ "in memory blocks of 128 MiB, 7 in 8", (1ULL << 32) - FRAMES / 2, 7, 0x8000 },
	{ "in memory blocks of 4 MiB, all", LAST_FRAME + 1 - FRAMES, 8, 0x400 },
};

static void shuffle_describe(const struct shuffle_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(shuffle, shuffle_cases, shuffle_describe);

static void shuffled(struct kunit *test)
{
	const struct shuffle_case *row = test->param_value;
	struct hvb_batch *batch = batch_new(test);
	struct shuffle shuffle;
	u32 round, i, pages;

	shuffle_init(test, &shuffle, row->base, row->border);
	hvb_batch_init(batch, row->border);
	for (round = 0; round < ROUNDS; round++) {
		shuffle_blocks(&shuffle, row->share);
		hvb_batch_clear(batch);
		for (i = 0, pages = 0; i < shuffle.nr; i++) {
			hvb_batch_add(batch, shuffle.blocks[i].start,
				      shuffle.blocks[i].count);
			pages += shuffle.blocks[i].count;
			KUNIT_ASSERT_EQ(test, batch->pages, pages);
		}
		batch_merge(test, batch);
		shuffle_compare(test, &shuffle, batch);
	}
}

/* What was added since the last mark but one can go; the rest merges as without marks. */
static void cut_to_a_mark(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);
	u64 pfn;

	for (pfn = 0; pfn < 400; pfn += 10) {
		if (pfn % 100 == 0)
			hvb_batch_checkpoint(batch);
		hvb_batch_add(batch, pfn, 10);
	}
	/* Marks at 0, 100, 200 and 300: a range begins at each. */
	KUNIT_ASSERT_EQ(test, batch->nr, 4U);
	KUNIT_ASSERT_EQ(test, batch->pages, 400U);

	hvb_batch_cut(batch, batch->marks[0]);
	KUNIT_EXPECT_EQ(test, batch->nr, 2U);
	KUNIT_EXPECT_EQ(test, batch->pages, 200U);

	/* Again: there is nothing since the mark. */
	hvb_batch_cut(batch, batch->marks[0]);
	KUNIT_EXPECT_EQ(test, batch->pages, 200U);

	hvb_batch_add(batch, 200, 10);
	KUNIT_EXPECT_EQ(test, batch->nr, 3U);
	hvb_batch_merge(batch);
	KUNIT_EXPECT_EQ(test, batch->nr, 1U);
	KUNIT_EXPECT_EQ(test, batch->pages, 210U);
}

/* What is removed comes from the end of the last range, at most all of that. */
static void pop_from_the_end(struct kunit *test)
{
	struct hvb_batch *batch = batch_new(test);
	struct hvb_range range;

	hvb_batch_add(batch, 1000, 100);
	hvb_batch_checkpoint(batch);
	hvb_batch_add(batch, 3000, 50);

	range = hvb_batch_pop(batch, 20);
	KUNIT_EXPECT_EQ(test, range.start, 3030ULL);
	KUNIT_EXPECT_EQ(test, range.count, 20U);
	KUNIT_EXPECT_EQ(test, batch->pages, 130U);
	KUNIT_EXPECT_EQ(test, batch->nr, 2U);

	/* Not more than the last range has. */
	range = hvb_batch_pop(batch, 1000);
	KUNIT_EXPECT_EQ(test, range.start, 3000ULL);
	KUNIT_EXPECT_EQ(test, range.count, 30U);
	KUNIT_EXPECT_EQ(test, batch->pages, 100U);
	KUNIT_EXPECT_EQ(test, batch->nr, 1U);

	range = hvb_batch_pop(batch, 100);
	KUNIT_EXPECT_EQ(test, range.start, 1000ULL);
	KUNIT_EXPECT_EQ(test, batch->pages, 0U);
	KUNIT_EXPECT_EQ(test, batch->nr, 0U);
	KUNIT_EXPECT_EQ(test, batch->marks[0], 0U);
}

static struct kunit_case batch_cases[] = {
	KUNIT_CASE_PARAM(merge_table, merge_gen_params),
	KUNIT_CASE_PARAM(limit_table, limit_gen_params),
	KUNIT_CASE(limit_stays),
	KUNIT_CASE(add_joins_the_last),
	KUNIT_CASE(clear),
	KUNIT_CASE(cut_to_a_mark),
	KUNIT_CASE(pop_from_the_end),
	KUNIT_CASE(the_same_block_twice),
	KUNIT_CASE_PARAM(full_table, full_gen_params),
	KUNIT_CASE(never_full_if_they_touch),
	KUNIT_CASE_PARAM(shuffled, shuffle_gen_params),
	{}
};

static struct kunit_suite batch_suite = {
	.name = "hv_balloon_batch",
	.test_cases = batch_cases,
};

kunit_test_suite(batch_suite);
