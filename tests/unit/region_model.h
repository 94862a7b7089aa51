/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of page frames, the bookkeeping of regions, and bitmaps that say what
 * they should be. Lists have exactly the room that was promised to them.
 */
#ifndef _HVB_REGION_MODEL_H
#define _HVB_REGION_MODEL_H

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "../../lib/region.h"
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

/* One change of both, with room for one more extent, as promised. */
static inline void set_change(struct kunit *test, struct hvb_extents *set, struct model *model,
			      bool add, unsigned int first, unsigned int end)
{
	const u64 from = model_frame(model, first), to = model_frame(model, end);
	const u64 span = hvb_bitmap_span(first, end);
	const unsigned int nr = set->nr;
	u64 pages, changed;

	set_reserve(test, set, 1);
	KUNIT_ASSERT_TRUE(test, hvb_extents_has_room(set));

	changed = span & (add ? ~model->bits : model->bits);
	model->bits = add ? model->bits | span : model->bits & ~span;
	pages = add ? hvb_extents_add(set, from, to) : hvb_extents_remove(set, from, to);

	KUNIT_ASSERT_EQ_MSG(test, pages, hvb_bitmap_weight(changed) * model->unit,
			    "%s %u to %u", add ? "add" : "remove", first, end);
	KUNIT_ASSERT_LE_MSG(test, set->nr, nr + 1, "room for %u extents", nr + 1);
	set_check(test, set, model);
}

static inline void query_check(struct kunit *test, const struct hvb_extents *set,
			       const struct model *model, unsigned int first, unsigned int end)
{
	const u64 from = model_frame(model, first), to = model_frame(model, end);
	const u64 in = model->bits & hvb_bitmap_span(first, end);
	u64 stop = to;

	KUNIT_ASSERT_EQ_MSG(test, hvb_extents_pages_in(set, from, to),
			    hvb_bitmap_weight(in) * model->unit, "%u to %u", first, end);
	if (first == end)
		return;
	KUNIT_ASSERT_EQ_MSG(test, hvb_extents_span(set, from, &stop),
			    hvb_bitmap_has(model->bits, first), "%u to %u", first, end);
	KUNIT_ASSERT_EQ_MSG(test, stop,
			    model_frame(model, hvb_bitmap_run(model->bits, first, end)),
			    "%u to %u", first, end);
}

/* Regions ---------------------------------------------------------------- */

#define STEPS		HVB_BITMAP_BITS

/**
 * struct world - the bookkeeping and what it should be
 * @regions: under test
 * @base: page frame of the first step
 * @unit: pages of a step
 * @block_steps: steps of a block
 * @added: steps that were added
 * @gaps: steps that the guest must not touch
 * @taken: steps of these whose memory the host has taken back
 * @online: steps of blocks that are online
 */
struct world {
	struct hvb_regions regions;
	u64 base;
	u64 unit;
	unsigned int block_steps;
	u64 added;
	u64 gaps;
	u64 taken;
	u64 online;
};

static inline u64 world_frame(const struct world *world, unsigned int step)
{
	return world->base + world->unit * step;
}

static inline u64 world_span(const struct world *world, unsigned int block)
{
	const unsigned int first = block * world->block_steps;

	return hvb_bitmap_span(first, first + world->block_steps);
}

static inline void world_init(struct world *world, u64 base, u64 unit,
			      unsigned int block_steps)
{
	*world = (struct world) {
		.regions.block_pages = unit * block_steps,
		.base = base,
		.unit = unit,
		.block_steps = block_steps,
	};
}

static inline void world_free(struct kunit *test, struct world *world)
{
	set_free(test, &world->regions.added);
	set_free(test, &world->regions.gaps);
	set_free(test, &world->regions.ballooned);
	set_free(test, &world->regions.online);
}

/* The host gives steps @first to @end of a new block. */
static inline void world_add(struct kunit *test, struct world *world, unsigned int block,
			     unsigned int first, unsigned int end)
{
	const unsigned int at = block * world->block_steps;

	set_reserve(test, &world->regions.added, 1);
	set_reserve(test, &world->regions.gaps, 2);
	hvb_regions_add_block(&world->regions, world_frame(world, at),
			      world_frame(world, at + first), world_frame(world, at + end));

	world->added |= world_span(world, block);
	world->gaps |= world_span(world, block) & ~hvb_bitmap_span(at + first, at + end);
}

/* The host gives more steps, wherever they are: what it has taken is not among them. */
static inline void world_fill(struct kunit *test, struct world *world,
			      unsigned int first, unsigned int end)
{
	unsigned int step;

	for (step = first; step < end; step++) {
		const u64 bit = hvb_bitmap_span(step, step + 1);

		if (world->taken & bit)
			continue;
		set_reserve(test, &world->regions.gaps, 1);
		KUNIT_ASSERT_EQ(test, hvb_extents_remove(&world->regions.gaps,
							 world_frame(world, step),
							 world_frame(world, step + 1)),
				world->gaps & bit ? world->unit : 0);
		world->gaps &= ~bit;
	}
}

/* The host has some steps of blocks that go offline, of any driver. */
static inline void world_take(struct kunit *test, struct world *world,
			      unsigned int first, unsigned int end)
{
	unsigned int step;

	for (step = first; step < end; step++) {
		const u64 bit = hvb_bitmap_span(step, step + 1);

		if (world->gaps & bit)
			continue;
		set_reserve(test, &world->regions.gaps, 1);
		set_reserve(test, &world->regions.ballooned, 1);
		hvb_regions_detach(&world->regions, world_frame(world, step),
				 world_frame(world, step + 1));
		world->gaps |= bit;
		world->taken |= bit;
	}
}

/* The host returns what it has taken of some steps: they are gaps like others then. */
static inline void world_return(struct kunit *test, struct world *world,
				unsigned int first, unsigned int end)
{
	const u64 span = hvb_bitmap_span(first, end);

	set_reserve(test, &world->regions.ballooned, 1);
	KUNIT_ASSERT_EQ(test, hvb_extents_remove(&world->regions.ballooned,
						 world_frame(world, first),
						 world_frame(world, end)),
			world->unit * hvb_bitmap_weight(world->taken & span));
	world->taken &= ~span;
}

static inline void world_online(struct kunit *test, struct world *world, unsigned int block)
{
	const u64 start = world_frame(world, block * world->block_steps);

	set_reserve(test, &world->regions.online, 1);
	hvb_extents_add(&world->regions.online, start, start + world->regions.block_pages);
	world->online |= world_span(world, block);
}

static inline void world_offline(struct kunit *test, struct world *world, unsigned int block)
{
	const u64 start = world_frame(world, block * world->block_steps);

	set_reserve(test, &world->regions.online, 1);
	hvb_extents_remove(&world->regions.online, start, start + world->regions.block_pages);
	world->online &= ~world_span(world, block);
}

static inline void world_drop(struct kunit *test, struct world *world, unsigned int block)
{
	const u64 span = world_span(world, block);

	set_reserve(test, &world->regions.added, 1);
	set_reserve(test, &world->regions.gaps, 1);
	set_reserve(test, &world->regions.ballooned, 1);
	set_reserve(test, &world->regions.online, 1);
	hvb_regions_drop_block(&world->regions,
			       world_frame(world, block * world->block_steps));
	world->added &= ~span;
	world->gaps &= ~span;
	world->taken &= ~span;
	world->online &= ~span;
}

static inline enum hvb_backing world_backing(const struct world *world, unsigned int step)
{
	if (hvb_bitmap_has(world->taken, step))
		return HVB_BALLOONED_OFFLINE;
	if (hvb_bitmap_has(world->gaps, step))
		return HVB_GAP;
	return hvb_bitmap_has(world->added, step) ? HVB_BACKED : HVB_FOREIGN;
}

/* From a step, and from inside it, up to the end of another or inside that. */
static inline void world_check_run(struct kunit *test, const struct world *world,
				   unsigned int step, unsigned int last)
{
	const enum hvb_backing backing = world_backing(world, step);
	const u64 inside = last > step ? 1 : 0;
	unsigned int stop = step;
	u64 end;

	while (stop <= last && world_backing(world, stop) == backing)
		stop++;

	end = world_frame(world, last + 1);
	KUNIT_ASSERT_EQ(test, hvb_regions_span(&world->regions, world_frame(world, step), &end),
			backing);
	KUNIT_ASSERT_EQ(test, end, world_frame(world, stop));

	end = world_frame(world, last + 1) - inside;
	KUNIT_ASSERT_EQ(test, hvb_regions_span(&world->regions,
					      world_frame(world, step) + world->unit - 1, &end),
			backing);
	KUNIT_ASSERT_EQ(test, end, world_frame(world, stop) - (stop > last ? inside : 0));
}

static inline void world_check_set(struct kunit *test, const struct world *world,
				   const struct hvb_extents *set, u64 bits)
{
	const struct model model = { world->base, world->unit, bits };

	set_check(test, set, &model);
}

static inline void world_check_block(struct kunit *test, const struct world *world,
				     unsigned int block)
{
	const u64 start = world_frame(world, block * world->block_steps);
	const u64 last = start + world->regions.block_pages - 1;
	const u64 span = world_span(world, block);
	const bool added = world->added & span;

	KUNIT_ASSERT_EQ(test, hvb_regions_is_hot_added(&world->regions, start), added);
	KUNIT_ASSERT_EQ(test, hvb_regions_is_hot_added(&world->regions, last), added);
	KUNIT_ASSERT_EQ(test, hvb_regions_is_partial(&world->regions, start),
			!!(world->gaps & span));
}

static inline void world_check(struct kunit *test, const struct world *world)
{
	const u64 usable = world->added & ~world->gaps;
	unsigned int i;

	world_check_set(test, world, &world->regions.added, world->added);
	world_check_set(test, world, &world->regions.gaps, world->gaps);
	world_check_set(test, world, &world->regions.ballooned, world->taken);
	world_check_set(test, world, &world->regions.online, world->online);

	for (i = 0; i < STEPS / world->block_steps; i++)
		world_check_block(test, world, i);
	for (i = 0; i < STEPS; i++) {
		world_check_run(test, world, i, STEPS - 1);
		world_check_run(test, world, i, min(i + 2, STEPS - 1));
		world_check_run(test, world, i, i);
	}

	KUNIT_ASSERT_EQ(test, hvb_regions_backed(&world->regions),
			world->unit * hvb_bitmap_weight(world->added & (usable | world->taken)));
	KUNIT_ASSERT_EQ(test, hvb_regions_offline(&world->regions),
			world->unit * hvb_bitmap_weight(usable & ~world->online));
}

#endif /* _HVB_REGION_MODEL_H */
