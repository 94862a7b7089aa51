// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of the balloon against figures worked out by hand.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "../../lib/limits.h"

#define MIB		256ULL		/* pages */
#define GIB		(1024 * MIB)
#define ALL		(~0ULL)

/* The floor -------------------------------------------------------------- */

static const struct floor_case {
	const char *name;
	u64 total;
	u64 wish;
	u64 floor;
} floor_cases[] = {
	{ "no memory", 0, 0, 0 },
	{ "one page", 1, 0, 1 },
	{ "8 MiB, all of it", 8 * MIB, 0, 8 * MIB },
	{ "16 MiB, still all of it", 16 * MIB, 0, 16 * MIB },
	{ "16 MiB and 2 pages", 16 * MIB + 2, 0, 16 * MIB + 1 },
	{ "64 MiB", 64 * MIB, 0, 40 * MIB },
	{ "128 MiB less a page", 128 * MIB - 1, 0, 72 * MIB - 1 },
	{ "128 MiB", 128 * MIB, 0, 72 * MIB },
	{ "128 MiB and 4 pages", 128 * MIB + 4, 0, 72 * MIB + 1 },
	{ "256 MiB", 256 * MIB, 0, 104 * MIB },
	{ "512 MiB less a page", 512 * MIB - 1, 0, 168 * MIB - 1 },
	{ "512 MiB", 512 * MIB, 0, 168 * MIB },
	{ "512 MiB and 8 pages", 512 * MIB + 8, 0, 168 * MIB + 1 },
	{ "1 GiB", 1 * GIB, 0, 232 * MIB },
	{ "2 GiB less a page", 2 * GIB - 1, 0, 360 * MIB - 1 },
	{ "2 GiB", 2 * GIB, 0, 360 * MIB },
	{ "2 GiB and 16 pages", 2 * GIB + 16, 0, 360 * MIB + 1 },
	{ "4 GiB", 4 * GIB, 0, 488 * MIB },
	{ "8 GiB less a page", 8 * GIB - 1, 0, 744 * MIB - 1 },
	{ "8 GiB", 8 * GIB, 0, 744 * MIB },
	{ "8 GiB and 32 pages", 8 * GIB + 32, 0, 744 * MIB + 1 },
	{ "32 GiB", 32 * GIB, 0, 1512 * MIB },
	{ "64 GiB", 64 * GIB, 0, 2536 * MIB },
	{ "128 GiB", 128 * GIB, 0, 4584 * MIB },
	{ "4 TiB", 4096 * GIB, 0, 131560 * MIB },
	{ "all that a host can name", 1ULL << 40, 0, (1ULL << 35) + 488 * MIB },
	{ "more than there can be", ALL, 0, (ALL >> 5) + 488 * MIB },

	{ "wish of a page", 2 * GIB, 1, 1 },
	{ "wish below the floor", 2 * GIB, 360 * MIB - 1, 360 * MIB - 1 },
	{ "wish of the floor", 2 * GIB, 360 * MIB, 360 * MIB },
	{ "wish above the floor", 2 * GIB, 360 * MIB + 1, 360 * MIB + 1 },
	{ "wish for nearly all", 2 * GIB, 2 * GIB - 1, 2 * GIB - 1 },
	{ "wish for all", 2 * GIB, 2 * GIB, 2 * GIB },
	{ "wish for more than all", 2 * GIB, 2 * GIB + 1, 2 * GIB },
	{ "wish beyond measure", 2 * GIB, ALL, 2 * GIB },
	{ "wish of a guest without memory", 0, ALL, 0 },
	{ "wish and memory beyond measure", ALL, ALL, ALL },
};

static void floor_describe(const struct floor_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(floor, floor_cases, floor_describe);

static void floor_table(struct kunit *test)
{
	const struct floor_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_floor_pages(row->total, row->wish), row->floor);
}

/*
 * From MiB to MiB the floor never sinks, and grows by the share that the table
 * in limits.c promises, all the way over its steps.
 */
static void floor_every_mib(struct kunit *test)
{
	u64 mib, share, before = hvb_floor_pages(16 * MIB, 0);

	for (mib = 17; mib <= 64 * 1024; mib++) {
		const u64 floor = hvb_floor_pages(mib * MIB, 0);

		share = mib <= 128 ? 2 : mib <= 512 ? 4 : mib <= 2048 ? 8 :
			mib <= 8192 ? 16 : 32;
		KUNIT_ASSERT_EQ_MSG(test, floor - before, MIB / share, "at %llu MiB",
				    (unsigned long long)mib);
		before = floor;
	}
}

/* No jump hides between two MiB either: a page more, at most a page more. */
static void floor_every_page(struct kunit *test)
{
	u64 total, before = 0;

	for (total = 1; total <= 9 * GIB; total++) {
		const u64 floor = hvb_floor_pages(total, 0);

		KUNIT_ASSERT_LE_MSG(test, floor - before, 1ULL, "at %llu pages",
				    (unsigned long long)total);
		KUNIT_ASSERT_LE(test, floor, total);
		before = floor;
	}
}

/* Whatever the administrator wants: just that, if it is there. */
static void floor_every_wish(struct kunit *test)
{
	u64 total, wish;

	for (total = 0; total <= 4 * GIB; total += 16 * MIB)
		for (wish = 1; wish <= 5 * GIB; wish += 16 * MIB + 1)
			KUNIT_ASSERT_EQ(test, hvb_floor_pages(total, wish), min(wish, total));
}

/*
 * A host that asks for all again and again: of a guest that uses some memory, page by
 * page, the floor of what is left is kept, and no request changes that.
 */
static void floor_has_a_fixed_point(struct kunit *test)
{
	u64 used, total;

	for (total = 128 * MIB; total <= 16 * GIB; total *= 2) {
		for (used = 0; used < total; used += total / 8) {
			u64 assigned = total, taken;

			do {
				const u64 floor = hvb_floor_pages(assigned, 0);

				taken = hvb_inflate_limit(assigned - min(assigned, used), floor, 1);
				assigned -= taken;
			} while (taken);
			KUNIT_ASSERT_LE(test, assigned - min(assigned, used),
					hvb_floor_pages(assigned, 0));
			if (assigned < total)
				KUNIT_ASSERT_GE(test, assigned + 1 - used,
						hvb_floor_pages(assigned + 1, 0));
		}
	}
}

/* The limit of a request ------------------------------------------------- */

static const struct limit_case {
	const char *name;
	u64 available;
	u64 floor;
	u64 wanted;
	u64 limit;
} limit_cases[] = {
	{ "nothing of nothing", 0, 0, 0, 0 },
	{ "nothing wanted", 1000, 100, 0, 0 },
	{ "nothing available", 0, 100, 10, 0 },
	{ "nothing available, no floor", 0, 0, 10, 0 },
	{ "no floor", 1000, 0, 1000, 1000 },
	{ "no floor, more wanted", 1000, 0, 1001, 1000 },
	{ "below the floor", 99, 100, 10, 0 },
	{ "at the floor", 100, 100, 10, 0 },
	{ "a page above the floor", 101, 100, 10, 1 },
	{ "a page less than wanted", 109, 100, 10, 9 },
	{ "just what is wanted", 110, 100, 10, 10 },
	{ "a page more than wanted", 111, 100, 10, 10 },
	{ "floor of one page", 1000, 1, 1000, 999 },
	{ "wanted beyond measure", 110, 100, ALL, 10 },
	{ "floor beyond measure", 110, ALL, 10, 0 },
	{ "available beyond measure", ALL, 100, 10, 10 },
	{ "available and floor beyond measure", ALL, ALL, 10, 0 },
	{ "all beyond measure", ALL, ALL - 1, ALL, 1 },
	{ "no floor, all of everything", ALL, 0, ALL, ALL },
};

static void limit_describe(const struct limit_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(limit, limit_cases, limit_describe);

static void inflate_limit(struct kunit *test)
{
	const struct limit_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_inflate_limit(row->available, row->floor, row->wanted),
			row->limit);
}

/* Never below the floor, never more than wanted, and all of what is left. */
static void inflate_limit_small(struct kunit *test)
{
	u64 available, floor, wanted, given;

	for (available = 0; available < 24; available++)
		for (floor = 0; floor < 24; floor++)
			for (wanted = 0; wanted < 24; wanted++) {
				given = hvb_inflate_limit(available, floor, wanted);
				KUNIT_ASSERT_LE(test, given, wanted);
				if (given)
					KUNIT_ASSERT_GE(test, available - given, floor);
				if (given < wanted)
					KUNIT_ASSERT_LE(test, available - given, floor);
				if (available < floor)
					KUNIT_ASSERT_EQ(test, given, 0);
			}
}

/* Pages of the guest, whose size the kernel's configuration chooses ------- */

static const struct size_case {
	const char *name;
	unsigned int page_shift;
	u64 pages;
	u64 host_pages;
} size_cases[] = {
	{ "no page of 64 KiB", 16, 0, 0 },
	{ "a page of 4 KiB", 12, 1, 1 },
	{ "a page of 16 KiB", 14, 1, 4 },
	{ "a page of 64 KiB", 16, 1, 16 },
	{ "1 GiB in 4 KiB", 12, 262144, GIB },
	{ "1 GiB in 16 KiB", 14, 65536, GIB },
	{ "1 GiB in 64 KiB", 16, 16384, GIB },
	{ "2^32 pages of 64 KiB", 16, 1ULL << 32, 1ULL << 36 },
	{ "64 TiB in 64 KiB", 16, 1ULL << 30, 64 * 1024 * GIB },
};

static void size_describe(const struct size_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(size, size_cases, size_describe);

static void host_pages(struct kunit *test)
{
	const struct size_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_host_pages(row->pages, row->page_shift),
			row->host_pages);
}

/* The same memory has the same floor, whatever the size of its pages. */
static void floor_of_every_page_size(struct kunit *test)
{
	unsigned int shift;
	u64 mib;

	for (mib = 1; mib <= 64 * 1024; mib++)
		for (shift = 12; shift <= 16; shift += 2) {
			const u64 pages = (mib << 20) >> shift;

			KUNIT_ASSERT_EQ(test,
					hvb_floor_pages(hvb_host_pages(pages, shift), 0),
					hvb_floor_pages(mib * MIB, 0));
		}
}

/* Blocks that are left to the guest --------------------------------------- */

static const struct whole_case {
	const char *name;
	u64 whole, floor;
	unsigned int order;
	bool may;
} whole_cases[] = {
	{ "nothing there", 0, 0, 0, false },
	{ "no floor, a page above the least", 32 * MIB + 1, 0, HVB_CHUNK_ORDER, true },
	{ "no floor, the least", 32 * MIB, 0, HVB_CHUNK_ORDER, false },
	{ "no floor, single page of the least", 32 * MIB, 0, 0, true },
	{ "no floor, half of the least", 16 * MIB, 0, 0, false },
	{ "floor of the same", 32 * MIB, 128 * MIB, 1, false },
	{ "floor of a page more", 32 * MIB + 1, 128 * MIB + 4, 1, false },
	{ "large block, a page above", 50001, 200000, HVB_CHUNK_ORDER, true },
	{ "large block, at the limit", 50000, 200000, HVB_CHUNK_ORDER, false },
	{ "two pages, at the limit", 50000, 200000, 1, false },
	{ "single page, at the limit of blocks", 50000, 200000, 0, true },
	{ "single page, a page above", 25001, 200000, 0, true },
	{ "single page, at its limit", 25000, 200000, 0, false },
	{ "above 32 bits", (1ULL << 34) + 1, 1ULL << 36, 1, true },
	{ "above 32 bits, at the limit", 1ULL << 34, 1ULL << 36, 1, false },
};

static void whole_describe(const struct whole_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(whole, whole_cases, whole_describe);

static void may_take(struct kunit *test)
{
	const struct whole_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_may_take(row->whole, row->floor, row->order), row->may);
}

/* The demand ------------------------------------------------------------- */

static const struct demand_case {
	const char *name;
	struct hvb_demand demand;
	u64 committed;
} demand_cases[] = {
	{ "nothing", {}, 0 },
	{ "programs", { .vm_committed = 3 }, 3 },
	{ "ballooned", { .ballooned = 3 }, 3 },
	{ "not online", { .not_online = 3 }, 3 },
	{ "floor", { .floor = 3 }, 3 },
	{ "all four", { 1, 20, 300, 4000 }, 4321 },
	{ "emergency", { .emergency = 3 }, 3 },
	{ "asked for by a program", { .extra = 3 }, 3 },
	{ "use, where the commit charge counts",
	  { .vm_committed = 1, .used = 20, .cache = 300, .lead = 4000 }, 1 },
	{ "by use",
	  { .vm_committed = 1, .used = 20, .cache = 300, .lead = 4000, .by_use = true }, 4320 },
	{ "by use, all",
	  { 1, 2, 30, 400, 5000, 60000, 700000, 8000000, 90000000, true }, 98765432 },
	{ "each above 32 bits",
	  { 1ULL << 32, 1ULL << 33, 1ULL << 34, 1ULL << 35 }, 15ULL << 32 },
	{ "each as large as can be named",
	  { 1ULL << 40, 1ULL << 40, 1ULL << 40, 1ULL << 40 }, 1ULL << 42 },
};

static void demand_describe(const struct demand_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(demand, demand_cases, demand_describe);

static void committed(struct kunit *test)
{
	const struct demand_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_committed_pages(&row->demand), row->committed);
}

/* The size of the next block --------------------------------------------- */

static const struct order_case {
	const char *name;
	u64 wanted;
	unsigned int highest;
	unsigned int order;
} order_cases[] = {
	{ "one page", 1, HVB_CHUNK_ORDER, 0 },
	{ "two pages", 2, HVB_CHUNK_ORDER, 1 },
	{ "three pages", 3, HVB_CHUNK_ORDER, 1 },
	{ "a page less than 2 MiB", 511, HVB_CHUNK_ORDER, 8 },
	{ "2 MiB", 512, HVB_CHUNK_ORDER, 9 },
	{ "4 MiB", 1024, HVB_CHUNK_ORDER, 9 },
	{ "most that a request can want", 0xffffffff, HVB_CHUNK_ORDER, 9 },
	{ "above 32 bits", 1ULL << 32, HVB_CHUNK_ORDER, 9 },
	{ "beyond measure", ALL, HVB_CHUNK_ORDER, 9 },
	{ "one page at a time", ALL, 0, 0 },
	{ "one page of one", 1, 0, 0 },
	{ "limit below what is wanted", 512, 4, 4 },
	{ "limit at what is wanted", 16, 4, 4 },
	{ "limit above what is wanted", 15, 4, 3 },
	{ "no limit, 2^32 less a page", 0xffffffff, 64, 31 },
	{ "no limit, 2^32", 1ULL << 32, 64, 32 },
	{ "no limit, beyond measure", ALL, 64, 63 },
};

static void order_describe(const struct order_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(order, order_cases, order_describe);

static void first_order(struct kunit *test)
{
	const struct order_case *row = test->param_value;

	KUNIT_EXPECT_EQ(test, hvb_first_order(row->wanted, row->highest), row->order);
}

/* The block is not more than wanted, and one twice as large would be. */
static void first_order_every(struct kunit *test)
{
	unsigned int highest, order;
	u64 wanted;

	for (highest = 0; highest <= 10; highest++)
		for (wanted = 1; wanted <= 2048; wanted++) {
			order = hvb_first_order(wanted, highest);
			KUNIT_ASSERT_LE(test, order, highest);
			KUNIT_ASSERT_LE(test, 1ULL << order, wanted);
			if (order < highest)
				KUNIT_ASSERT_GT(test, 2ULL << order, wanted);
		}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(floor_table, floor_gen_params),
	KUNIT_CASE(floor_every_mib),
	KUNIT_CASE(floor_every_page),
	KUNIT_CASE(floor_every_wish),
	KUNIT_CASE(floor_has_a_fixed_point),
	KUNIT_CASE_PARAM(inflate_limit, limit_gen_params),
	KUNIT_CASE(inflate_limit_small),
	KUNIT_CASE_PARAM(may_take, whole_gen_params),
	KUNIT_CASE_PARAM(host_pages, size_gen_params),
	KUNIT_CASE(floor_of_every_page_size),
	KUNIT_CASE_PARAM(committed, demand_gen_params),
	KUNIT_CASE_PARAM(first_order, order_gen_params),
	KUNIT_CASE(first_order_every),
	{}
};

static struct kunit_suite floor_suite = {
	.name = "hv_balloon_limits",
	.test_cases = cases,
};

kunit_test_suite(floor_suite);
