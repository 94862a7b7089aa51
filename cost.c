// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost floor: available memory may be the working set of programs. Inflating slows
 * down, and ends, when refaults or swapping rise.
 *
 * A cgroup at its limit refaults and swaps all the time, whether the balloon inflates or
 * not. So only what exceeds the rate before the operation counts. Stalls in direct
 * reclaim do not count: the balloon's own allocations are among them.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "cost.h"
#include "demand.h"

/* Pages per second, above twice the usual rate: 2 MiB. */
#define HVB_COST_LIMIT		512

/* Consecutive costly windows that end the operation; time before the next one. */
#define HVB_COST_WINDOWS	3
#define HVB_COST_PAUSE		(10 * HZ)

/* Refaults, and pages that reclaim wrote. */
static u64 hvb_cost_count(void)
{
	return hvb_refaults() + global_node_page_state(NR_VMSCAN_WRITE);
}

static void hvb_cost_next_window(struct hvb_cost *cost, u64 count)
{
	cost->begin = count;
	cost->window = jiffies;
}

static bool hvb_cost_is_costly(const struct hvb_cost *cost, u64 count)
{
	return count - cost->begin > 2 * cost->usual + HVB_COST_LIMIT;
}

/**
 * hvb_cost_init() - start to measure; no operation yet
 * @cost: the cost
 *
 * Context: process.
 */
void hvb_cost_init(struct hvb_cost *cost)
{
	cost->pause_end = get_jiffies_64();
	hvb_cost_next_window(cost, hvb_cost_count());
}

/**
 * hvb_cost_begin() - an inflate operation begins
 * @cost: the cost
 *
 * The rate since the last operation becomes the usual one, if it covers a second.
 *
 * Context: the pump.
 */
void hvb_cost_begin(struct hvb_cost *cost)
{
	const unsigned long elapsed = jiffies - cost->window;
	const u64 count = hvb_cost_count();

	if (elapsed >= HZ)
		cost->usual = (count - cost->begin) * HZ / elapsed;
	cost->costly = 0;
	hvb_cost_next_window(cost, count);
}

/**
 * hvb_cost_is_high() - whether this window is costly
 * @cost: the cost
 *
 * Called between the steps of an inflate operation.
 *
 * Context: the pump.
 * Return: whether to allocate no more in this window.
 */
bool hvb_cost_is_high(struct hvb_cost *cost)
{
	const u64 count = hvb_cost_count();
	const bool costly = hvb_cost_is_costly(cost, count);

	if (time_after_eq(jiffies, cost->window + HZ)) {
		cost->costly = costly ? cost->costly + 1 : 0;
		hvb_cost_next_window(cost, count);
	}
	return costly;
}

/**
 * hvb_cost_is_over() - whether HVB_COST_WINDOWS in a row were costly
 * @cost: the cost
 *
 * Context: the pump.
 * Return: whether to end the operation; then hvb_cost_pauses() for HVB_COST_PAUSE.
 */
bool hvb_cost_is_over(struct hvb_cost *cost)
{
	if (cost->costly < HVB_COST_WINDOWS)
		return false;
	cost->pause_end = get_jiffies_64() + HVB_COST_PAUSE;
	return true;
}

/**
 * hvb_cost_pauses() - whether an operation was ended for its cost within HVB_COST_PAUSE
 * @cost: the cost
 *
 * Context: the pump.
 * Return: whether inflating pauses.
 */
bool hvb_cost_pauses(const struct hvb_cost *cost)
{
	return time_before64(get_jiffies_64(), cost->pause_end);
}
