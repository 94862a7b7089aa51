// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds what an earlier load of the driver left: ballooned blocks, and gaps in
 * hot-added blocks. Both bear a mark in their struct page (mark.h).
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

#include "hv_balloon.h"
#include "mark.h"

/* Return: the first page frame behind a run of marked pages that starts at @pfn. */
static unsigned long hvb_run_end(enum hvb_mark_kind kind, unsigned long pfn,
				 unsigned long end)
{
	struct page *page;

	do {
		page = ++pfn < end ? pfn_to_online_page(pfn) : NULL;
	} while (page && hvb_mark_is(page, kind));
	return pfn;
}

/*
 * Look at one page frame. Return: the next one to look at, 0 if the memory to
 * note a gap is missing.
 */
static unsigned long hvb_adopt_one(struct hvb_dev *hvb, unsigned long pfn,
				   unsigned long end)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long next;

	if (!page)
		return round_up(pfn + 1, PAGES_PER_SECTION);

	if (hvb_mark_is(page, HVB_MARK_BALLOON)) {
		next = pfn + (1UL << hvb_mark_order(page));
		hvb_blocks_adopt(hvb, page);
		return next;
	}

	if (hvb_mark_is(page, HVB_MARK_GAP)) {
		next = hvb_run_end(HVB_MARK_GAP, pfn, end);
		return hvb_books_adopt(hvb, pfn, next, false) ? 0 : next;
	}

	if (hvb_mark_is(page, HVB_MARK_TAKEN)) {
		next = hvb_run_end(HVB_MARK_TAKEN, pfn, end);
		return hvb_blocks_adopt_taken(hvb, pfn, next) ? 0 : next;
	}

	return pfn + 1;
}

static int hvb_adopt_node(struct hvb_dev *hvb, int nid)
{
	const unsigned long end = node_end_pfn(nid);
	unsigned long pfn = node_start_pfn(nid);

	while (pfn < end) {
		pfn = hvb_adopt_one(hvb, pfn, end);
		if (!pfn)
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

static void hvb_tell_adopted(const struct hvb_dev *hvb)
{
	const u64 adopted = hvb->balloon.adopted;

	if (!adopted)
		return;

	dev_info(hvb_device(hvb),
		 "an earlier load left %llu pages (%llu MiB) ballooned: %s\n",
		 adopted, hvb_pages_to_mib(adopted),
		 hvb_params.reclaim ? "taken back, as reclaim=1 demands" :
				      "they count as ballooned until the host returns them");
}

/**
 * hvb_adopt() - take over what an earlier load of the driver left
 * @hvb: the device; its channel is closed
 *
 * Reads the struct page of all memory once: some 10 ms per GiB at worst.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_adopt(struct hvb_dev *hvb)
{
	int nid, ret = 0;

	mutex_lock(&hvb->transfer_lock);
	for_each_online_node(nid) {
		ret = hvb_adopt_node(hvb, nid);
		if (ret)
			break;
	}
	mutex_unlock(&hvb->transfer_lock);

	if (!ret)
		hvb_tell_adopted(hvb);
	return ret;
}
