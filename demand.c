// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor, and the demand that the guest reports. Only counters are read that need no
 * lock and no walk, as they are sampled every second.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/vmstat.h>

#include "demand.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/limits.h"
#include "params.h"

/* The demand rises fast if growth would exhaust available memory within this time. */
#define HVB_RISE_SECONDS	16

/* Ballooned pages that totalram_pages() still contains. */
static u64 hvb_ballooned_in_total(const struct hvb_dev *hvb)
{
	const u64 pages = READ_ONCE(hvb->balloon.pages);

	return pages - min(pages, READ_ONCE(hvb->balloon.hidden));
}

/**
 * hvb_assigned() - the total without ballooned pages, in either accounting mode
 * @hvb: the device
 *
 * Context: any.
 * Return: pages of the host.
 */
u64 hvb_assigned(const struct hvb_dev *hvb)
{
	const u64 total = hvb_host_pages(totalram_pages(), PAGE_SHIFT);

	return total - min(total, hvb_ballooned_in_total(hvb));
}

/**
 * hvb_available_total() - available memory as reported
 *
 * Context: any.
 * Return: pages of the host.
 */
u64 hvb_available_total(void)
{
	return hvb_host_pages(max(si_mem_available(), 0L), PAGE_SHIFT);
}

/**
 * hvb_floor() - the memory that ballooning leaves the guest
 * @hvb: the device
 *
 * Context: any.
 * Return: pages of the host, the same size as the guest's wherever it can balloon.
 */
u64 hvb_floor(const struct hvb_dev *hvb)
{
	const u64 wish = READ_ONCE(hvb_params.floor_mib);

	return hvb_floor_pages(hvb_assigned(hvb), wish * HVB_PAGES_PER_MIB);
}

/**
 * hvb_available_clean() - memory that can be reclaimed soon
 *
 * MemAvailable counts dirty cache, which must be written before it can be reclaimed.
 *
 * Context: any.
 * Return: pages.
 */
u64 hvb_available_clean(void)
{
	const u64 unwritten = global_node_page_state(NR_FILE_DIRTY) +
			      global_node_page_state(NR_WRITEBACK);
	const u64 available = max(si_mem_available(), 0L);

	return available - min(available, unwritten);
}

/**
 * hvb_refaults() - refaults of the page cache's working set, and of swap
 *
 * Context: any.
 * Return: pages since boot.
 */
u64 hvb_refaults(void)
{
	return global_node_page_state(WORKINGSET_ACTIVATE_FILE) +
	       global_node_page_state(WORKINGSET_REFAULT_ANON);
}

/**
 * hvb_reclaim_cost() - what reclaim takes from programs: refaults, and pages written
 *
 * All refaults, not those of the working set alone: the kernel takes the active list for
 * the working set, and a balloon that takes cache fast shrinks that list as well. Stalls
 * in direct reclaim are not in it: the balloon's own allocations are among them.
 *
 * Context: any.
 * Return: pages since boot.
 */
u64 hvb_reclaim_cost(void)
{
	return global_node_page_state(WORKINGSET_REFAULT_FILE) +
	       global_node_page_state(WORKINGSET_REFAULT_ANON) +
	       global_node_page_state(NR_VMSCAN_WRITE);
}

/**
 * hvb_demand_update() - sample memory use for the model
 * @hvb: the device
 *
 * Context: the report work, or while it cannot run.
 */
void hvb_demand_update(struct hvb_dev *hvb)
{
	const u64 assigned = hvb_assigned(hvb), available = hvb_available_total();
	const struct hvb_usage usage = {
		.now_ms = hvb_now_ms(),
		.used = assigned - min(assigned, available),
		.vm_committed = hvb_host_pages(vm_memory_committed(), PAGE_SHIFT),
		.file_pages = hvb_host_pages(global_node_page_state(NR_FILE_PAGES), PAGE_SHIFT),
		.refaults = hvb_host_pages(hvb_refaults(), PAGE_SHIFT),
	};

	hvb_use_model_update(&hvb->demand.model, &usage);
}

/* Return: emergency demand in pages, 0 without a recent OOM. */
static u64 hvb_demand_urgent(const struct hvb_demand_state *state)
{
	if (time_after_eq64(get_jiffies_64(), READ_ONCE(state->emergency_end)))
		return 0;
	return READ_ONCE(state->emergency);
}

/**
 * hvb_demand_read() - read the components of the demand
 * @hvb: the device
 * @demand: filled in
 *
 * Context: process.
 */
void hvb_demand_read(struct hvb_dev *hvb, struct hvb_demand *demand)
{
	const struct hvb_use_model *model = &hvb->demand.model;
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	*demand = (struct hvb_demand) {
		.vm_committed = hvb_host_pages(vm_memory_committed(), PAGE_SHIFT),
		.ballooned = READ_ONCE(hvb->balloon.pages),
		.not_online = backed - online,
		.floor = hvb_floor(hvb),
		.used = READ_ONCE(model->used),
		.cache = READ_ONCE(model->cache),
		.lead = READ_ONCE(model->lead),
		.emergency = hvb_demand_urgent(&hvb->demand),
		.extra = hvb_demand_extra(hvb),
		.by_use = READ_ONCE(hvb_params.demand_by_use),
	};
}

/**
 * hvb_demand_rises() - whether to report more often
 * @hvb: the device
 *
 * Context: the report work.
 * Return: whether to do so.
 */
bool hvb_demand_rises(const struct hvb_dev *hvb)
{
	return hvb_demand_urgent(&hvb->demand) ||
	       hvb->demand.model.use_rate * HVB_RISE_SECONDS > hvb_available_total();
}

/**
 * hvb_demand_emergency() - the guest hit OOM: raise the demand above its use
 * @hvb: the device
 * @end: when that ends, in jiffies64
 *
 * Context: any. Of concurrent callers, which write similar values, the last one wins.
 */
void hvb_demand_emergency(struct hvb_dev *hvb, u64 end)
{
	struct hvb_demand_state *state = &hvb->demand;

	WRITE_ONCE(state->emergency, hvb_emergency_pages(&state->model));
	WRITE_ONCE(state->emergency_end, end);
}

/**
 * hvb_demand_set_extra() - set the extra demand of a program
 * @hvb: the device
 * @pages: extra demand, 0 to end it
 * @seconds: how long it lasts
 *
 * Context: process.
 */
void hvb_demand_set_extra(struct hvb_dev *hvb, u64 pages, unsigned int seconds)
{
	struct hvb_demand_state *state = &hvb->demand;

	spin_lock(&state->lock);
	state->extra = pages;
	state->extra_end = get_jiffies_64() + (u64)seconds * HZ;
	spin_unlock(&state->lock);
}

/**
 * hvb_demand_extra() - extra demand of a program
 * @hvb: the device
 *
 * Context: process.
 * Return: pages, 0 if it has expired.
 */
u64 hvb_demand_extra(struct hvb_dev *hvb)
{
	struct hvb_demand_state *state = &hvb->demand;
	u64 pages;

	spin_lock(&state->lock);
	pages = time_before64(get_jiffies_64(), state->extra_end) ? state->extra : 0;
	spin_unlock(&state->lock);
	return pages;
}

/**
 * hvb_demand_init() - no emergency, no extra demand
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_demand_init(struct hvb_dev *hvb)
{
	const u64 now = get_jiffies_64();

	spin_lock_init(&hvb->demand.lock);
	hvb->demand.emergency_end = now;
	hvb->demand.extra_end = now;
}
