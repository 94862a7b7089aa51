// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes over what the in-tree driver holds when it is unbound: pages that it has
 * ballooned, and gaps in memory blocks that it has hot-added. Both stay PageOffline
 * with one reference.
 *
 * They have no mark, and a page of somebody else could look the same. So they are
 * counted first, and marked only if their number is exactly that of the in-tree
 * driver's debugfs file, which the parameter takeover has. Else the probe fails, and
 * nothing has changed. If it fails later all is left as it was, but for what reclaim=1
 * has freed: that the in-tree driver still counts as ballooned.
 *
 * Gaps are the pages of hot-added blocks that the host has not added. From
 * 6.11 on a gap looks like a ballooned page. The host fills blocks from their start, so
 * it is at the end of one block; where two blocks could have it, nothing is taken over.
 */
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "ballooned.h"
#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/region.h"
#include "mark.h"
#include "params.h"
#include "takeover.h"
#include "walk.h"

/**
 * struct hvb_takeover - what was found, in pages
 * @walk: how memory is looked at; must be first
 * @gaps: expected pages of gaps without a mark
 * @found: PageOffline without a mark
 * @found_gaps: those among them that may be gaps
 * @gap: where the gap is, if not all of @found_gaps are one
 * @places: how many blocks could have it
 */
struct hvb_takeover {
	struct hvb_walk walk;
	u64 gaps;
	u64 found;
	u64 found_gaps;
	struct hvb_extent gap;
	unsigned int places;
};

static struct hvb_takeover *hvb_takeover_of(const struct hvb_walk *walk)
{
	return container_of(walk, struct hvb_takeover, walk);
}

static bool hvb_is_left(struct page *page)
{
	return PageOffline(page) && page_count(page) == 1 && hvb_mark_is_missing(page);
}

static bool hvb_is_maybe_gap(struct hvb_dev *hvb, unsigned long pfn)
{
	return hvb_compat_maybe_gap(pfn_to_page(pfn)) &&
	       hvb_hotplug_map_is_hot_added(&hvb->hot_add.map, pfn);
}

static bool hvb_is_left_gap(const struct hvb_takeover *takeover, unsigned long pfn)
{
	if (takeover->found_gaps == takeover->gaps)
		return hvb_is_maybe_gap(takeover->walk.hvb, pfn);
	return pfn >= takeover->gap.start && pfn < takeover->gap.end;
}

/* Could the last pages of a block be the gap? */
static void hvb_look_for_gap(struct hvb_takeover *takeover, u64 block)
{
	const u64 end = block + takeover->walk.hvb->hot_add.map.regions.block_pages;
	const u64 start = end - takeover->gaps;
	u64 pfn;

	if (takeover->gaps >= end - block)
		return;

	for (pfn = start; pfn < end; pfn++)
		if (!pfn_to_online_page(pfn) || !hvb_is_left(pfn_to_page(pfn)) ||
		    !hvb_is_maybe_gap(takeover->walk.hvb, pfn))
			return;

	takeover->gap = (struct hvb_extent) { start, end };
	takeover->places++;
}

static int hvb_look_at_resource(struct resource *memory, void *takeover)
{
	const struct hvb_dev *hvb = ((struct hvb_takeover *)takeover)->walk.hvb;
	const u64 end = PFN_DOWN(memory->end + 1);
	u64 block = PFN_DOWN(memory->start);

	for (; block < end; block += hvb->hot_add.map.regions.block_pages)
		hvb_look_for_gap(takeover, block);
	return 0;
}

static unsigned long hvb_count_one(const struct hvb_walk *walk, unsigned long pfn,
				   unsigned long end)
{
	struct hvb_takeover *takeover = hvb_takeover_of(walk);

	if (!hvb_is_left(pfn_to_page(pfn)))
		return hvb_walk_next(pfn);

	takeover->found++;
	takeover->found_gaps += hvb_is_maybe_gap(walk->hvb, pfn);
	return pfn + 1;
}

static unsigned long hvb_take_over_gap(const struct hvb_takeover *takeover,
				       unsigned long pfn, unsigned long end)
{
	unsigned long stop = pfn;

	do {
		stop++;
	} while (stop < end && hvb_is_left(pfn_to_page(stop)) &&
		 hvb_is_left_gap(takeover, stop));
	if (hvb_hotplug_map_adopt(takeover->walk.hvb, pfn, stop, false))
		return 0;

	hvb_mark_span(HVB_MARK_GAP, HVB_MARK_TAKEN_OVER, pfn, stop);
	return stop;
}

/*
 * The in-tree driver counts no event of ballooning, but does count the page, where the
 * kernel has a counter for that. The page has left the guest's total.
 */
static void hvb_take_over_ballooned(struct hvb_dev *hvb, struct page *page)
{
	set_page_private(page, hvb_mark_value(HVB_MARK_BALLOON, true, 0) | HVB_MARK_TAKEN_OVER);
	hvb_compat_count_events(1);
	hvb_ballooned_adopt(hvb, page);
}

static unsigned long hvb_take_over_one(const struct hvb_walk *walk, unsigned long pfn,
				       unsigned long end)
{
	struct hvb_takeover *takeover = hvb_takeover_of(walk);

	if (!hvb_is_left(pfn_to_page(pfn)))
		return hvb_walk_next(pfn);
	if (takeover->gaps && hvb_is_left_gap(takeover, pfn))
		return hvb_take_over_gap(takeover, pfn, end);

	hvb_take_over_ballooned(walk->hvb, pfn_to_page(pfn));
	return pfn + 1;
}

static void hvb_give_back_ballooned(struct page *page)
{
	set_page_private(page, 0);
	hvb_compat_count_events(-1);
}

static void hvb_give_back_gap(struct page *page)
{
	set_page_private(page, 0);
	hvb_compat_leave_gap(page);
}

static unsigned long hvb_give_back_one(const struct hvb_walk *walk, unsigned long pfn,
				       unsigned long end)
{
	struct page *page = pfn_to_page(pfn);

	if (!hvb_mark_is_taken_over(page))
		return hvb_walk_next(pfn);

	if (hvb_mark_is(page, HVB_MARK_BALLOON))
		hvb_give_back_ballooned(page);
	else
		hvb_give_back_gap(page);
	return pfn + 1;
}

/*
 * What the host has not added of the blocks, nor an earlier load has marked, is a gap
 * of the in-tree driver. Return: whether the figures can be right.
 */
static bool hvb_expect_gaps(struct hvb_takeover *takeover,
			    const struct hvb_takeover_figures *figures)
{
	struct hvb_dev *hvb = takeover->walk.hvb;
	u64 backed, online;

	if (!figures->hot_added_known)
		return true;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	if (backed < figures->hot_added) {
		dev_err(hvb_device(hvb),
			"takeover refused: the in-tree driver has hot-added %llu pages, but only %llu of them are there\n",
			figures->hot_added, backed);
		return false;
	}
	takeover->gaps = backed - figures->hot_added;
	return true;
}

static bool hvb_figures_agree(const struct hvb_takeover *takeover,
			      const struct hvb_takeover_figures *figures)
{
	const u64 wanted = figures->ballooned + takeover->gaps;
	const u64 found = takeover->found;

	if (found == wanted)
		return true;

	dev_err(hvb_device(takeover->walk.hvb),
		"takeover refused: %llu pages are out of use, %llu too %s: the in-tree driver has %llu ballooned, and %llu are missing in its memory blocks\n",
		found, found > wanted ? found - wanted : wanted - found,
		found > wanted ? "many" : "few", figures->ballooned, takeover->gaps);
	return false;
}

/* Return: whether it is clear which pages are a gap. */
static bool hvb_locate_gap(struct hvb_takeover *takeover)
{
	if (!takeover->gaps || takeover->found_gaps == takeover->gaps)
		return true;

	hvb_walk_resources(HVB_HOT_ADDED, hvb_look_at_resource, takeover);
	if (takeover->places == 1)
		return true;

	dev_err(hvb_device(takeover->walk.hvb),
		"takeover refused: %llu pages are missing in memory blocks, and %u blocks could lack them at their end: it cannot be told which are ballooned\n",
		takeover->gaps, takeover->places);
	return false;
}

static int hvb_takeover_check(struct hvb_takeover *takeover,
			      const struct hvb_takeover_figures *figures)
{
	int ret;

	if (!hvb_expect_gaps(takeover, figures))
		return -EUCLEAN;

	takeover->walk.look = hvb_count_one;
	ret = hvb_walk_all(&takeover->walk);
	if (ret)
		return ret;
	return hvb_figures_agree(takeover, figures) && hvb_locate_gap(takeover) ? 0 : -EUCLEAN;
}

/**
 * hvb_takeover() - take over from the in-tree driver
 * @hvb: the device; its channel is closed, hvb_adopt() has noted what was hot-added
 * @figures: what the in-tree driver says of itself
 *
 * Context: process, may sleep: some ms per GiB in use.
 * Return: 0, -ENOMEM, or -EUCLEAN if the figures do not agree.
 */
int hvb_takeover(struct hvb_dev *hvb, const struct hvb_takeover_figures *figures)
{
	struct hvb_takeover takeover = { .walk.hvb = hvb };
	u64 backed, online;
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = hvb_takeover_check(&takeover, figures);
	if (!ret) {
		hvb->taken_over = true;
		takeover.walk.look = hvb_take_over_one;
		ret = hvb_walk_all(&takeover.walk);
	}
	mutex_unlock(&hvb->transfer_lock);
	if (ret) {
		hvb_takeover_undo(hvb);
		return ret;
	}

	hvb_hotplug_map_totals(hvb, &backed, &online);
	dev_info(hvb_device(hvb),
		 "taken over from the in-tree driver: %llu pages ballooned, %llu hot-added, %llu missing in memory blocks\n",
		 figures->ballooned, backed, takeover.gaps);
	return 0;
}

/**
 * hvb_takeover_undo() - leave what this probe has taken over as it was
 * @hvb: the device, whose probe fails; its channel is closed
 *
 * The in-tree driver can go on with it. Does nothing if nothing was taken over.
 *
 * Context: process, may sleep.
 */
void hvb_takeover_undo(struct hvb_dev *hvb)
{
	const struct hvb_walk walk = { .hvb = hvb, .look = hvb_give_back_one };

	if (!hvb->taken_over)
		return;

	mutex_lock(&hvb->transfer_lock);
	hvb_walk_all(&walk);
	mutex_unlock(&hvb->transfer_lock);
}
