// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting: the host may use memory that is free in the guest. The kernel
 * (mm/page_reporting.c) hands over free pages a few at a time; the driver gives the
 * host a hint that their contents do not matter, and the host backs them again when
 * the guest touches them.
 *
 * The hints are hypercalls, independent of the channel. After failures reporting
 * pauses and is retried, as a host may be busy.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/mshyperv.h>

#include "compat.h"
#include "device.h"
#include "hypercall.h"
#include "lib/limits.h"
#include "reporting.h"

/* Consecutive failures after which reporting pauses. */
#define HVB_HINT_FAILURES	3

/* The first pause; it doubles each time that reporting fails again. */
#define HVB_HINT_PAUSE		(30 * HZ)
#define HVB_HINT_PAUSE_MAX	(3600 * HZ)

/* A kernel that hands over more at once than fits one hypercall needs a loop. */
static_assert(PAGE_REPORTING_CAPACITY <= HV_MEMORY_HINT_MAX_GPA_PAGE_RANGES);

/* 2 MiB pages where the range is aligned to them, else pages of 4 KiB. */
static union hv_gpa_page_range hvb_hint_range(const struct scatterlist *sg)
{
	union hv_gpa_page_range range = { .address_space = 0 };
	const u64 start = sg_phys((struct scatterlist *)sg);

	if (IS_ALIGNED(start | sg->length, SZ_2M)) {
		range.page.largepage = 1;
		range.page.additional_pages = sg->length / SZ_2M - 1;
		range.page_size = HV_GPA_PAGE_RANGE_PAGE_SIZE_2MB;
		range.base_large_pfn = start / SZ_2M;
	} else {
		range.page.additional_pages = sg->length / HV_HYP_PAGE_SIZE - 1;
		range.page.basepfn = start / HV_HYP_PAGE_SIZE;
	}
	return range;
}

/* Report these pages, small ones only if the host takes them; @pages: how many. */
static u64 hvb_reporting_give(struct hvb_reporting *reporting, struct scatterlist *sgl,
			      unsigned int nents, u64 *pages)
{
	struct scatterlist *sg;
	unsigned int i, nr = 0;

	*pages = 0;
	for_each_sg(sgl, sg, nents, i) {
		const union hv_gpa_page_range range = hvb_hint_range(sg);

		if (reporting->large_only && !range.page.largepage)
			continue;
		reporting->hint->ranges[nr++] = range;
		*pages += sg->length / HV_HYP_PAGE_SIZE;
	}
	return nr ? hvb_hypercall_hint(reporting->hint, nr) : HV_STATUS_SUCCESS;
}

static bool hvb_reporting_any_small(struct scatterlist *sgl, unsigned int nents)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgl, sg, nents, i)
		if (!hvb_hint_range(sg).page.largepage)
			return true;
	return false;
}

/*
 * Older hosts take hints for large pages only, but the parameter
 * page_reporting_order of the kernel can have smaller blocks reported. Such blocks are
 * skipped from now on, and count as reported: the host goes on backing them. Larger
 * blocks that they merge into are reported anew. Registering again with a larger order
 * does not help where the parameter wins.
 */
static bool hvb_reporting_drop_small(struct hvb_dev *hvb, struct scatterlist *sgl,
				     unsigned int nents)
{
	struct hvb_reporting *reporting = &hvb->reporting;

	if (reporting->large_only || !hvb_reporting_any_small(sgl, nents))
		return false;

	reporting->large_only = true;
	WRITE_ONCE(reporting->failures, reporting->failures + 1);
	dev_info(hvb_device(hvb),
		 "free page reporting in blocks of 2 MiB only: the host refuses smaller ones\n");
	return true;
}

static void hvb_reporting_taken(struct hvb_dev *hvb, u64 pages)
{
	struct hvb_reporting *reporting = &hvb->reporting;

	if (reporting->in_a_row >= HVB_HINT_FAILURES)
		dev_info(hvb_device(hvb), "free page reporting works again\n");
	reporting->in_a_row = 0;
	WRITE_ONCE(reporting->pages, reporting->pages + pages);
}

/*
 * After HVB_HINT_PAUSE_MAX without a pause start with a short one. Else each is longer,
 * even if some hint succeeded: this limits the log.
 */
static void hvb_reporting_lengthen_pause(struct hvb_reporting *reporting)
{
	if (time_after(jiffies, reporting->since + HVB_HINT_PAUSE_MAX))
		reporting->pause = 0;
	reporting->pause = clamp_t(unsigned long, 2 * reporting->pause, HVB_HINT_PAUSE,
				   HVB_HINT_PAUSE_MAX);
}

static void hvb_reporting_failed(struct hvb_dev *hvb, u64 status)
{
	struct hvb_reporting *reporting = &hvb->reporting;

	WRITE_ONCE(reporting->failures, reporting->failures + 1);
	if (++reporting->in_a_row < HVB_HINT_FAILURES)
		return;

	hvb_reporting_lengthen_pause(reporting);
	if (reporting->in_a_row == HVB_HINT_FAILURES)
		dev_warn(hvb_device(hvb),
			 "free page reporting failed (status 0x%llx): disabled for %lu s\n",
			 status, reporting->pause / HZ);

	WRITE_ONCE(reporting->on, false);
	/* Not here: unregistering waits for the report in progress. */
	if (!READ_ONCE(reporting->ending))
		schedule_delayed_work(&reporting->work, 0);
}

/* Called by the kernel, one call at a time, with pages isolated from the allocator. */
static int hvb_reporting_report(struct page_reporting_dev_info *prdev,
				struct scatterlist *sgl, unsigned int nents)
{
	struct hvb_reporting *reporting = container_of(prdev, struct hvb_reporting, prdev);
	struct hvb_dev *hvb = container_of(reporting, struct hvb_dev, reporting);
	u64 status, pages;

	if (!READ_ONCE(reporting->on))
		return -EOPNOTSUPP;

	status = hvb_reporting_give(reporting, sgl, nents, &pages);
	if (status == HV_STATUS_INVALID_PARAMETER && hvb_reporting_drop_small(hvb, sgl, nents))
		status = hvb_reporting_give(reporting, sgl, nents, &pages);
	if (status != HV_STATUS_SUCCESS) {
		hvb_reporting_failed(hvb, status);
		return -EIO;
	}

	/* If all were skipped the host was not called. */
	if (pages)
		hvb_reporting_taken(hvb, pages);
	return 0;
}

/* A report can come, and fail, before page_reporting_register() returns. */
static int hvb_reporting_register(struct hvb_reporting *reporting)
{
	int ret;

	reporting->since = jiffies;
	reporting->registered = true;
	WRITE_ONCE(reporting->on, true);
	ret = page_reporting_register(&reporting->prdev);
	if (ret) {
		WRITE_ONCE(reporting->on, false);
		reporting->registered = false;
	}
	return ret;
}

/*
 * Unregister after failures, and register again after the pause: while registered, the
 * kernel isolates free pages for reports that would fail.
 */
static void hvb_reporting_work(struct work_struct *work)
{
	struct hvb_reporting *reporting = container_of(to_delayed_work(work),
						       struct hvb_reporting, work);

	if (READ_ONCE(reporting->ending))
		return;

	if (reporting->registered) {
		page_reporting_unregister(&reporting->prdev);
		reporting->registered = false;
	} else if (!hvb_reporting_register(reporting)) {
		return;
	}
	schedule_delayed_work(&reporting->work, reporting->pause);
}

static int hvb_reporting_begin(struct hvb_reporting *reporting)
{
	int ret;

	reporting->hint = kzalloc(struct_size(reporting->hint, ranges, PAGE_REPORTING_CAPACITY),
				  GFP_KERNEL);
	if (!reporting->hint)
		return -ENOMEM;

	HVB_HINT_KIND(reporting->hint) = HV_EXT_MEMORY_HEAT_HINT_TYPE_COLD_DISCARD;
	reporting->prdev.report = hvb_reporting_report;
	reporting->prdev.order = HVB_CHUNK_ORDER;
	INIT_DELAYED_WORK(&reporting->work, hvb_reporting_work);
	ret = hvb_reporting_register(reporting);
	if (ret) {
		kfree(reporting->hint);
		reporting->hint = NULL;
	}
	return ret;
}

/*
 * The kernel relies on the contents of free pages: a pattern (page_poison), or zeroes
 * (init_on_free). A hint gives up the contents, and those of pages that the host backs
 * again are not specified.
 */
static bool hvb_reporting_would_harm(void)
{
	return page_poisoning_enabled_static() || want_init_on_free();
}

/**
 * hvb_reporting_init() - enable free page reporting, if the host supports it
 * @hvb: the device
 *
 * Optional: a failure does not fail the probe.
 *
 * Context: process, may sleep.
 */
void hvb_reporting_init(struct hvb_dev *hvb)
{
	int ret;

	if (!hvb_hypercall_takes_hints())
		return;

	if (hvb_reporting_would_harm()) {
		dev_info(hvb_device(hvb),
			 "free page reporting disabled: page_poison or init_on_free rely on the contents of free pages\n");
		return;
	}

	ret = hvb_reporting_begin(&hvb->reporting);
	if (ret)
		dev_warn(hvb_device(hvb),
			 "free page reporting not enabled (error %d)%s\n", ret,
			 ret == -EBUSY ? ": in use by another driver" : "");
	else
		dev_info(hvb_device(hvb), "free page reporting enabled\n");
}

/**
 * hvb_reporting_exit() - disable free page reporting
 * @hvb: the device
 *
 * Context: process, may sleep: waits for the kernel to end a round.
 */
void hvb_reporting_exit(struct hvb_dev *hvb)
{
	struct hvb_reporting *reporting = &hvb->reporting;

	if (!reporting->hint)
		return;

	/* From here on the work does not change @registered. */
	WRITE_ONCE(reporting->ending, true);
	cancel_delayed_work_sync(&reporting->work);
	if (reporting->registered)
		page_reporting_unregister(&reporting->prdev);
	/* A last report may have queued it. */
	cancel_delayed_work_sync(&reporting->work);
	kfree(reporting->hint);
}
