// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demand by use. The commit charge contains address space that is never touched.
 * Memory in use lags: a host needs some seconds from a report to the memory. So the
 * demand is memory in use, page cache that refaults proved needed, and a lead: the
 * growth expected in these seconds.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "usage.h"
#include "limits.h"

#define HVB_MS_PER_S		1000

/* Decay: 1/8 in 5 s. */
#define HVB_DECAY_MS		40000

/* Time constants of the growth rates. */
#define HVB_RATE_RISE_MS	1000
#define HVB_RATE_FALL_MS	5000

/*
 * A faster rate tells no more, and the products of this one fit into 64 bits. The commit
 * charge has no limit, and may grow by any amount within a millisecond.
 */
#define HVB_RATE_MAX		(16ULL << 40)

/* From growth to memory: report, the host's next poll, the guest's answer. */
#define HVB_LEAD_MS		3000

/* Growth of the commit charge may never be used: its lead is limited to 1/4 of the use. */
#define HVB_COMMIT_LEAD_SHARE	4

/* Minimum of an emergency demand: 256 MiB, a few memory blocks. */
#define HVB_EMERGENCY_PAGES	(256 * HVB_PAGES_PER_MIB)
#define HVB_EMERGENCY_SHARE	4

/*
 * Move @value towards @goal by @ms / @span_ms of the distance. Neither a guest's pages
 * nor a rate exceed 2^44, so that no product exceeds 64 bits.
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

/* Return: the rate, in pages per second, after @growth pages in @ms. */
static u64 hvb_rate(u64 rate, u64 growth, u64 ms)
{
	const u64 most = HVB_RATE_MAX / HVB_MS_PER_S * ms;
	const u64 now = growth < most ? growth * HVB_MS_PER_S / ms : HVB_RATE_MAX;

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
 * hvb_use_model_update() - feed a sample into the model
 * @model: zeroed before the first call
 * @usage: the sample; further ones of the same millisecond are ignored
 *
 * The interval may vary.
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
 * hvb_emergency_pages() - extra demand after an OOM
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
