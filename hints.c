// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting: while a guest does not use some of its memory, the host
 * may. The kernel (mm/page_reporting.c) hands over free pages a few at a time;
 * the host is given a hint that their contents do not matter, and backs them
 * again when the guest touches them.
 *
 * It has nothing to do with the channel: the hints are hypercalls. Where the
 * host does not offer them, or stops taking them, the guest does without.
 */
#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <asm/mshyperv.h>

#include "compat.h"
#include "hv_balloon.h"

/* After so many failures in a row the host is not asked any more. */
#define HVB_HINT_FAILURES	3

/* A kernel that hands over more at once than fits one hypercall needs a loop. */
static_assert(PAGE_REPORTING_CAPACITY <= HV_MEMORY_HINT_MAX_GPA_PAGE_RANGES);

/* Large pages where it is whole ones; else pages of 4 KiB, which are few then. */
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

static void hvb_hints_failed(struct hvb_dev *hvb, u64 status)
{
	struct hvb_hints *hints = &hvb->hints;

	WRITE_ONCE(hints->failures, hints->failures + 1);
	if (++hints->in_a_row < HVB_HINT_FAILURES)
		return;

	WRITE_ONCE(hints->on, false);
	dev_warn(hvb_device(hvb),
		 "the host takes no hints at free memory any more (status 0x%llx): the guest gives none until the driver is loaded again\n",
		 status);
}

/* Called by the kernel, one call at a time, with pages that nobody can use. */
static int hvb_hints_report(struct page_reporting_dev_info *prdev,
			    struct scatterlist *sgl, unsigned int nents)
{
	struct hvb_hints *hints = container_of(prdev, struct hvb_hints, prdev);
	struct hvb_dev *hvb = container_of(hints, struct hvb_dev, hints);
	struct scatterlist *sg;
	unsigned int i;
	u64 pages = 0;
	u64 status;

	if (!hints->on)
		return -EOPNOTSUPP;

	for_each_sg(sgl, sg, nents, i) {
		hints->hint->ranges[i] = hvb_hint_range(sg);
		pages += sg->length / HV_HYP_PAGE_SIZE;
	}

	status = hvb_hypercall_hint(hints->hint, nents);
	if (status != HV_STATUS_SUCCESS) {
		hvb_hints_failed(hvb, status);
		return -EIO;
	}

	hints->in_a_row = 0;
	WRITE_ONCE(hints->pages, hints->pages + pages);
	return 0;
}

static int hvb_hints_register(struct hvb_hints *hints)
{
	int ret;

	hints->hint = kzalloc(struct_size(hints->hint, ranges, PAGE_REPORTING_CAPACITY),
			      GFP_KERNEL);
	if (!hints->hint)
		return -ENOMEM;

	HVB_HINT_KIND(hints->hint) = HV_EXT_MEMORY_HEAT_HINT_TYPE_COLD_DISCARD;
	hints->prdev.report = hvb_hints_report;
	hints->prdev.order = HVB_BLOCK_ORDER;
	WRITE_ONCE(hints->on, true);
	ret = page_reporting_register(&hints->prdev);
	if (ret) {
		WRITE_ONCE(hints->on, false);
		kfree(hints->hint);
		hints->hint = NULL;
	}
	return ret;
}

/**
 * hvb_hints_init() - give hints at free memory, if the host takes them
 * @hvb: the device
 *
 * The driver works without: nothing here fails a probe.
 *
 * Context: process, may sleep.
 */
void hvb_hints_init(struct hvb_dev *hvb)
{
	int ret;

	if (!hvb_hypercall_takes_hints())
		return;

	ret = hvb_hints_register(&hvb->hints);
	if (ret)
		dev_warn(hvb_device(hvb),
			 "the host gets no hints at free memory (error %d)%s\n", ret,
			 ret == -EBUSY ? ": another driver reports it" : "");
	else
		dev_info(hvb_device(hvb), "the host gets hints at free memory\n");
}

/**
 * hvb_hints_exit() - give no hints any more
 * @hvb: the device
 *
 * Context: process, may sleep: waits for the kernel to end a round.
 */
void hvb_hints_exit(struct hvb_dev *hvb)
{
	struct hvb_hints *hints = &hvb->hints;

	if (!hints->hint)
		return;

	page_reporting_unregister(&hints->prdev);
	kfree(hints->hint);
}
