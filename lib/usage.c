// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demand by use. The commit charge says what programs may use one day; hosts
 * that follow it pay for address space that is never touched. What is in use now
 * comes too late: a host takes some seconds from a report to the memory. So the
 * demand is what is used, what the page cache has proved to need, and a lead: the
 * growth of these seconds.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "usage.h"
#include "limits.h"

#define HVB_MS_PER_S		1000

/* Down by 1/8 in 5 s. */
#define HVB_DECAY_MS		40000

/* A rate of growth is that of so long a time. */
#define HVB_RATE_RISE_MS	1000
#define HVB_RATE_FALL_MS	5000

/* From growth to memory: the report, the host's next look, the guest's answer. */
#define HVB_LEAD_MS		3000

/* The commit charge alone is a promise: it leads by no more than 1/4 of what is used. */
#define HVB_COMMIT_LEAD_SHARE	4

/* In an emergency ask for 256 MiB at least: some memory blocks. */
#define HVB_EMERGENCY_PAGES	(256 * HVB_PAGES_PER_MIB)
#define HVB_EMERGENCY_SHARE	4

/*
 * @value moves towards @goal, by the share that @ms is of @span_ms. No memory has
 * 2^44 pages, and no product here 64 bits.
 */
static u64 hvb_approach(u64 value, u64 goal, u64 ms, u64 span_ms)
{
	const u64 part = min(ms, span_ms);

	if (value > goal)
		return value - (value - goal) * part / span_ms;
	return value + (goal - value) * part / span_ms;
}

static u64 hvb_growth(u64 before, u64 now)
{
	return now > before ? now - before : 0;
}

/* Return: the rate after @ms in which it was @growth pages. */
static u64 hvb_rate(u64 rate, u64 growth, u64 ms)
{
	const u64 now = growth * HVB_MS_PER_S / ms;

	return hvb_approach(rate, now, ms, now > rate ? HVB_RATE_RISE_MS : HVB_RATE_FALL_MS);
}

static u64 hvb_lead(const struct hvb_use_model *model, const struct hvb_usage *usage)
{
	const u64 use = model->use_rate * HVB_LEAD_MS / HVB_MS_PER_S;
	const u64 commit = model->commit_rate * HVB_LEAD_MS / HVB_MS_PER_S;
	const u64 promised = hvb_growth(usage->used, usage->vm_committed);

	return max(min(use, usage->used),
		   min(min(commit, promised), usage->used / HVB_COMMIT_LEAD_SHARE));
}

static void hvb_use_model_begin(struct hvb_use_model *model, const struct hvb_usage *usage)
{
	*model = (struct hvb_use_model) {
		.last = *usage,
		.used = usage->used,
		.begun = true,
	};
}

/**
 * hvb_use_model_update() - the guest was looked at again
 * @model: zeroed at first
 * @usage: what was seen; looks of the same millisecond count as one
 *
 * May be called at any interval.
 */
void hvb_use_model_update(struct hvb_use_model *model, const struct hvb_usage *usage)
{
	const u64 ms = hvb_growth(model->last.now_ms, usage->now_ms);
	u64 refaults;

	if (!model->begun) {
		hvb_use_model_begin(model, usage);
		return;
	}
	if (!ms)
		return;

	model->use_rate = hvb_rate(model->use_rate,
				   hvb_growth(model->last.used, usage->used), ms);
	model->commit_rate = hvb_rate(model->commit_rate,
				      hvb_growth(model->last.vm_committed, usage->vm_committed),
				      ms);

	model->used = max(usage->used,
			  hvb_approach(model->used, usage->used, ms, HVB_DECAY_MS));
	refaults = hvb_growth(model->last.refaults, usage->refaults);
	model->cache = min(hvb_approach(model->cache, 0, ms, HVB_DECAY_MS) + refaults,
			   usage->file_pages);
	model->lead = hvb_lead(model, usage);
	model->last = *usage;
}

/**
 * hvb_emergency_pages() - what a guest that ran out of memory asks for on top
 * @model: its demand by use
 *
 * Return: pages.
 */
u64 hvb_emergency_pages(const struct hvb_use_model *model)
{
	const u64 growth = model->use_rate * HVB_LEAD_MS / HVB_MS_PER_S;

	return max_t(u64, max(min(growth, model->used), model->used / HVB_EMERGENCY_SHARE),
		     HVB_EMERGENCY_PAGES);
}
