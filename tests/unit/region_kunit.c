// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bookkeeping of hot-added memory against bitmaps: blocks that come, grow
 * in any order, go online, go offline and go.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "prng.h"
#include "region_kunit.h"

#define STEP		512ULL	/* pages that a host gives at least: 2 MiB */

/*
 * Where a block grows, in steps of how many pages.
 *  block:	number of the block in its world
 *  below,
 *  above:	steps that the neighbour has, those next to the block missing
 *		first; less than 0 for no neighbour
 */
static const struct growth_case {
	const char *name;
	u64 base;
	u64 unit;
	unsigned int block;
	int below;
	int above;
} growth_cases[] = {
	{ "at page frame 0", 0, STEP, 0, -1, -1 },
	{ "alone", 1 << 20, STEP, 1, -1, -1 },
	{ "behind a full block", 1 << 20, STEP, 1, 6, -1 },
	{ "behind a block with a gap at its end", 1 << 20, STEP, 1, 3, -1 },
	{ "before a full block", 1 << 20, STEP, 1, -1, 6 },
	{ "before a block with a gap at its start", 1 << 20, STEP, 1, -1, 3 },
	{ "between two full blocks", 1 << 20, STEP, 1, 6, 6 },
	{ "between two gaps", 1 << 20, STEP, 1, 2, 2 },
	{ "up to page frame 2^40", LAST_FRAME + 1 - STEP * STEPS, STEP, 9, -1, -1 },
	{ "page by page, at page frame 0", 0, 1, 0, -1, -1 },
	{ "page by page, between two full blocks", 1 << 20, 1, 1, 6, 6 },
	{ "page by page, between two gaps", 1 << 20, 1, 1, 2, 2 },
	{ "page by page, up to page frame 2^40", LAST_FRAME + 1 - STEPS, 1, 9, -1, -1 },
};

#define GROWTH_STEPS	6

static void growth_describe(const struct growth_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(growth, growth_cases, growth_describe);

/* The world ends where its last block ends, so that this can be 2^40. */
static void growth_init(struct kunit *test, struct world *world)
{
	const struct growth_case *row = test->param_value;
	const u64 rest = STEPS % GROWTH_STEPS * row->unit;

	world_init(world, row->base ? row->base + rest : 0, row->unit, GROWTH_STEPS);
	if (row->below >= 0)
		world_add(test, world, row->block - 1, 0, row->below);
	if (row->above >= 0)
		world_add(test, world, row->block + 1, GROWTH_STEPS - row->above,
			  GROWTH_STEPS);
}

/* Order number @nr of the steps, of GROWTH_STEPS! */
static void growth_order(unsigned int nr, unsigned int *order)
{
	unsigned int i, k;

	for (i = 0; i < GROWTH_STEPS; i++) {
		order[i] = i;
		k = nr % (i + 1);
		nr /= i + 1;
		swap(order[i], order[k]);
	}
}

static void growth_run(struct kunit *test, struct world *world, const unsigned int *order)
{
	const struct growth_case *row = test->param_value;
	const unsigned int at = row->block * GROWTH_STEPS;
	unsigned int i;

	world_add(test, world, row->block, order[0], order[0] + 1);
	world_online(test, world, row->block);
	world_check(test, world);
	for (i = 1; i < GROWTH_STEPS; i++) {
		world_fill(test, world, at + order[i], at + order[i] + 1);
		world_check(test, world);
	}
	KUNIT_ASSERT_FALSE(test, world->gaps & world_span(world, row->block));
}

/* Each of the 720 orders in which a host can give 6 steps of a block. */
static void growth_every_order(struct kunit *test)
{
	unsigned int order[GROWTH_STEPS], nr;
	struct world world;

	for (nr = 0; nr < 720; nr++) {
		growth_init(test, &world);
		growth_order(nr, order);
		growth_run(test, &world, order);
		world_free(test, &world);
	}
}

/* Each run of steps as the first that a host gives, and the block forgotten. */
static void growth_every_start(struct kunit *test)
{
	const struct growth_case *row = test->param_value;
	struct world world;
	unsigned int first, end;

	for (first = 0; first < GROWTH_STEPS; first++)
		for (end = first + 1; end <= GROWTH_STEPS; end++) {
			growth_init(test, &world);
			world_add(test, &world, row->block, first, end);
			world_check(test, &world);
			world_drop(test, &world, row->block);
			world_check(test, &world);
			world_free(test, &world);
		}
}

/*
 * Blocks of 4 steps, as a host gives them one after the other.
 *  given:	steps with memory; an added block has at least one
 *  regions:	extents of what was added
 *  gap_runs:	extents of the gaps
 *  dropped:	steps that are left with memory after the second block is gone
 */
static const struct blocks_case {
	const char *name;
	const char *given;
	unsigned int regions;
	unsigned int gap_runs;
	const char *dropped;
} blocks_cases[] = {
	{ "one, full", "####", 1, 0, "####" },
	{ "one, gap at the start", ".###", 1, 1, ".###" },
	{ "one, gap at the end", "###.", 1, 1, "###." },
	{ "one, gaps at both ends", ".##.", 1, 2, ".##." },
	{ "two, full", "########", 1, 0, "####...." },
	{ "two, gap in between", "##....##", 1, 1, "##......" },
	{ "two, gap at the start", "..######", 1, 1, "..##...." },
	{ "two, gap at the end", "######..", 1, 1, "####...." },
	{ "two, gaps everywhere", ".##..##.", 1, 3, ".##....." },
	{ "two, apart", "####....####", 2, 0, "####....####" },
	{ "two, apart, with gaps", ".###....###.", 2, 2, ".###....###." },
	{ "three, full", "############", 1, 0, "####....####" },
	{ "three, gap in the middle one", "####.##.####", 1, 2, "####....####" },
	{ "three, gaps across both borders", "##...##...##", 1, 2, "##........##" },
};

static void blocks_describe(const struct blocks_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(blocks, blocks_cases, blocks_describe);

static void blocks_add(struct kunit *test, struct world *world, u64 given,
		       unsigned int block)
{
	const u64 part = given >> 4 * block & 0xf;
	unsigned int first, end;

	if (!part)
		return;
	hvb_bitmap_ends(part, &first, &end);
	world_add(test, world, block, first, end);
	world_online(test, world, block);
	world_check(test, world);
}

static void blocks_check(struct kunit *test, struct world *world, bool upwards)
{
	const struct blocks_case *row = test->param_value;
	const u64 given = hvb_bitmap_draw(row->given);
	unsigned int i;

	world_init(world, 1 << 20, STEP, 4);
	for (i = 0; i < 3; i++)
		blocks_add(test, world, given, upwards ? i : 2 - i);
	KUNIT_EXPECT_EQ(test, world->added & ~world->gaps, given);
	KUNIT_EXPECT_EQ(test, world->regions.added.nr, row->regions);
	KUNIT_EXPECT_EQ(test, world->regions.gaps.nr, row->gap_runs);

	world_drop(test, world, 1);
	world_check(test, world);
	KUNIT_EXPECT_EQ(test, world->added & ~world->gaps, hvb_bitmap_draw(row->dropped));
	world_free(test, world);
}

static void blocks_table(struct kunit *test)
{
	struct world world;

	blocks_check(test, &world, true);
	blocks_check(test, &world, false);
}

/* The runs as a reader meets them who goes from frame to frame. */
static void run_over_mixed(struct kunit *test)
{
	static const struct {
		enum hvb_backing backing;
		unsigned int steps;
	} expected[] = {
		{ HVB_FOREIGN, 4 }, { HVB_GAP, 1 }, { HVB_BACKED, 2 }, { HVB_GAP, 3 },
		{ HVB_BACKED, 2 }, { HVB_BALLOONED_OFFLINE, 1 }, { HVB_BACKED, 3 }, { HVB_FOREIGN, 8 },
		{ HVB_BACKED, 1 }, { HVB_BALLOONED_OFFLINE, 1 }, { HVB_GAP, 2 }, { HVB_FOREIGN, 1 },
		{ HVB_BALLOONED_OFFLINE, 2 }, { HVB_FOREIGN, 1 },
	};
	struct world world;
	u64 pos, end;
	int i;

	world_init(&world, 1 << 20, STEP, 4);
	world_add(test, &world, 3, 0, 4);
	world_add(test, &world, 1, 1, 3);
	world_add(test, &world, 2, 2, 4);
	world_add(test, &world, 6, 0, 2);
	world_take(test, &world, 12, 13);
	world_take(test, &world, 25, 28);
	world_take(test, &world, 29, 31);

	pos = world.base;
	for (i = 0; i < ARRAY_SIZE(expected); i++, pos = end) {
		end = world_frame(&world, 32);
		KUNIT_EXPECT_EQ_MSG(test, hvb_regions_span(&world.regions, pos, &end),
				    expected[i].backing, "run %d", i);
		KUNIT_EXPECT_EQ_MSG(test, end - pos, STEP * expected[i].steps,
				    "run %d", i);
	}
	KUNIT_EXPECT_EQ(test, pos, world_frame(&world, 32));
}

/* Online is of whole blocks, and a gap in them does not count. */
static void online_totals(struct kunit *test)
{
	struct world world;

	world_init(&world, 0, STEP, 4);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 0);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 0);

	world_add(test, &world, 0, 1, 3);
	world_add(test, &world, 1, 0, 4);
	world_add(test, &world, 2, 0, 1);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 7 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 7 * STEP);

	world_online(test, &world, 0);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 5 * STEP);
	world_online(test, &world, 2);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 4 * STEP);
	world_online(test, &world, 1);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 0);
	world_fill(test, &world, 8, 12);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 0);
	world_offline(test, &world, 1);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 4 * STEP);
	world_drop(test, &world, 0);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 8 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 4 * STEP);
	world_check(test, &world);
}

/* What the host takes of a block is the host's, whether the block is online or not. */
static void taken_totals(struct kunit *test)
{
	struct world world;

	world_init(&world, 0, STEP, 4);
	world_add(test, &world, 0, 0, 4);
	world_add(test, &world, 1, 0, 3);
	world_online(test, &world, 0);
	world_online(test, &world, 1);

	world_take(test, &world, 3, 10);
	world_check(test, &world);
	KUNIT_EXPECT_EQ(test, world.regions.ballooned.nr, 2);
	KUNIT_EXPECT_EQ(test, hvb_extents_pages(&world.regions.ballooned), 6 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 7 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 0);

	world_offline(test, &world, 0);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 7 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 3 * STEP);
	world_fill(test, &world, 0, 8);
	KUNIT_EXPECT_EQ(test, hvb_extents_pages(&world.regions.gaps), 6 * STEP);

	world_return(test, &world, 4, 6);
	world_fill(test, &world, 4, 6);
	world_check(test, &world);
	KUNIT_EXPECT_EQ(test, hvb_regions_backed(&world.regions), 8 * STEP);
	KUNIT_EXPECT_EQ(test, hvb_regions_offline(&world.regions), 3 * STEP);
	world_drop(test, &world, 1);
	world_check(test, &world);
	world_drop(test, &world, 0);
	world_check(test, &world);
}

#define RANDOM_STEPS	3000

/* One event of a block that is there. */
static void random_existing(struct kunit *test, struct world *world,
			    struct hvb_prng *prng, unsigned int block)
{
	const unsigned int first = hvb_prng_below(prng, STEPS);
	const unsigned int most = min(3U, STEPS - first);

	switch (hvb_prng_below(prng, 12)) {
	case 0:
		world_drop(test, world, block);
		break;
	case 1:
		world_offline(test, world, block);
		break;
	case 2:
	case 3:
		world_online(test, world, block);
		break;
	case 4:
	case 5:
		world_take(test, world, first, first + 1 + hvb_prng_below(prng, most));
		break;
	case 6:
	case 7:
		world_return(test, world, first, first + 1 + hvb_prng_below(prng, most));
		break;
	default:
		world_fill(test, world, first, first + 1 + hvb_prng_below(prng, most));
	}
}

static void random_world(struct kunit *test)
{
	const struct place_case *row = test->param_value;
	struct world world;
	struct hvb_prng prng = { HVB_PRNG_SEED };
	unsigned int i, block, first;

	kunit_info(test, "seed %#llx\n", HVB_PRNG_SEED);
	world_init(&world, row->base, 1, 8);

	for (i = 0; i < RANDOM_STEPS; i++) {
		block = hvb_prng_below(&prng, STEPS / 8);
		first = hvb_prng_below(&prng, 8);
		if ((world.added | world.gaps) & world_span(&world, block))
			random_existing(test, &world, &prng, block);
		else
			world_add(test, &world, block, first,
				  first + 1 + hvb_prng_below(&prng, 8 - first));
		world_check(test, &world);
	}
}

static struct kunit_case region_cases[] = {
	KUNIT_CASE_PARAM(growth_every_order, growth_gen_params),
	KUNIT_CASE_PARAM(growth_every_start, growth_gen_params),
	KUNIT_CASE_PARAM(blocks_table, blocks_gen_params),
	KUNIT_CASE(run_over_mixed),
	KUNIT_CASE(online_totals),
	KUNIT_CASE(taken_totals),
	KUNIT_CASE_PARAM(random_world, place_gen_params),
	{}
};

static struct kunit_suite region_suite = {
	.name = "hv_balloon_region",
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);
