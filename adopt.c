// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds what an earlier load of the driver left: ballooned blocks, and gaps in
 * hot-added memory blocks. Both have a mark in their struct page (mark.h).
 *
 * A walk over all struct pages is slow on a large guest and finds nothing in most
 * cases. Two sources limit it without reading a page:
 *
 * - The kernel's balloon events. The driver counts pages that the host takes and
 *   returns, including those of blocks that went offline. While both counts are
 *   equal no ballooned page is left.
 * - The kernel's memory resources. A gap lies in a block that was added as "driver
 *   managed" (memblock.c), which its resource shows.
 */
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

#include "adopt.h"
#include "chunks.h"
#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "mark.h"
#include "params.h"

#define HVB_DRIVER_MANAGED	(IORESOURCE_SYSTEM_RAM | IORESOURCE_SYSRAM_DRIVER_MANAGED)

/* The largest compound pages are those of the huge page pool. */
#define HVB_COMPOUND_ORDER_MAX	(PUD_SHIFT - PAGE_SHIFT)

/* Return: the end PFN, exclusive, of a run of marked pages that starts at @pfn. */
static unsigned long hvb_span_end(enum hvb_mark_kind kind, unsigned long pfn,
				  unsigned long end)
{
	while (++pfn < end && hvb_mark_is(pfn_to_page(pfn), kind))
		;
	return pfn;
}

/*
 * Free pages and those of a compound page have no mark. They can change at any
 * time: an order is valid only if the page was of that kind before and after it
 * was read.
 */
static unsigned int hvb_order_without_mark(struct page *page)
{
	unsigned long order = 0;

	if (PageBuddy(page)) {
		order = READ_ONCE(page->private);
		/* The order before the second look. */
		smp_rmb();
		if (!PageBuddy(page) || order >= ARRAY_SIZE(page_zone(page)->free_area))
			return 0;
	} else if (PageHead(page)) {
		order = compound_order(page);
		/* As above. */
		smp_rmb();
		if (!PageHead(page) || order > HVB_COMPOUND_ORDER_MAX)
			return 0;
	}
	return IS_ALIGNED(page_to_pfn(page), 1UL << order) ? order : 0;
}

/*
 * Look at one PFN, which is online. Return: the next one to look at, 0 if
 * the memory to note a gap is missing.
 */
static unsigned long hvb_adopt_one(struct hvb_dev *hvb, unsigned long pfn,
				   unsigned long end)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long next;

	if (hvb_mark_is(page, HVB_MARK_BALLOON)) {
		next = pfn + (1UL << hvb_mark_order(page));
		hvb_chunks_adopt(hvb, page);
		return next;
	}

	if (hvb_mark_is(page, HVB_MARK_GAP)) {
		next = hvb_span_end(HVB_MARK_GAP, pfn, end);
		return hvb_hotplug_map_adopt(hvb, pfn, next, false) ? 0 : next;
	}

	if (hvb_mark_is(page, HVB_MARK_BALLOONED_OFFLINE)) {
		next = hvb_span_end(HVB_MARK_BALLOONED_OFFLINE, pfn, end);
		return hvb_chunks_adopt_offline(hvb, pfn, next) ? 0 : next;
	}

	return pfn + (1UL << hvb_order_without_mark(page));
}

/*
 * All PFNs of a subsection are online, or none are; a section can hold memory and
 * device pages. What is not online is skipped at once.
 */
static int hvb_adopt_range(struct hvb_dev *hvb, unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned long stop = round_down(pfn, PAGES_PER_SUBSECTION) +
				     PAGES_PER_SUBSECTION;

		if (!online_section_nr(pfn_to_section_nr(pfn))) {
			pfn = round_down(pfn, PAGES_PER_SECTION) + PAGES_PER_SECTION;
			continue;
		}
		if (!pfn_to_online_page(pfn)) {
			pfn = stop;
			continue;
		}

		stop = min(stop, end);
		while (pfn < stop) {
			hvb->stats.pages_looked_at++;
			pfn = hvb_adopt_one(hvb, pfn, stop);
			if (!pfn)
				return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

/* The nodes of memory may overlap: each PFN once, whatever node it is on. */
static int hvb_adopt_all(struct hvb_dev *hvb)
{
	unsigned long start = ULONG_MAX, end = 0;
	int nid;

	for_each_online_node(nid) {
		if (!node_spanned_pages(nid))
			continue;
		start = min(start, node_start_pfn(nid));
		end = max(end, node_end_pfn(nid));
	}
	return hvb_adopt_range(hvb, start, end);
}

static int hvb_adopt_resource(struct resource *memory, void *hvb)
{
	return hvb_adopt_range(hvb, PFN_DOWN(memory->start), PFN_UP(memory->end + 1));
}

/* Driver managed memory, of this driver and of others. */
static int hvb_adopt_driver_managed(struct hvb_dev *hvb)
{
	const int ret = walk_iomem_res_desc(IORES_DESC_NONE, HVB_DRIVER_MANAGED, 0, U64_MAX,
					    hvb, hvb_adopt_resource);

	/* Without any such resource the function returns -EINVAL. */
	return ret == -ENOMEM ? ret : 0;
}

static void hvb_log_adopted(const struct hvb_dev *hvb)
{
	const u64 adopted = hvb->balloon.adopted;

	if (!adopted)
		return;

	dev_info(hvb_device(hvb),
		 "an earlier load left %llu pages (%llu MiB) ballooned: %s\n",
		 adopted, hvb_pages_to_mib(adopted),
		 hvb_params.reclaim ? "reclaimed (reclaim=1)" :
				      "they stay out of use until the host returns them");
}

/**
 * hvb_adopt() - take over what an earlier load of the driver left
 * @hvb: the device; its channel is closed
 *
 * Reads no struct page if nothing can be left, as at the first load. Else it reads
 * those of all memory in use: some ms per GiB.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_adopt(struct hvb_dev *hvb)
{
	/* Without transfer_lock: this takes the CPU hotplug lock. */
	const bool maybe_ballooned = hvb_compat_maybe_ballooned();
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = maybe_ballooned ? hvb_adopt_all(hvb) : hvb_adopt_driver_managed(hvb);
	mutex_unlock(&hvb->transfer_lock);

	if (!ret)
		hvb_log_adopted(hvb);
	return ret;
}
