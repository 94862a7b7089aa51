// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bookkeeping of regions. The first byte of the input says where the memory
 * lies and how long its blocks are; then three bytes are one event,
 * to the regions or to a set of page frames apart from them. After each, all has
 * to be as in the bitmaps.
 */
#include "../unit/region_model.h"
#include "fuzz.h"

#define CHANGES_MAX	64	/* what is behind that makes it only slower */

enum change {
	ADD_BLOCK,
	FILL,
	ONLINE,
	OFFLINE,
	DROP_BLOCK,
	SET_ADD,
	SET_REMOVE,
	TAKE,
	RETURN,
	CHANGES,
};

/**
 * struct stage - what an input plays on
 * @world: regions
 * @set: page frames that have nothing to do with them
 * @model: what that should be
 */
struct stage {
	struct world world;
	struct hvb_extents set;
	struct model model;
};

/* @place: two bits for the lowest page frame, one for the step, two for blocks. */
static void stage_init(struct stage *stage, unsigned int place)
{
	static const unsigned int block_steps[] = { 4, 6, 8, 64 };
	const u64 unit = place & 4 ? 512 : 1;
	const u64 bases[] = { 0, 1, (1ULL << 32) - 4, LAST_FRAME + 1 - unit * STEPS };

	*stage = (struct stage) {
		.model = { .base = bases[place & 3], .unit = unit },
	};
	world_init(&stage->world, bases[place & 3], unit, block_steps[place >> 3 & 3]);
}

/* From @first, at least one, at most up to @end. */
static unsigned int span_end(unsigned int first, unsigned int end, unsigned int length)
{
	return first + 1 + length % (end - first);
}

static void change_block(struct kunit *test, struct world *world, enum change change,
			 unsigned int block, unsigned int part)
{
	const unsigned int steps = world->block_steps, first = part % steps;
	const bool known = (world->added | world->gaps) & world_span(world, block);

	if (change == ADD_BLOCK && !known)
		world_add(test, world, block, first, span_end(first, steps, part / steps));
	else if (change == ONLINE && known)
		world_online(test, world, block);
	else if (change == OFFLINE)
		world_offline(test, world, block);
	else if (change == DROP_BLOCK)
		world_drop(test, world, block);
}

static void change_one(struct kunit *test, struct stage *stage, struct fuzz_input *input)
{
	const enum change change = fuzz_take(input, 1) % CHANGES;
	const unsigned int where = fuzz_take(input, 1), part = fuzz_take(input, 1);
	const unsigned int first = where % STEPS, end = span_end(first, STEPS, part);
	const unsigned int blocks = STEPS / stage->world.block_steps;

	switch (change) {
	case FILL:
		world_fill(test, &stage->world, first, end);
		break;
	case TAKE:
		world_take(test, &stage->world, first, end);
		break;
	case RETURN:
		world_return(test, &stage->world, first, end);
		break;
	case SET_ADD:
	case SET_REMOVE:
		set_change(test, &stage->set, &stage->model, change == SET_ADD, first, end);
		query_check(test, &stage->set, &stage->model, part % STEPS, STEPS);
		break;
	default:
		change_block(test, &stage->world, change, where % blocks, part);
	}
}

static void check_sets(struct kunit *test, const struct world *world)
{
	world_check_set(test, world, &world->regions.added, world->added);
	world_check_set(test, world, &world->regions.gaps, world->gaps);
	world_check_set(test, world, &world->regions.ballooned, world->taken);
	world_check_set(test, world, &world->regions.online, world->online);
}

void fuzz_one(struct kunit *test, const u8 *bytes, size_t len)
{
	struct fuzz_input input = { bytes, len };
	struct stage stage;
	unsigned int i;

	stage_init(&stage, fuzz_take(&input, 1));
	for (i = 0; i < CHANGES_MAX && input.left; i++) {
		change_one(test, &stage, &input);
		check_sets(test, &stage.world);
	}

	world_check(test, &stage.world);
	for (i = 0; i < STEPS; i++)
		query_check(test, &stage.set, &stage.model, i, STEPS);
}
