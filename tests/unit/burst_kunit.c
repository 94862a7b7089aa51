// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that grows, a guest that reports, and a host that follows the reports: for how
 * long does the program find no memory? A model in steps of 10 ms; the host is that of
 * make bench: once a second 1.2 times the demand, between a minimum and a maximum.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../../lib/limits.h"
#include "../../lib/usage.h"

#define MIB		256ULL
#define STEP_MS		10
#define SIZE		(4096 * MIB)	/* of the program */
#define STARTUP		(1024 * MIB)
#define MINIMUM		(512 * MIB)
#define MAXIMUM		(6144 * MIB)
#define BLOCK		(128 * MIB)	/* steps of hot-add */
#define OTHERS		(110 * MIB)	/* used besides */
#define CHARGED		(30 * MIB)	/* committed besides */
#define RETURN_MS	1000		/* from a request to returned memory */
#define ADD_MS		2000		/* and to added memory */
#define NEVER		(~0ULL)

static const struct burst_case {
	const char *name;
	u64 rate;		/* MiB/s */
	bool by_use;
	u64 longest_ms;		/* without memory */
} burst_cases[] = {
	{ "30 MiB/s, committed", 30, false, 0 },
	{ "30 MiB/s, used", 30, true, 0 },
	{ "100 MiB/s, committed", 100, false, 1300 },
	{ "100 MiB/s, used", 100, true, 0 },
	{ "400 MiB/s, committed", 400, false, 2000 },
	{ "400 MiB/s, used", 400, true, 2000 },
	{ "5 GiB/s, committed", 5000, false, 3000 },
	{ "5 GiB/s, used", 5000, true, 3000 },
};

static void burst_describe(const struct burst_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(burst, burst_cases, burst_describe);

/* Pages and milliseconds. */
struct burst {
	const struct burst_case *row;
	u64 now;
	u64 assigned, given, held;	/* given: by the host at any time; held: by the program */
	u64 demand, next_report, interval;
	u64 emergency, emergency_end;
	u64 next_look, change, change_at;
	u64 stalled, longest;
	struct hvb_use_model model;
};

static u64 burst_available(const struct burst *burst)
{
	return burst->assigned - min(burst->assigned, burst->held + OTHERS);
}

/* The program takes what it finds; its first failure is an OOM. */
static void burst_grow(struct burst *burst)
{
	const u64 piece = burst->row->rate * MIB * STEP_MS / 1000;

	if (burst_available(burst) > piece) {
		burst->held += piece;
		burst->stalled = 0;
		return;
	}
	if (!burst->stalled) {
		burst->emergency = hvb_emergency_pages(&burst->model);
		burst->emergency_end = burst->now + 10000;
		burst->next_report = min(burst->next_report, burst->now + 100);
	}
	burst->stalled += STEP_MS;
	burst->longest = max(burst->longest, burst->stalled);
}

/* As demand.c and status.c. */
static void burst_report(struct burst *burst)
{
	const bool urgent = burst->now < burst->emergency_end;
	const struct hvb_usage usage = {
		.now_ms = burst->now, .used = burst->held + OTHERS,
		.vm_committed = burst->held + CHARGED,
	};
	struct hvb_demand demand = { .by_use = burst->row->by_use };
	bool rises;

	hvb_use_model_update(&burst->model, &usage);
	demand.vm_committed = usage.vm_committed;
	demand.used = burst->model.used;
	demand.lead = burst->model.lead;
	demand.floor = hvb_floor_pages(burst->assigned, 0);
	demand.emergency = urgent ? burst->emergency : 0;
	burst->demand = hvb_committed_pages(&demand);
	rises = urgent || burst->model.use_rate * 16 > burst_available(burst);
	burst->interval = rises ? 100 : min(2 * burst->interval, 1000ULL);
	burst->next_report = burst->now + burst->interval;
}

/* One change at a time: what is ballooned comes first, then whole blocks. */
static void burst_look(struct burst *burst)
{
	const u64 target = min(max(burst->demand * 6 / 5, MINIMUM), MAXIMUM);

	burst->next_look += 1000;
	if (burst->change)
		return;
	if (burst->assigned < burst->given && target > burst->assigned) {
		burst->change = min(target, burst->given) - burst->assigned;
		burst->change_at = burst->now + RETURN_MS;
	} else if (target >= burst->given + BLOCK) {
		burst->change = (target - burst->given) / BLOCK * BLOCK;
		burst->change_at = burst->now + ADD_MS;
	}
}

static void burst_change(struct burst *burst)
{
	burst->assigned += burst->change;
	burst->given = max(burst->given, burst->assigned);
	burst->change = 0;
	burst->change_at = NEVER;
}

/* The default of oom_wait, 5 s, is enough. */
static void burst_is_followed(struct kunit *test)
{
	struct burst burst = {
		.row = test->param_value, .assigned = MINIMUM, .given = STARTUP,
		.next_report = 370, .next_look = 800, .interval = 1000, .change_at = NEVER,
	};

	for (; burst.held < SIZE; burst.now += STEP_MS) {
		KUNIT_ASSERT_LT(test, burst.now, 600000ULL);
		burst_grow(&burst);
		if (burst.now >= burst.next_report)
			burst_report(&burst);
		if (burst.now >= burst.next_look)
			burst_look(&burst);
		if (burst.now >= burst.change_at)
			burst_change(&burst);
	}
	KUNIT_EXPECT_LE(test, burst.longest, burst.row->longest_ms);
}

static struct kunit_case burst_suite_cases[] = {
	KUNIT_CASE_PARAM(burst_is_followed, burst_gen_params),
	{}
};

static struct kunit_suite burst_suite = {
	.name = "hv_balloon_burst",
	.test_cases = burst_suite_cases,
};

kunit_test_suite(burst_suite);
