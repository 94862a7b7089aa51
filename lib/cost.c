// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost floor. Available memory may be the working set of programs: inflating slows
 * down, and ends, when refaults or swapping rise.
 *
 * A cgroup at its limit refaults all the time, whether the balloon inflates or not, so
 * only what exceeds the usual rate counts. But refaults that the balloon caused go on
 * after the operation, and must not become usual: the usual rate rises slowly.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "cost.h"

#define HVB_MS_PER_S		1000ULL

/* Pages per second, above twice the usual rate: 2 MiB. */
#define HVB_COST_LIMIT		512

/* A faster rate tells no more, and the products of this one fit into 64 bits. */
#define HVB_COST_RATE_MAX	(64ULL << 20)

/* The usual rate follows the rate between operations: up within 5 minutes. */
#define HVB_COST_RISE_MS	(300 * HVB_MS_PER_S)
#define HVB_COST_FALL_MS	(10 * HVB_MS_PER_S)

/* Three costly windows in a row, or half of all windows, end the operation. */
#define HVB_COST_SCORE_STEP		2U
#define HVB_COST_SCORE_END		(3 * HVB_COST_SCORE_STEP)

/* Time before the next operation. Doubled if that ends in the same way, soon after. */
#define HVB_COST_PAUSE_MS	(10 * HVB_MS_PER_S)
#define HVB_COST_PAUSE_MAX_MS	(40 * HVB_MS_PER_S)

static void hvb_cost_next_window(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	cost->begin = count;
	cost->begin_ms = now_ms;
}

static bool hvb_cost_exceeds(const struct hvb_cost *cost, u64 rate)
{
	return rate > 2 * cost->usual + HVB_COST_LIMIT;
}

/* Return: pages per second in a window of @ms. */
static u64 hvb_cost_rate(u64 pages, u64 ms)
{
	return min(min(pages, HVB_COST_RATE_MAX) * HVB_MS_PER_S / ms, HVB_COST_RATE_MAX);
}

/* End the window, and begin the next one. Return: its pages per second. */
static u64 hvb_cost_end_window(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	const u64 ms = now_ms - cost->begin_ms;
	const u64 rate = hvb_cost_rate(count - cost->begin, ms);
	const u64 calm = ms / HVB_MS_PER_S;

	cost->costly = hvb_cost_exceeds(cost, rate);
	if (cost->costly)
		cost->score = min(cost->score + HVB_COST_SCORE_STEP, HVB_COST_SCORE_END);
	else
		cost->score -= min_t(u64, calm, cost->score);
	hvb_cost_next_window(cost, now_ms, count);
	return rate;
}

static void hvb_cost_learn(struct hvb_cost *cost, u64 rate, u64 ms)
{
	if (rate > cost->usual)
		cost->usual += (rate - cost->usual) * min_t(u64, ms, HVB_COST_RISE_MS) /
			       HVB_COST_RISE_MS;
	else
		cost->usual -= (cost->usual - rate) * min_t(u64, ms, HVB_COST_FALL_MS) /
			       HVB_COST_FALL_MS;
}

/**
 * hvb_cost_init() - start to measure; no operation yet
 * @cost: filled in
 * @now_ms: the time
 * @count: refaults and writes of reclaim since boot
 */
void hvb_cost_init(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	*cost = (struct hvb_cost) { .pause_end_ms = now_ms };
	hvb_cost_next_window(cost, now_ms, count);
}

/**
 * hvb_cost_begin() - an inflate operation begins
 * @cost: the cost
 * @now_ms: the time
 * @count: refaults and writes of reclaim since boot
 *
 * The time since the last operation is a window like others, if it is a second or more.
 */
void hvb_cost_begin(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	const u64 ms = now_ms - cost->begin_ms;

	if (ms >= HVB_MS_PER_S)
		hvb_cost_learn(cost, hvb_cost_end_window(cost, now_ms, count), ms);
}

/**
 * hvb_cost_look() - whether programs refault or swap for what was taken
 * @cost: the cost
 * @now_ms: the time
 * @count: refaults and writes of reclaim since boot
 *
 * After a costly window a whole one must be without cost.
 *
 * Return: HVB_COST_HIGH if nothing is to be taken now.
 */
enum hvb_cost_look hvb_cost_look(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	if (now_ms - cost->begin_ms >= HVB_MS_PER_S) {
		hvb_cost_end_window(cost, now_ms, count);
		return cost->costly ? HVB_COST_HIGH : HVB_COST_LOW_SECOND;
	}
	if (cost->costly || hvb_cost_exceeds(cost, count - cost->begin))
		return HVB_COST_HIGH;
	return HVB_COST_LOW;
}

/**
 * hvb_cost_end() - an inflate operation has ended
 * @cost: the cost
 * @now_ms: the time
 * @count: refaults and writes of reclaim since boot
 */
void hvb_cost_end(struct hvb_cost *cost, u64 now_ms, u64 count)
{
	if (now_ms - cost->begin_ms >= HVB_MS_PER_S)
		hvb_cost_end_window(cost, now_ms, count);
}

/* The last pause has ended: no operation runs during one. */
static u64 hvb_cost_next_pause(const struct hvb_cost *cost, u64 now_ms)
{
	const bool again = now_ms - cost->pause_end_ms < HVB_COST_PAUSE_MAX_MS;
	const u64 pause_ms = again ? min(2 * cost->pause_ms, HVB_COST_PAUSE_MAX_MS) : 0;

	return max(pause_ms, HVB_COST_PAUSE_MS);
}

/**
 * hvb_cost_begin_pause() - pause inflating if programs have paid for too long
 * @cost: the cost
 * @now_ms: the time
 *
 * Return: whether they have: the operation is to end, and hvb_cost_pauses() for some time.
 */
bool hvb_cost_begin_pause(struct hvb_cost *cost, u64 now_ms)
{
	if (cost->score < HVB_COST_SCORE_END)
		return false;

	cost->pause_ms = hvb_cost_next_pause(cost, now_ms);
	cost->pause_end_ms = now_ms + cost->pause_ms;
	cost->score = 0;
	return true;
}

/**
 * hvb_cost_pauses() - whether an operation was ended for its cost a short time ago
 * @cost: the cost
 * @now_ms: the time
 *
 * Return: whether inflating pauses.
 */
bool hvb_cost_pauses(const struct hvb_cost *cost, u64 now_ms)
{
	return now_ms < cost->pause_end_ms;
}
