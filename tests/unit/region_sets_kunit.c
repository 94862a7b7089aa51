// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of page frames against a bitmap, which does the same in the simplest
 * way. The suite goes on in region_kunit.c, under the same name.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "prng.h"
#include "region_kunit.h"

/* Builds @set from @model, without the functions under test. */
static void set_build(struct kunit *test, struct hvb_extents *set,
		      const struct model *model)
{
	unsigned int i, end;

	set_free(test, set);
	set_reserve(test, set, HVB_BITMAP_BITS / 2);
	for (i = 0; i < HVB_BITMAP_BITS; i = end) {
		end = hvb_bitmap_run(model->bits, i, HVB_BITMAP_BITS);
		if (hvb_bitmap_has(model->bits, i))
			set->list[set->nr++] = (struct hvb_extent) {
				model_frame(model, i), model_frame(model, end),
			};
	}
}

static void place_model(struct kunit *test, struct model *model)
{
	const struct place_case *row = test->param_value;

	*model = (struct model) { .base = row->base, .unit = 1 };
}

static void empty_set(struct kunit *test)
{
	struct hvb_extents set = {};
	u64 end = 1000;

	KUNIT_EXPECT_FALSE(test, hvb_extents_has_room(&set));
	KUNIT_EXPECT_EQ(test, hvb_extents_pages(&set), 0);
	KUNIT_EXPECT_EQ(test, hvb_extents_pages_in(&set, 0, LAST_FRAME + 1), 0);
	KUNIT_EXPECT_FALSE(test, hvb_extents_span(&set, 0, &end));
	KUNIT_EXPECT_EQ(test, end, 1000);

	set_reserve(test, &set, 1);
	KUNIT_EXPECT_TRUE(test, hvb_extents_has_room(&set));
	KUNIT_EXPECT_EQ(test, hvb_extents_remove(&set, 0, LAST_FRAME + 1), 0);
	KUNIT_EXPECT_EQ(test, set.nr, 0);
	KUNIT_EXPECT_EQ(test, hvb_extents_add(&set, 0, LAST_FRAME + 1), LAST_FRAME + 1);
	KUNIT_EXPECT_EQ(test, set.nr, 1);
	KUNIT_EXPECT_FALSE(test, hvb_extents_has_room(&set));
}

static const struct change_case {
	const char *name;
	bool add;
	const char *before;
	const char *range;
	const char *after;
	unsigned int nr;
} change_cases[] = {
	{ "add to nothing", true,
	  "........", "..##....", "..##....", 1 },
	{ "add at the start", true,
	  "........", "#.......", "#.......", 1 },
	{ "add before, with a hole", true,
	  "....##..", "..#.....", "..#.##..", 2 },
	{ "add before, touching", true,
	  "....##..", "..##....", "..####..", 1 },
	{ "add before, overlapping", true,
	  "....##..", "..###...", "..####..", 1 },
	{ "add over the same start", true,
	  "....##..", "....###.", "....###.", 1 },
	{ "add the same", true,
	  "....##..", "....##..", "....##..", 1 },
	{ "add inside", true,
	  "..####..", "...##...", "..####..", 1 },
	{ "add around", true,
	  "...##...", "..####..", "..####..", 1 },
	{ "add behind, overlapping", true,
	  "..##....", "...##...", "..###...", 1 },
	{ "add behind, touching", true,
	  "..##....", "....##..", "..####..", 1 },
	{ "add behind, with a hole", true,
	  "..##....", ".....##.", "..##.##.", 2 },
	{ "add into a hole", true,
	  "##....##", "...##...", "##.##.##", 3 },
	{ "add into a hole, touching below", true,
	  "##....##", "..##....", "####..##", 2 },
	{ "add into a hole, touching above", true,
	  "##....##", "....##..", "##..####", 2 },
	{ "fill a hole", true,
	  "##....##", "..####..", "########", 1 },
	{ "fill a hole and more", true,
	  "##....##", ".######.", "########", 1 },
	{ "add over several", true,
	  "#.#.#.#.", "..#####.", "#.#####.", 2 },
	{ "add over all", true,
	  "#.#.#.#.", "########", "########", 1 },
	{ "remove from nothing", false,
	  "........", "..##....", "........", 0 },
	{ "remove the only one", false,
	  "..##....", "..##....", "........", 0 },
	{ "remove around", false,
	  "...##...", "..####..", "........", 0 },
	{ "remove before, touching", false,
	  "....##..", "..##....", "....##..", 1 },
	{ "remove before, overlapping", false,
	  "....##..", "..###...", ".....#..", 1 },
	{ "remove the start", false,
	  "..####..", "..#.....", "...###..", 1 },
	{ "remove the middle", false,
	  "..####..", "...##...", "..#..#..", 2 },
	{ "remove the end", false,
	  "..####..", ".....#..", "..###...", 1 },
	{ "remove behind, overlapping", false,
	  "..##....", "...##...", "..#.....", 1 },
	{ "remove behind, touching", false,
	  "..##....", "....##..", "..##....", 1 },
	{ "remove a hole", false,
	  "##....##", "..####..", "##....##", 2 },
	{ "remove over a hole", false,
	  "##....##", ".######.", "#......#", 2 },
	{ "remove several", false,
	  "#.#.#.#.", "..#####.", "#.......", 1 },
	{ "remove from one to the next but one", false,
	  "###.#.##", ".######.", "#......#", 2 },
	{ "remove all", false,
	  "#.#.#.#.", "########", "........", 0 },
};

static void change_describe(const struct change_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(change, change_cases, change_describe);

static void change_at(struct kunit *test, u64 base)
{
	const struct change_case *row = test->param_value;
	struct model model = { base, 1, hvb_bitmap_draw(row->before) };
	struct hvb_extents set = {};
	unsigned int first, end;

	set_build(test, &set, &model);
	hvb_bitmap_ends(hvb_bitmap_draw(row->range), &first, &end);
	set_change(test, &set, &model, row->add, first, end);
	KUNIT_EXPECT_EQ(test, model.bits, hvb_bitmap_draw(row->after));
	KUNIT_EXPECT_EQ(test, set.nr, row->nr);
	set_free(test, &set);
}

static void change_table(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(place_cases); i++)
		change_at(test, place_cases[i].base);
	/* The pictures show 8 frames: these end with page frame 2^40 - 1. */
	change_at(test, LAST_FRAME + 1 - 8);
}

#define SMALL	8

/* Each of the 256 sets of 8 frames, each range of them, added and removed. */
static void every_change(struct kunit *test)
{
	struct hvb_extents set = {};
	unsigned int bits, first, end, add;
	struct model model;

	place_model(test, &model);
	for (bits = 0; bits < 1 << SMALL; bits++)
		for (first = 0; first < SMALL; first++)
			for (end = first + 1; end <= SMALL; end++)
				for (add = 0; add <= 1; add++) {
					model.bits = bits;
					set_build(test, &set, &model);
					set_change(test, &set, &model, add, first, end);
				}
}

/* Each of the 256 sets, each range: how much is in it, how far it goes on. */
static void every_query(struct kunit *test)
{
	struct hvb_extents set = {};
	unsigned int bits, first, end;
	struct model model;

	place_model(test, &model);
	for (bits = 0; bits < 1 << SMALL; bits++) {
		model.bits = bits;
		set_build(test, &set, &model);
		for (first = 0; first <= SMALL + 1; first++)
			for (end = first; end <= SMALL + 2; end++)
				query_check(test, &set, &model, first, end);
	}
}

#define RANDOM_CHANGES	5000

static void random_changes(struct kunit *test)
{
	struct hvb_prng prng = { HVB_PRNG_SEED };
	struct hvb_extents set = {};
	struct model model;
	unsigned int i, first, length, most = 0;

	kunit_info(test, "seed %#llx\n", HVB_PRNG_SEED);
	place_model(test, &model);
	for (i = 0; i < RANDOM_CHANGES; i++) {
		first = hvb_prng_below(&prng, HVB_BITMAP_BITS);
		length = 1 + hvb_prng_below(&prng, hvb_prng_below(&prng, 8) ? 4 : 64);
		length = min(length, HVB_BITMAP_BITS - first);
		set_change(test, &set, &model, hvb_prng_below(&prng, 2), first,
			   first + length);
		query_check(test, &set, &model, first / 2, HVB_BITMAP_BITS - first / 4);
		most = max(most, set.nr);
	}
	KUNIT_EXPECT_GE(test, most, 12);
}

static struct kunit_case sets_cases[] = {
	KUNIT_CASE(empty_set),
	KUNIT_CASE_PARAM(change_table, change_gen_params),
	KUNIT_CASE_PARAM(every_change, place_gen_params),
	KUNIT_CASE_PARAM(every_query, place_gen_params),
	KUNIT_CASE_PARAM(random_changes, place_gen_params),
	{}
};

static struct kunit_suite sets_suite = {
	.name = "hv_balloon_region",
	.test_cases = sets_cases,
};

kunit_test_suite(sets_suite);
