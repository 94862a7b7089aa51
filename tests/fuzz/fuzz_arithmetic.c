// SPDX-License-Identifier: GPL-2.0-only
/*
 * The figures of a request to balloon, and the batch of blocks that becomes its
 * answer. The input has four figures, then where the blocks lie, how large their
 * pieces are and what limits a range, then four bytes for each block.
 *
 * What holds whatever the figures are is checked, and that the messages name
 * just the pages that were taken.
 */
#include "../../lib/limits.h"
#include "../unit/batch_model.h"
#include "../unit/bytes.h"
#include "fuzz.h"

#define PIECES		4096U

/* The floor ---------------------------------------------------------------- */

static void check_floor(struct kunit *test, u64 total, u64 wish)
{
	const u64 floor = hvb_floor_pages(total, wish), own = hvb_floor_pages(total, 0);

	KUNIT_ASSERT_LE(test, floor, total);
	KUNIT_ASSERT_EQ(test, floor, wish ? min(wish, total) : own);
	if (total == ~0ULL)
		return;
	/* It never sinks, and has no jump. */
	KUNIT_ASSERT_LE(test, own, hvb_floor_pages(total + 1, 0));
	KUNIT_ASSERT_LE(test, hvb_floor_pages(total + 1, 0), own + 1);
}

static void check_limit(struct kunit *test, u64 available, u64 floor, u64 wanted)
{
	const u64 limit = hvb_inflate_limit(available, floor, wanted);

	KUNIT_ASSERT_LE(test, limit, wanted);
	if (available <= floor) {
		KUNIT_ASSERT_EQ(test, limit, 0);
		return;
	}
	KUNIT_ASSERT_GE(test, available - limit, floor);
	KUNIT_ASSERT_TRUE(test, limit == wanted || available - limit == floor);
}

static void check_order(struct kunit *test, u64 wanted, unsigned int highest)
{
	unsigned int order;

	if (!wanted)
		return;
	order = hvb_first_order(wanted, highest);
	KUNIT_ASSERT_LE(test, order, highest);
	KUNIT_ASSERT_LE(test, 1ULL << order, wanted);
	KUNIT_ASSERT_TRUE(test, order == highest || wanted >> order == 1);
}

static void check_figures(struct kunit *test, struct fuzz_input *input)
{
	const u64 total = fuzz_take(input, 8), wish = fuzz_take(input, 8);
	const u64 available = fuzz_take(input, 8), wanted = fuzz_take(input, 8);
	const struct hvb_demand demand = { total, wish, available, wanted };

	check_floor(test, total, wish);
	check_limit(test, available, hvb_floor_pages(total, wish), wanted);
	check_order(test, wanted, available % 20);
	KUNIT_ASSERT_EQ(test, hvb_committed_pages(&demand), total + wish + available + wanted);
}

/* The batch ---------------------------------------------------------------- */

/**
 * struct taken - memory in pieces, of which some are given to the host
 * @base: first page frame
 * @piece: pages of a piece
 * @pages: pages of all that were given
 * @given: for each piece, whether it was given
 */
struct taken {
	u64 base;
	u32 piece;
	u64 pages;
	bool given[PIECES];
};

static struct taken *taken_new(struct kunit *test, unsigned int place)
{
	static const u32 pieces[] = { 1, 512, 0x8000, 0xfffff };
	struct taken *taken = kunit_kzalloc(test, sizeof(*taken), GFP_KERNEL);
	u64 length;

	taken->piece = pieces[place & 3];
	length = (u64)PIECES * taken->piece;
	taken->base = place & 4 ? (1ULL << 40) - length : place & 8 ? (1ULL << 32) - 7 : 0;
	return taken;
}

/* The limits of ranges: memory blocks, and what an administrator has set. */
static void batch_set_limits(struct hvb_batch *batch, unsigned int place)
{
	static const u64 blocks[] = { NO_BORDERS, 0x8000, 0x80000, 0x400 };
	static const u32 ranges[] = { 0, 0x200, 0x300, 0x1000 };

	hvb_batch_init(batch, blocks[place >> 4 & 3]);
	hvb_batch_limit(batch, ranges[place >> 6 & 3]);
}

/* Whether a block keeps to them, as those of the page allocator do. */
static bool batch_may_add(const struct hvb_batch *batch, u64 pfn, u64 count)
{
	return count <= batch->range_pages &&
	       pfn / batch->block_pages == (pfn + count - 1) / batch->block_pages;
}

/* A block that lies where nothing was given yet, and no longer than can be. */
static void taken_add(struct taken *taken, struct hvb_batch *batch, u32 first, u32 count)
{
	const u64 pfn = taken->base + (u64)first * taken->piece;
	u32 i;

	count = min(count, 0xffffffU / taken->piece);
	if (hvb_batch_full(batch) || first + count > PIECES)
		return;
	if (!batch_may_add(batch, pfn, (u64)count * taken->piece))
		return;
	for (i = first; i < first + count; i++)
		if (taken->given[i])
			return;

	memset(taken->given + first, true, count);
	taken->pages += (u64)count * taken->piece;
	hvb_batch_add(batch, pfn, count * taken->piece);
}

/* A range of a message to the host: takes the pieces in it out of what was given. */
static void taken_name(struct kunit *test, struct taken *taken, u64 word)
{
	const u64 start = (word & 0xffffffffff) - taken->base, count = word >> 40;
	u32 i;

	KUNIT_ASSERT_EQ(test, start % taken->piece, 0);
	KUNIT_ASSERT_EQ(test, count % taken->piece, 0);
	KUNIT_ASSERT_LE(test, start + count, (u64)PIECES * taken->piece);
	for (i = start / taken->piece; i < (start + count) / taken->piece; i++) {
		KUNIT_ASSERT_TRUE(test, taken->given[i]);
		taken->given[i] = false;
	}
	taken->pages -= count;
}

/* All messages of the batch: they name what was given, each page once. */
static void check_messages(struct kunit *test, struct taken *taken,
			   const struct hvb_batch *batch)
{
	u8 *bytes = kunit_kmalloc(test, LENGTH_MAX, GFP_KERNEL);
	u32 sent, part, i;

	for (sent = 0; sent < batch->nr; sent += part) {
		part = min(batch->nr - sent, (u32)RANGES_MAX);
		KUNIT_ASSERT_LE(test, hvb_encode_balloon((void *)bytes, &batch->ranges[sent], part,
							 false),
				LENGTH_MAX);
		for (i = 0; i < part; i++)
			taken_name(test, taken, get_le(bytes + 16 + 8 * i, 8));
	}
	KUNIT_ASSERT_EQ(test, taken->pages, 0);
	for (i = 0; i < PIECES; i++)
		KUNIT_ASSERT_FALSE(test, taken->given[i]);
}

static void check_batch(struct kunit *test, struct fuzz_input *input)
{
	struct hvb_batch *batch = kunit_kmalloc(test, sizeof(*batch), GFP_KERNEL);
	const unsigned int place = fuzz_take(input, 1);
	struct taken *taken = taken_new(test, place);

	batch_set_limits(batch, place);
	while (input->left) {
		const u32 first = fuzz_take(input, 2) % PIECES;

		taken_add(taken, batch, first, 1 + fuzz_take(input, 2) % 1024);
		KUNIT_ASSERT_EQ(test, (u64)batch->pages, taken->pages);
	}
	batch_merge(test, batch);
	check_messages(test, taken, batch);
}

void fuzz_one(struct kunit *test, const u8 *bytes, size_t len)
{
	struct fuzz_input input = { bytes, len };

	check_figures(test, &input);
	check_batch(test, &input);
}
