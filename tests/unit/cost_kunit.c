// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the cost floor: what is usual, what is costly, how long inflating pauses.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "../../lib/cost.h"

#define LIMIT	512		/* pages per second that are always allowed */
#define MUCH	10000
#define S	1000ULL		/* ms */

/* A guest whose pages are read again at some rate. */
struct reader {
	struct hvb_cost cost;
	u64 ms;
	u64 count;
};

static void begin_to_read(struct reader *reader)
{
	*reader = (struct reader) { .ms = 100 * S, .count = 1000000 };
	hvb_cost_init(&reader->cost, reader->ms, reader->count);
}

static void pass(struct reader *reader, u64 ms, u64 rate)
{
	reader->ms += ms;
	reader->count += rate * ms / 1000;
}

static enum hvb_cost_look look(struct reader *reader)
{
	return hvb_cost_look(&reader->cost, reader->ms, reader->count);
}

static void begin(struct reader *reader)
{
	hvb_cost_begin(&reader->cost, reader->ms, reader->count);
}

static void end(struct reader *reader)
{
	hvb_cost_end(&reader->cost, reader->ms, reader->count);
}

static bool over(struct reader *reader)
{
	return hvb_cost_begin_pause(&reader->cost, reader->ms);
}

static bool pauses(struct reader *reader)
{
	return hvb_cost_pauses(&reader->cost, reader->ms);
}

static void nothing_is_read(struct kunit *test)
{
	struct reader reader;
	int i;

	begin_to_read(&reader);
	begin(&reader);
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_EQ(test, look(&reader), i && i % 10 == 0 ? HVB_COST_LOW_SECOND :
									HVB_COST_LOW);
		KUNIT_EXPECT_FALSE(test, over(&reader));
		pass(&reader, 100, 0);
	}
	KUNIT_EXPECT_FALSE(test, pauses(&reader));
}

/* Seen within the second, as soon as the pages are too many. */
static void costly_at_once(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	begin(&reader);
	reader.count += LIMIT;
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_LOW);
	reader.count++;
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
	KUNIT_EXPECT_FALSE(test, over(&reader));
}

/* What follows a costly second must be a whole one without cost. */
static void costly_for_a_second(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	begin(&reader);
	pass(&reader, S, MUCH);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
	pass(&reader, S - 1, 0);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
	pass(&reader, 1, 0);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_LOW_SECOND);
}

static void three_seconds_end_it(struct kunit *test)
{
	struct reader reader;
	int i;

	begin_to_read(&reader);
	begin(&reader);
	for (i = 1; i <= 3; i++) {
		pass(&reader, S, MUCH);
		KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
		KUNIT_EXPECT_EQ(test, over(&reader), i == 3);
	}
	KUNIT_EXPECT_TRUE(test, pauses(&reader));
}

/* Taken, read again, taken: as costly as if it went on. */
static void now_and_then(struct kunit *test)
{
	struct reader reader;
	int seconds;

	begin_to_read(&reader);
	begin(&reader);
	for (seconds = 0; !over(&reader) && seconds < 60; seconds++) {
		pass(&reader, S, seconds % 2 ? 0 : MUCH);
		look(&reader);
	}
	KUNIT_EXPECT_LT(test, seconds, 12);
}

/* A program that starts, once in a while. */
static void seldom(struct kunit *test)
{
	struct reader reader;
	int i;

	begin_to_read(&reader);
	begin(&reader);
	for (i = 0; i < 100; i++) {
		pass(&reader, S, i % 4 ? 0 : MUCH);
		look(&reader);
		KUNIT_EXPECT_FALSE(test, over(&reader));
	}
}

/* Small requests, one after the other: each ends before a second has passed. */
static void many_small_requests(struct kunit *test)
{
	struct reader reader;
	bool ended = false;
	int i;

	begin_to_read(&reader);
	for (i = 0; i < 100 && !ended; i++) {
		begin(&reader);
		ended = look(&reader) == HVB_COST_HIGH && over(&reader);
		pass(&reader, 100, MUCH);
		end(&reader);
		pass(&reader, 900, MUCH);
	}
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_LT(test, i, 6);
}

/* What goes on for long between operations is not the balloon's doing. */
static void usual_after_minutes(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	pass(&reader, 300 * S, MUCH);
	begin(&reader);
	KUNIT_EXPECT_EQ(test, reader.cost.usual, (u64)MUCH);
	pass(&reader, S, 2 * MUCH + LIMIT);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_LOW_SECOND);
	pass(&reader, S, 2 * MUCH + LIMIT + 1);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
}

/* What the balloon caused is not usual a pause later. */
static void not_usual_after_a_pause(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	pass(&reader, 10 * S, MUCH);
	begin(&reader);
	KUNIT_EXPECT_LT(test, reader.cost.usual, MUCH / 20ULL);
	pass(&reader, S, MUCH);
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
}

static void usual_falls_within_seconds(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	pass(&reader, 300 * S, MUCH);
	begin(&reader);
	end(&reader);
	pass(&reader, 10 * S, 0);
	begin(&reader);
	KUNIT_EXPECT_EQ(test, reader.cost.usual, 0ULL);
}

/* Operations within a second change nothing of what is usual. */
static void too_short_to_learn(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	pass(&reader, S - 1, MUCH);
	begin(&reader);
	KUNIT_EXPECT_EQ(test, reader.cost.usual, 0ULL);
	KUNIT_EXPECT_EQ(test, reader.cost.score, 0U);
}

static void cost_until_over(struct kunit *test, struct reader *reader)
{
	int i;

	begin(reader);
	for (i = 0; i < 10 && !over(reader); i++) {
		pass(reader, S, MUCH);
		look(reader);
	}
	KUNIT_EXPECT_TRUE(test, pauses(reader));
}

static void expect_pause(struct kunit *test, struct reader *reader, u64 ms)
{
	pass(reader, ms - 1, 0);
	KUNIT_EXPECT_TRUE(test, pauses(reader));
	pass(reader, 1, 0);
	KUNIT_EXPECT_FALSE(test, pauses(reader));
}

/* Longer each time that it ends like that again; short again after a while. */
static void pauses_grow(struct kunit *test)
{
	static const u64 lengths[] = { 10 * S, 20 * S, 40 * S, 40 * S };
	struct reader reader;
	unsigned int i;

	begin_to_read(&reader);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		cost_until_over(test, &reader);
		expect_pause(test, &reader, lengths[i]);
	}
	pass(&reader, 40 * S, 0);
	cost_until_over(test, &reader);
	expect_pause(test, &reader, 10 * S);
}

/* Counters that jump, and nothing overflows. */
static void largest(struct kunit *test)
{
	struct reader reader;

	begin_to_read(&reader);
	reader.count += 1ULL << 63;
	reader.ms += 1ULL << 50;
	begin(&reader);
	KUNIT_EXPECT_LE(test, reader.cost.usual, 64ULL << 20);
	reader.count += 1ULL << 62;
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
	reader.ms += S;
	KUNIT_EXPECT_EQ(test, look(&reader), HVB_COST_HIGH);
}

static struct kunit_case cost_cases[] = {
	KUNIT_CASE(nothing_is_read),
	KUNIT_CASE(costly_at_once),
	KUNIT_CASE(costly_for_a_second),
	KUNIT_CASE(three_seconds_end_it),
	KUNIT_CASE(now_and_then),
	KUNIT_CASE(seldom),
	KUNIT_CASE(many_small_requests),
	KUNIT_CASE(usual_after_minutes),
	KUNIT_CASE(not_usual_after_a_pause),
	KUNIT_CASE(usual_falls_within_seconds),
	KUNIT_CASE(too_short_to_learn),
	KUNIT_CASE(pauses_grow),
	KUNIT_CASE(largest),
	{}
};

static struct kunit_suite cost_suite = {
	.name = "hv_balloon_cost",
	.test_cases = cost_cases,
};

kunit_test_suite(cost_suite);
