// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the demand by use: how it follows a guest.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "../../lib/limits.h"
#include "../../lib/usage.h"

#define MIB	256ULL
#define GIB	(1024 * MIB)

/* One look at a guest; pages of the cache that do not limit anything. */
static struct hvb_usage look(u64 ms, u64 used)
{
	return (struct hvb_usage) { .now_ms = ms, .used = used, .file_pages = 64 * GIB };
}

static void update(struct hvb_use_model *model, u64 ms, u64 used)
{
	const struct hvb_usage usage = look(ms, used);

	hvb_use_model_update(model, &usage);
}

/* The first look is taken as it is: nothing has grown since. */
static void first_look(struct kunit *test)
{
	struct hvb_use_model model = {};

	update(&model, 123456789, GIB);
	KUNIT_EXPECT_EQ(test, model.used, GIB);
	KUNIT_EXPECT_EQ(test, model.cache, 0ULL);
	KUNIT_EXPECT_EQ(test, model.lead, 0ULL);
}

static void up_at_once(struct kunit *test)
{
	struct hvb_use_model model = {};

	update(&model, 0, GIB);
	update(&model, 100, 3 * GIB);
	KUNIT_EXPECT_EQ(test, model.used, 3 * GIB);
}

/* Down by an eighth in 5 s, however often it is looked, and all the way in the end. */
static void down_slowly(struct kunit *test)
{
	static const u64 steps_ms[] = { 5000, 1000, 100 };
	unsigned int i;
	u64 ms;

	for (i = 0; i < ARRAY_SIZE(steps_ms); i++) {
		struct hvb_use_model model = {};

		update(&model, 0, 8 * GIB);
		for (ms = steps_ms[i]; ms <= 5000; ms += steps_ms[i])
			update(&model, ms, 0);
		KUNIT_EXPECT_GE(test, model.used, 7 * GIB);
		KUNIT_EXPECT_LE(test, model.used, 7 * GIB + GIB / 8);
	}
}

static void down_to_the_end(struct kunit *test)
{
	struct hvb_use_model model = {};
	u64 second;

	update(&model, 0, 8 * GIB);
	for (second = 1; second <= 600; second++)
		update(&model, second * 1000, GIB);
	KUNIT_EXPECT_GE(test, model.used, GIB);
	KUNIT_EXPECT_LE(test, model.used, GIB + MIB);
	KUNIT_EXPECT_LE(test, model.lead, MIB);
}

/* After a long silence nothing of the past counts. */
static void long_silence(struct kunit *test)
{
	struct hvb_use_model model = {};

	update(&model, 0, 8 * GIB);
	update(&model, 3600 * 1000, GIB);
	KUNIT_EXPECT_EQ(test, model.used, GIB);
	KUNIT_EXPECT_EQ(test, model.lead, 0ULL);
}

/* A second look in the same millisecond, or a clock that stands still: no change. */
static void no_time(struct kunit *test)
{
	struct hvb_use_model model = {};

	update(&model, 1000, GIB);
	update(&model, 1000, 2 * GIB);
	KUNIT_EXPECT_EQ(test, model.used, GIB);
	update(&model, 500, 2 * GIB);
	KUNIT_EXPECT_EQ(test, model.used, GIB);
}

/* Steady growth leads by three seconds of it, whatever the interval. */
static void lead_of_growth(struct kunit *test)
{
	static const u64 steps_ms[] = { 1000, 100 };
	unsigned int i;
	u64 ms;

	for (i = 0; i < ARRAY_SIZE(steps_ms); i++) {
		struct hvb_use_model model = {};

		update(&model, 0, GIB);
		for (ms = steps_ms[i]; ms <= 10000; ms += steps_ms[i])
			update(&model, ms, GIB + 100 * MIB * ms / 1000);
		KUNIT_EXPECT_GE(test, model.lead, 295 * MIB);
		KUNIT_EXPECT_LE(test, model.lead, 300 * MIB);
	}
}

/* A program that pauses for a second goes on: the lead falls by a fifth of it. */
static void lead_over_a_pause(struct kunit *test)
{
	struct hvb_use_model model = {};
	u64 second, before;

	for (second = 0; second <= 20; second++)
		update(&model, second * 1000, GIB + second * 100 * MIB);
	before = model.lead;
	update(&model, 21 * 1000, GIB + 20 * 100 * MIB);
	KUNIT_EXPECT_GE(test, model.lead, before * 3 / 4);
	KUNIT_EXPECT_LE(test, model.lead, before * 7 / 8);
}

/*
 * Programs map and unmap more than any machine has, a thousand times a second: the rate
 * stays one that can be calculated with, and is gone when they are.
 */
static void growth_beyond_measure(struct kunit *test)
{
	static const u64 charges[] = { 1ULL << 44, 1ULL << 53, 1ULL << 63 };
	unsigned int i;
	u64 ms;

	for (i = 0; i < ARRAY_SIZE(charges); i++) {
		struct hvb_usage usage = look(0, GIB);
		struct hvb_use_model model = {};

		for (ms = 0; ms < 4000; ms++) {
			usage.now_ms = ms;
			usage.vm_committed = ms % 2 ? charges[i] : 0;
			hvb_use_model_update(&model, &usage);
		}
		KUNIT_EXPECT_EQ(test, model.lead, GIB / 4);
		usage.now_ms = ms + 5000;
		hvb_use_model_update(&model, &usage);
		KUNIT_EXPECT_EQ(test, model.commit_rate, 0ULL);
		KUNIT_EXPECT_EQ(test, model.lead, 0ULL);
	}
}

/* What is used at most, as nothing says that a short rise goes on. */
static void lead_has_a_limit(struct kunit *test)
{
	struct hvb_use_model model = {};

	update(&model, 0, 0);
	update(&model, 1000, GIB);
	KUNIT_EXPECT_EQ(test, model.lead, GIB);
}

/* A mapping that is never touched counts for a quarter of what is used, and not for long. */
static void promises(struct kunit *test)
{
	struct hvb_usage usage = look(0, GIB);
	struct hvb_use_model model = {};
	u64 second;

	hvb_use_model_update(&model, &usage);
	usage.vm_committed = 100 * GIB;
	usage.now_ms = 1000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.used, GIB);
	KUNIT_EXPECT_EQ(test, model.lead, GIB / 4);
	for (second = 2; second <= 60; second++) {
		usage.now_ms = second * 1000;
		hvb_use_model_update(&model, &usage);
	}
	KUNIT_EXPECT_LE(test, model.lead, MIB);
}

/* What is promised and not yet used leads; what is used already does not twice. */
static void promises_kept(struct kunit *test)
{
	struct hvb_usage usage = look(0, GIB);
	struct hvb_use_model model = {};

	usage.vm_committed = GIB / 2;
	hvb_use_model_update(&model, &usage);
	usage.vm_committed = GIB;
	usage.now_ms = 1000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.lead, 0ULL);
	usage.vm_committed = GIB + GIB / 8;
	usage.now_ms = 2000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.lead, GIB / 8);
}

static void cache_of_refaults(struct kunit *test)
{
	struct hvb_usage usage = look(0, GIB);
	struct hvb_use_model model = {};

	usage.refaults = 1000000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.cache, 0ULL);
	usage.refaults += 10 * MIB;
	usage.now_ms = 1000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.cache, 10 * MIB);
	/* Never more than there is. */
	usage.refaults += GIB;
	usage.file_pages = 100 * MIB;
	usage.now_ms = 2000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.cache, 100 * MIB);
	usage.now_ms = 7000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.cache, 100 * MIB * 7 / 8);
}

/* Counters may fall, as those of a processor that went offline are added elsewhere. */
static void counter_falls(struct kunit *test)
{
	struct hvb_usage usage = look(0, GIB);
	struct hvb_use_model model = {};

	usage.refaults = 1000;
	hvb_use_model_update(&model, &usage);
	usage.refaults = 0;
	usage.now_ms = 1000;
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.cache, 0ULL);
}

/* All figures as large as they can be: 2^44 pages are 64 PiB. */
static void largest(struct kunit *test)
{
	const u64 all = 1ULL << 44;
	struct hvb_usage usage = { .file_pages = all };
	struct hvb_use_model model = {};

	hvb_use_model_update(&model, &usage);
	usage = (struct hvb_usage) { 1, all, all, all, all };
	hvb_use_model_update(&model, &usage);
	usage = (struct hvb_usage) { 1001, all, all, all, 2 * all };
	hvb_use_model_update(&model, &usage);
	KUNIT_EXPECT_EQ(test, model.used, all);
	KUNIT_EXPECT_EQ(test, model.cache, all);
	KUNIT_EXPECT_LE(test, model.lead, all);
	KUNIT_EXPECT_LE(test, hvb_emergency_pages(&model), all);
}

static void emergency(struct kunit *test)
{
	struct hvb_use_model model = {};

	KUNIT_EXPECT_EQ(test, hvb_emergency_pages(&model), 256 * MIB);
	model.used = 4 * GIB;
	KUNIT_EXPECT_EQ(test, hvb_emergency_pages(&model), GIB);
	model.use_rate = 500 * MIB;
	KUNIT_EXPECT_EQ(test, hvb_emergency_pages(&model), 1500 * MIB);
	model.use_rate = 100 * GIB;
	KUNIT_EXPECT_EQ(test, hvb_emergency_pages(&model), 4 * GIB);
}

static struct kunit_case usage_cases[] = {
	KUNIT_CASE(first_look),
	KUNIT_CASE(up_at_once),
	KUNIT_CASE(down_slowly),
	KUNIT_CASE(down_to_the_end),
	KUNIT_CASE(long_silence),
	KUNIT_CASE(no_time),
	KUNIT_CASE(lead_of_growth),
	KUNIT_CASE(lead_over_a_pause),
	KUNIT_CASE(growth_beyond_measure),
	KUNIT_CASE(lead_has_a_limit),
	KUNIT_CASE(promises),
	KUNIT_CASE(promises_kept),
	KUNIT_CASE(cache_of_refaults),
	KUNIT_CASE(counter_falls),
	KUNIT_CASE(largest),
	KUNIT_CASE(emergency),
	{}
};

static struct kunit_suite usage_suite = {
	.name = "hv_balloon_usage",
	.test_cases = usage_cases,
};

kunit_test_suite(usage_suite);
