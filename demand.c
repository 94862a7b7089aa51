// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest needs: the floor, and the demand that it reports. What is
 * looked at here costs no lock and no walk, as it is looked at every second.
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

/* The demand rises fast if what is available would be used up in so many seconds. */
#define HVB_RISE_SECONDS	16

/* Pages of the total that ballooning has not taken out of it. */
static u64 hvb_ballooned_in_total(const struct hvb_dev *hvb)
{
	const u64 pages = READ_ONCE(hvb->balloon.pages);

	return pages - min(pages, READ_ONCE(hvb->balloon.hidden));
}

/* Memory that the guest has to use, in either mode of accounting. */
static u64 hvb_assigned(const struct hvb_dev *hvb)
{
	const u64 total = hvb_host_pages(totalram_pages(), PAGE_SHIFT);

	return total - min(total, hvb_ballooned_in_total(hvb));
}

/**
 * hvb_demand_available() - what a status report names as available
 *
 * Context: any.
 * Return: pages of the host.
 */
u64 hvb_demand_available(void)
{
	return hvb_host_pages(max(si_mem_available(), 0L), PAGE_SHIFT);
}

/**
 * hvb_floor() - the memory that ballooning leaves the guest
 * @hvb: the device
 *
 * Context: any.
 * Return: pages of the host, which are those of the guest wherever it can balloon.
 */
u64 hvb_floor(const struct hvb_dev *hvb)
{
	const u64 wish = READ_ONCE(hvb_params.floor_mib);

	return hvb_floor_pages(hvb_assigned(hvb), wish * HVB_PAGES_PER_MIB);
}

/**
 * hvb_available() - memory that could be spared soon
 *
 * Cache that is not on its disk yet counts as available, but cannot go soon.
 *
 * Context: any.
 * Return: pages.
 */
u64 hvb_available(void)
{
	const u64 unwritten = global_node_page_state(NR_FILE_DIRTY) +
			      global_node_page_state(NR_WRITEBACK);
	const u64 available = max(si_mem_available(), 0L);

	return available - min(available, unwritten);
}

/* Pages of files that a larger cache would have kept, and pages that come from swap. */
static u64 hvb_refaults(void)
{
	return global_node_page_state(WORKINGSET_ACTIVATE_FILE) +
	       global_node_page_state(WORKINGSET_REFAULT_ANON);
}

/**
 * hvb_demand_update() - look at what the guest uses
 * @hvb: the device
 *
 * Context: the report work, or while it cannot run.
 */
void hvb_demand_update(struct hvb_dev *hvb)
{
	const u64 assigned = hvb_assigned(hvb), available = hvb_demand_available();
	const struct hvb_usage usage = {
		.now_ms = jiffies64_to_msecs(get_jiffies_64()),
		.used = assigned - min(assigned, available),
		.vm_committed = hvb_host_pages(vm_memory_committed(), PAGE_SHIFT),
		.file_pages = hvb_host_pages(global_node_page_state(NR_FILE_PAGES), PAGE_SHIFT),
		.refaults = hvb_host_pages(hvb_refaults(), PAGE_SHIFT),
	};

	hvb_use_model_update(&hvb->demand.model, &usage);
}

/* Return: pages that a guest which ran out of memory asks for, 0 if it did not. */
static u64 hvb_demand_urgent(const struct hvb_demand_state *state)
{
	if (time_after_eq64(get_jiffies_64(), READ_ONCE(state->emergency_end)))
		return 0;
	return READ_ONCE(state->emergency);
}

/**
 * hvb_demand_read() - what goes into the demand of the guest now
 * @hvb: the device
 * @demand: where to put it
 *
 * Context: process.
 */
void hvb_demand_read(struct hvb_dev *hvb, struct hvb_demand *demand)
{
	const struct hvb_use_model *model = &hvb->demand.model;
	u64 backed, online;

	hvb_hot_add_totals(hvb, &backed, &online);
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
 * hvb_demand_rises() - whether the host should hear of the demand more often
 * @hvb: the device
 *
 * Context: the report work.
 * Return: whether it should.
 */
bool hvb_demand_rises(const struct hvb_dev *hvb)
{
	return hvb_demand_urgent(&hvb->demand) ||
	       hvb->demand.model.use_rate * HVB_RISE_SECONDS > hvb_demand_available();
}

/**
 * hvb_demand_emergency() - the guest is out of memory: ask for more than it uses
 * @hvb: the device
 * @end: when that ends, in jiffies64
 *
 * Context: any. More than one task may come here at once; they ask for the same.
 */
void hvb_demand_emergency(struct hvb_dev *hvb, u64 end)
{
	struct hvb_demand_state *state = &hvb->demand;

	WRITE_ONCE(state->emergency, hvb_emergency_pages(&state->model));
	WRITE_ONCE(state->emergency_end, end);
}

/**
 * hvb_demand_set_extra() - a program asks for memory on top of the demand
 * @hvb: the device
 * @pages: how much, 0 for no more
 * @seconds: for how long
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
 * hvb_demand_extra() - what a program asks for on top of the demand
 * @hvb: the device
 *
 * Context: process.
 * Return: pages, 0 if its time is over.
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
 * hvb_demand_init() - get ready for all of the above
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
