// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/limits.c: floor, limit and demand, for every guest.
 *
 * Assumed: no guest has more than PAGES_MOST pages, and no figure that the kernel gives
 * is above that; a wish of the administrator may be anything. The order of a block is at
 * most HVB_CHUNK_ORDER.
 */
#include "lib/limits.h"
#include "proof.h"

/* 52 bits of a physical address. */
#define PAGES_MOST	BIT_ULL(40)

static u64 any_pages(void)
{
	const u64 pages = nondet_u64();

	assume(pages <= PAGES_MOST);
	return pages;
}

void prove_host_pages(void)
{
	const unsigned int shift = nondet_u32();
	const u64 pages = any_pages();
	u64 host;

	assume(shift >= HVB_HOST_PAGE_SHIFT && shift <= 16);
	host = hvb_host_pages(pages, shift);
	prove(host >= pages && host << HVB_HOST_PAGE_SHIFT == pages << shift);
}

void prove_floor(void)
{
	const u64 assigned = any_pages(), wish = nondet_u64();
	const u64 floor = hvb_floor_pages(assigned, wish);

	prove(floor <= assigned);
	if (wish)
		prove(floor == min(wish, assigned));
	else
		prove(floor >= min(8ULL * HVB_PAGES_PER_MIB, assigned));
}

/* While the balloon grows the floor sinks, but not faster than what the guest has. */
void prove_floor_grows(void)
{
	const u64 low = any_pages(), high = any_pages(), wish = nondet_u64();

	assume(low <= high);
	prove(hvb_floor_pages(low, wish) <= hvb_floor_pages(high, wish));
	prove(hvb_floor_pages(high, wish) - hvb_floor_pages(low, wish) <= high - low);
}

void prove_inflate_limit(void)
{
	const u64 available = nondet_u64(), floor = nondet_u64(), wanted = nondet_u64();
	const u64 limit = hvb_inflate_limit(available, floor, wanted);

	prove(limit <= wanted && limit <= available);
	prove(implies(limit, available - limit >= floor));
	prove(limit == wanted || available <= floor || available - limit == floor);
}

void prove_may_take(void)
{
	const u64 whole = nondet_u64(), more = nondet_u64(), floor = nondet_u64();
	const u64 kept = max_t(u64, floor / 4, HVB_UNFRAGMENTED_MIN);
	const unsigned int order = nondet_u32();

	assume(more >= whole);
	prove(implies(hvb_may_take(whole, floor, order), whole > kept / 2));
	prove(implies(hvb_may_take(whole, floor, order), hvb_may_take(more, floor, order)));
	prove(implies(hvb_may_take(whole, floor, order), hvb_may_take(whole, floor, 0)));
	prove(implies(order && hvb_may_take(whole, floor, order), whole > kept));
	prove(implies(whole > kept, hvb_may_take(whole, floor, order)));
}

static struct hvb_demand any_demand(void)
{
	return (struct hvb_demand) {
		.vm_committed = any_pages(), .ballooned = any_pages(),
		.not_online = any_pages(), .floor = any_pages(), .used = any_pages(),
		.cache = any_pages(), .lead = any_pages(), .emergency = any_pages(),
		.extra = any_pages(), .by_use = nondet_bool(),
	};
}

/* Each part counts, once, and either the commit charge or the use. */
void prove_demand(void)
{
	const struct hvb_demand demand = any_demand();
	const u64 pages = hvb_committed_pages(&demand), one = any_pages();

	prove(pages >= demand.ballooned && pages >= demand.not_online && pages >= demand.floor);
	prove(pages >= demand.emergency && pages >= demand.extra);
	prove(pages >= (demand.by_use ? demand.used : demand.vm_committed));
	prove(hvb_committed_pages(&(struct hvb_demand) { .ballooned = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .not_online = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .floor = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .emergency = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .extra = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .vm_committed = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .used = one, .cache = one, .lead = one }) == 0);
	prove(hvb_committed_pages(&(struct hvb_demand) { .by_use = true, .used = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .by_use = true, .cache = one }) == one);
	prove(hvb_committed_pages(&(struct hvb_demand) { .by_use = true, .lead = one }) == one);
}

/* The block is not larger than what is wanted, and twice its size is. */
void prove_first_order(void)
{
	const unsigned int highest = nondet_u32();
	const u64 wanted = nondet_u64();
	unsigned int order;

	assume(wanted && highest <= HVB_CHUNK_ORDER);
	order = hvb_first_order(wanted, highest);
	prove(order <= highest);
	prove(1ULL << order <= wanted);
	prove(order == highest || 2ULL << order > wanted);
}
