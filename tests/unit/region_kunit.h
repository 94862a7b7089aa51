/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of page frames and the bitmap that says what it should be. Lists have
 * exactly the room that was promised to them.
 */
#ifndef _HVB_REGION_KUNIT_H
#define _HVB_REGION_KUNIT_H

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "../../region.h"
#include "bitmap.h"

#define LAST_FRAME	((1ULL << 40) - 1)

/**
 * struct model - what a set should be
 * @base: page frame of the first bit
 * @unit: page frames for which a bit stands
 * @bits: what is in the set
 */
struct model {
	u64 base;
	u64 unit;
	u64 bits;
};

static inline u64 model_frame(const struct model *model, unsigned int bit)
{
	return model->base + model->unit * bit;
}

static inline void set_free(struct kunit *test, struct hvb_extents *set)
{
	if (set->list)
		kunit_kfree(test, set->list);
	*set = (struct hvb_extents) {};
}

/* A new list with room for @more extents and not one besides. */
static inline void set_reserve(struct kunit *test, struct hvb_extents *set,
			       unsigned int more)
{
	const unsigned int cap = set->nr + more;
	struct hvb_extent *list = kunit_kzalloc(test, cap * sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, list);
	if (set->list) {
		memcpy(list, set->list, set->nr * sizeof(*list));
		kunit_kfree(test, set->list);
	}
	set->list = list;
	set->cap = cap;
}

/* Ascending, disjoint, with holes in between, in its room, and as the model. */
static inline void set_check(struct kunit *test, const struct hvb_extents *set,
			     const struct model *model)
{
	u64 bits = 0;
	unsigned int i;

	KUNIT_ASSERT_LE(test, set->nr, set->cap);
	for (i = 0; i < set->nr; i++) {
		const struct hvb_extent *extent = &set->list[i];

		KUNIT_ASSERT_LT(test, extent->start, extent->end);
		KUNIT_ASSERT_GE(test, extent->start, model->base);
		KUNIT_ASSERT_LE(test, extent->end, model_frame(model, HVB_BITMAP_BITS));
		if (i)
			KUNIT_ASSERT_GT(test, extent->start, set->list[i - 1].end);
		bits |= hvb_bitmap_span((u32)(extent->start - model->base) / (u32)model->unit,
					(u32)(extent->end - model->base) / (u32)model->unit);
	}
	KUNIT_ASSERT_EQ(test, bits, model->bits);
	KUNIT_ASSERT_EQ(test, hvb_extents_pages(set),
			hvb_bitmap_weight(bits) * model->unit);
}

/* The same for every place that a set may be at. */
static const struct place_case {
	const char *name;
	u64 base;
} place_cases[] = {
	{ "from page frame 0", 0 },
	{ "from page frame 1", 1 },
	{ "over page frame 2^32", (1ULL << 32) - 4 },
	{ "up to page frame 2^40", LAST_FRAME + 1 - HVB_BITMAP_BITS },
};

static inline void place_describe(const struct place_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(place, place_cases, place_describe);

#endif /* _HVB_REGION_KUNIT_H */
