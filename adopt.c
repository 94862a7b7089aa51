// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds what an earlier load of the driver left: hot-added memory blocks, gaps in them,
 * and ballooned blocks. Blocks have a resource (walk.h); gaps and what is ballooned have
 * a mark in their struct page (mark.h).
 *
 * A walk over all struct pages is slow on a large guest and finds nothing in most
 * cases. Two sources limit it without reading a page:
 *
 * - The kernel's balloon events. The driver counts pages that the host takes and
 *   returns, including those of blocks that went offline. While both counts are
 *   equal no ballooned page is left.
 * - The kernel's memory resources. A gap lies in a block that was added as "driver
 *   managed" (memory_block.c), which its resource shows. hv_dynmem can have gaps of the
 *   in-tree driver too (takeover.c), in any block that was hot-added.
 */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "adopt.h"
#include "ballooned.h"
#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "mark.h"
#include "names.h"
#include "params.h"
#include "walk.h"

/* Return: the end PFN, exclusive, of a run of marked pages that starts at @pfn. */
static unsigned long hvb_settle_span(enum hvb_mark_kind kind, unsigned long pfn,
				     unsigned long end)
{
	do {
		hvb_mark_settle(pfn_to_page(pfn));
	} while (++pfn < end && hvb_mark_is(pfn_to_page(pfn), kind));
	return pfn;
}

/* See struct hvb_walk: it ends if the memory to note a gap is missing. */
static unsigned long hvb_adopt_one(const struct hvb_walk *walk, unsigned long pfn,
				   unsigned long end)
{
	struct page *page = pfn_to_page(pfn);
	struct hvb_dev *hvb = walk->hvb;
	unsigned long next;

	if (hvb_mark_is(page, HVB_MARK_BALLOON)) {
		next = pfn + (1UL << hvb_mark_order(page));
		hvb_mark_settle(page);
		hvb_ballooned_adopt(hvb, page);
		return next;
	}

	if (hvb_mark_is(page, HVB_MARK_GAP)) {
		next = hvb_settle_span(HVB_MARK_GAP, pfn, end);
		return hvb_hotplug_map_adopt(hvb, pfn, next, false) ? 0 : next;
	}

	if (hvb_mark_is(page, HVB_MARK_BALLOONED_OFFLINE)) {
		next = hvb_settle_span(HVB_MARK_BALLOONED_OFFLINE, pfn, end);
		return hvb_ballooned_adopt_offline(hvb, pfn, next) ? 0 : next;
	}

	return hvb_walk_next(pfn);
}

static int hvb_adopt_resource(struct resource *memory, void *walk)
{
	return hvb_walk_range(walk, PFN_DOWN(memory->start), PFN_UP(memory->end + 1));
}

/* A resource may have many blocks: those that follow each other are merged. */
static int hvb_note_resource(struct resource *memory, void *data)
{
	struct hvb_dev *hvb = data;
	const u64 end = PFN_DOWN(memory->end + 1);
	u64 block = PFN_DOWN(memory->start);
	int ret = 0;

	for (; block < end && !ret; block += hvb->hot_add.map.regions.block_pages)
		ret = hvb_hotplug_map_adopt_block(hvb, block,
						  online_section_nr(pfn_to_section_nr(block)));
	return ret;
}

/*
 * Memory that was hot-added stays so, whichever driver has added it: the host counts it,
 * and the in-tree driver, which may get the device back, has to know how much it is.
 */
static int hvb_adopt_hot_added(struct hvb_dev *hvb)
{
	return hvb_walk_resources(HVB_HOT_ADDED, hvb_note_resource, hvb);
}

static int hvb_adopt_gaps(struct hvb_walk *walk)
{
	return hvb_walk_resources(HVB_IS_BESIDE ? HVB_HOT_ADDED : HVB_DRIVER_MANAGED,
				  hvb_adopt_resource, walk);
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
	struct hvb_walk walk = { .hvb = hvb, .look = hvb_adopt_one };
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = hvb_adopt_hot_added(hvb) ?:
	      (maybe_ballooned ? hvb_walk_all(&walk) : hvb_adopt_gaps(&walk));
	mutex_unlock(&hvb->transfer_lock);

	if (!ret)
		hvb_log_adopted(hvb);
	return ret;
}
