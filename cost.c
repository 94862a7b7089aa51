// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost floor: what is available by the kernel's figures may be the cache that
 * programs live on. Ballooning slows down, and ends, when they begin to read again
 * what was reclaimed, or to swap.
 *
 * A cgroup at its limit does both all the time, and nothing is gained for it by what
 * is not ballooned. So what counts is what is more than usual. Stalls in direct
 * reclaim do not count: the balloon's own allocations are among them.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "cost.h"

/* Pages a second, besides twice the usual: 2 MiB. */
#define HVB_COST_LIMIT		512

/* Windows in a row that end the operation, and a time for the guest to settle. */
#define HVB_COST_WINDOWS	3
#define HVB_COST_PAUSE		(10 * HZ)

/* Files and swap that were read again soon, and what reclaim wrote to either. */
static u64 hvb_cost_count(void)
{
	return global_node_page_state(WORKINGSET_ACTIVATE_FILE) +
	       global_node_page_state(WORKINGSET_REFAULT_ANON) +
	       global_node_page_state(NR_VMSCAN_WRITE);
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
 * hvb_cost_init() - nothing is ballooned yet
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
 * hvb_cost_begin() - an operation begins to balloon
 * @cost: the cost
 *
 * What was counted since the last one is the usual, if it was long enough.
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
 * hvb_cost_is_high() - whether programs pay for what was ballooned in this second
 * @cost: the cost
 *
 * To be called every now and then while the balloon grows.
 *
 * Context: the pump.
 * Return: whether to take no more for now.
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
 * hvb_cost_is_over() - whether programs have paid for too long
 * @cost: the cost
 *
 * Context: the pump.
 * Return: whether to end the operation; then hvb_cost_pauses() for a time.
 */
bool hvb_cost_is_over(struct hvb_cost *cost)
{
	if (cost->costly < HVB_COST_WINDOWS)
		return false;
	cost->pause_end = get_jiffies_64() + HVB_COST_PAUSE;
	return true;
}

/**
 * hvb_cost_pauses() - whether an operation was ended for its cost a moment ago
 * @cost: the cost
 *
 * Context: the pump.
 * Return: whether it was.
 */
bool hvb_cost_pauses(const struct hvb_cost *cost)
{
	return time_before64(get_jiffies_64(), cost->pause_end);
}
