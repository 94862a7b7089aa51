// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/cost.c: a pause where programs pay for too long, and none where they do not.
 *
 * Assumed: counts of 12 bits from the begin of a window on, a window that ends within 4 s,
 * a usual rate of 12 bits. A proof covers one call from any state; that calls keep to
 * these states is proved too.
 */
#include "lib/cost.h"
#include "proof.h"

/* As in lib/cost.c. */
#define SECOND		1000
#define LIMIT		512
#define OVER		6
#define PAUSE_MIN	(10 * SECOND)
#define PAUSE_MAX	(40 * SECOND)

#define BITS(value, bits)	((value) & ((1U << (bits)) - 1))

static bool is_valid(const struct hvb_cost *cost)
{
	return cost->usual < 1 << 12 && cost->score <= OVER &&
	       (!cost->pause_ms || (cost->pause_ms >= PAUSE_MIN && cost->pause_ms <= PAUSE_MAX));
}

static struct hvb_cost any_cost(void)
{
	const struct hvb_cost cost = {
		.begin = nondet_u32(),
		.begin_ms = nondet_u32(),
		.usual = nondet_u16(),
		.costly = nondet_bool(),
		.score = nondet_u8(),
		.pause_ms = nondet_u16(),
		.pause_end_ms = nondet_u32(),
	};

	assume(is_valid(&cost));
	return cost;
}

static bool exceeds(const struct hvb_cost *cost, u64 pages)
{
	return pages > 2 * cost->usual + LIMIT;
}

void prove_cost_look_within(void)
{
	const struct hvb_cost before = any_cost();
	const u64 pages = nondet_u32(), ms = nondet_u16();
	struct hvb_cost cost = before;
	enum hvb_cost_look look;

	assume(ms < SECOND);
	look = hvb_cost_look(&cost, before.begin_ms + ms, before.begin + pages);
	/* At once if the window has cost enough, and after a costly one; nothing is noted. */
	prove(look == (before.costly || exceeds(&before, pages) ? HVB_COST_HIGH : HVB_COST_LOW));
	prove(cost.begin_ms == before.begin_ms && cost.begin == before.begin);
	prove(cost.score == before.score && cost.costly == before.costly);
}

void prove_cost_look_ends_window(void)
{
	const struct hvb_cost before = any_cost();
	const u64 pages = BITS(nondet_u16(), 12), ms = SECOND + BITS(nondet_u16(), 11);
	struct hvb_cost cost = before;
	enum hvb_cost_look look;

	look = hvb_cost_look(&cost, before.begin_ms + ms, before.begin + pages);
	prove(is_valid(&cost));
	prove(look == (cost.costly ? HVB_COST_HIGH : HVB_COST_LOW_SECOND));
	/* Less than the limit in all is less than the limit in each second. */
	prove(implies(!exceeds(&before, pages), !cost.costly));
	prove(implies(ms == SECOND, cost.costly == exceeds(&before, pages)));
	prove(implies(ms == 2 * SECOND, cost.costly == exceeds(&before, pages / 2)));
	prove(cost.costly ? cost.score >= 2 && cost.score >= before.score :
	      cost.score < before.score || !before.score);
	prove(cost.begin_ms == before.begin_ms + ms && cost.begin == before.begin + pages);
	/* What an operation costs does not become usual. */
	prove(cost.usual == before.usual);
}

void prove_cost_begin(void)
{
	const struct hvb_cost before = any_cost();
	const u64 pages = BITS(nondet_u16(), 12), ms = BITS(nondet_u16(), 12);
	struct hvb_cost cost = before;

	hvb_cost_begin(&cost, before.begin_ms + ms, before.begin + pages);
	prove(is_valid(&cost));
	/* The usual rate moves toward that of the window, not beyond it. */
	prove(cost.usual <= max_t(u64, before.usual, pages));
	prove(implies(pages >= 5 * before.usual, cost.usual >= before.usual));
	prove(implies(ms < SECOND, cost.usual == before.usual));
}

void prove_cost_is_over(void)
{
	const u64 now = (u64)nondet_u32() + PAUSE_MAX;
	const struct hvb_cost before = any_cost();
	struct hvb_cost cost = before;
	bool over;

	assume(before.pause_end_ms <= now);
	over = hvb_cost_begin_pause(&cost, now);
	prove(is_valid(&cost));
	prove(over == (before.score == OVER));
	/* A pause of 10 to 40 s, and then the cost is counted from the start. */
	prove(over == hvb_cost_pauses(&cost, now));
	prove(implies(over, hvb_cost_pauses(&cost, now + PAUSE_MIN - 1)));
	prove(!hvb_cost_pauses(&cost, now + PAUSE_MAX));
	prove(implies(over, !cost.score && !hvb_cost_begin_pause(&cost, now)));
	/* Twice as long as the last one if that was a short time ago. */
	prove(implies(over && before.pause_ms && now - before.pause_end_ms < PAUSE_MAX,
		      cost.pause_ms == min_t(u64, 2 * before.pause_ms, PAUSE_MAX)));
}
