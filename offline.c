// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory blocks that go offline, hot-added or not.
 *
 * A block can go offline only if no page in it is referenced. The driver holds
 * references to ballooned pages and gaps, which are not in use: it detaches them.
 * Ballooned pages of the block become a gap, recorded in the hotplug map as ballooned
 * while offline. So they are known while the block has no struct pages, are withheld
 * when it comes online again, and can be returned at any time.
 *
 * From MEM_GOING_OFFLINE to MEM_OFFLINE or MEM_CANCEL_OFFLINE no page of the block may
 * change. Pages that the host gives or returns in between are recorded in the hotplug
 * map only, and onlined if the block stays online.
 *
 * All functions run under the hotplug lock, in the task that takes the block
 * offline; one block at a time.
 */
#include <linux/delay.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sched.h>

#include "ballooned.h"
#include "compat.h"
#include "device.h"
#include "evacuate.h"
#include "hotplug_map.h"
#include "lib/batch.h"
#include "mark.h"
#include "offline.h"
#include "online.h"

/* Attempts to release a page that has another reference, and microseconds between two. */
#define HVB_RELEASE_TRIES	100
#define HVB_RELEASE_US		1000

/* Return: number of runs of ballooned pages. */
static unsigned int hvb_count_spans(u64 pfn, u64 end)
{
	unsigned int runs = 0;
	bool before = false;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		const bool ballooned = hvb_mark_is(page, HVB_MARK_BALLOON);

		runs += ballooned && !before;
		before = ballooned;
		pfn += ballooned ? 1ULL << hvb_mark_order(page) : 1;
	}
	return runs;
}

/* Turn ballooned pages into gaps; the map has room for them. */
static void hvb_detach(struct hvb_dev *hvb, u64 pfn, u64 end)
{
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		u64 next = pfn + 1;

		if (hvb_mark_is(page, HVB_MARK_BALLOON)) {
			next = pfn + (1ULL << hvb_mark_order(page));
			hvb_ballooned_detach(hvb, page);
			hvb_hotplug_map_detach(hvb, pfn, next);
			cond_resched();
		}
		pfn = next;
	}
}

static long hvb_count_gaps(const struct hvb_extent *range)
{
	long gaps = 0;
	u64 pfn;

	for (pfn = range->start; pfn < range->end; pfn++)
		gaps += hvb_mark_is_gap(pfn_to_page(pfn));
	return gaps;
}

/*
 * A PageOffline page without a reference does not block offlining. A PFN walker may hold
 * a speculative reference: drop ours only without it. Tail pages of a non-compound
 * block have no reference.
 */
static bool hvb_release_page(struct page *page)
{
	return page_ref_freeze(page, 1) || !page_count(page);
}

/* Return: 0, or -EBUSY if a speculative reference stays; hvb_hold_gaps() undoes it. */
static int hvb_release_gaps(const struct hvb_extent *range)
{
	unsigned int tries = HVB_RELEASE_TRIES;
	u64 pfn = range->start;

	hvb_compat_count_going_offline(pfn_to_page(pfn), hvb_count_gaps(range));
	while (pfn < range->end) {
		struct page *page = pfn_to_page(pfn);

		if (!hvb_mark_is_gap(page) || hvb_release_page(page))
			pfn++;
		else if (tries--)
			usleep_range(HVB_RELEASE_US, 2 * HVB_RELEASE_US);
		else
			return -EBUSY;
	}
	return 0;
}

static void hvb_hold_gaps(const struct hvb_extent *range)
{
	u64 pfn;

	for (pfn = range->start; pfn < range->end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (hvb_mark_is_gap(page) && !page_count(page))
			page_ref_unfreeze(page, 1);
	}
	hvb_compat_count_going_offline(pfn_to_page(range->start), -hvb_count_gaps(range));
}

/* Return: number of ranges in @memory that are ballooned and not reported yet. */
static unsigned int hvb_count_unreported(const struct hvb_batch *batch,
					 const struct hvb_extent *memory)
{
	unsigned int ranges = 0;
	u32 i;

	for (i = 0; i < batch->nr; i++)
		ranges += batch->ranges[i].start >= memory->start &&
			  batch->ranges[i].start < memory->end;
	return ranges;
}

/*
 * Detach all pages of the block that the driver holds.
 * Return: 0, -ENOMEM, or -EBUSY; then hvb_offline_cancel() undoes it.
 */
static int hvb_offline_detach(struct hvb_dev *hvb, const struct hvb_extent *range)
{
	int ret;

	hvb->hot_add.map.promised_gaps += hvb_count_unreported(hvb->inflate.batch, range) *
					  HVB_RETURN_EXTENTS;
	ret = hvb_hotplug_map_make_room(hvb, hvb_count_spans(range->start, range->end));
	if (ret)
		return ret;

	hvb_detach(hvb, range->start, range->end);
	hvb_hotplug_map_set_going_offline(hvb, *range);
	return hvb_release_gaps(range);
}

/*
 * The kernel isolates pageblocks before the notifier runs. An evacuation that began at
 * the same moment may have ended the isolation of one, see hvb_compat_alloc_contig():
 * offlining would then never end.
 */
static bool hvb_is_isolated(const struct hvb_extent *range)
{
	u64 pfn;

	for (pfn = range->start; pfn < range->end; pfn += pageblock_nr_pages)
		if (!hvb_compat_is_isolated(pfn))
			return false;
	return true;
}

/**
 * hvb_offline_begin() - a block is going offline
 * @hvb: the device
 * @start: first PFN of the block, or the first after a memory map at its start
 * @count: pages from there on
 *
 * Context: process, may sleep; takes hvb->transfer_lock.
 * Return: 0, -ENOMEM, or -EBUSY if a migration in the block takes too long or has ended
 * the isolation of a pageblock, or a page stays referenced.
 */
int hvb_offline_begin(struct hvb_dev *hvb, u64 start, u64 count)
{
	const struct hvb_extent range = { start, start + count };
	int ret = 0;

	mutex_lock(&hvb->transfer_lock);
	/* Otherwise the pages would not be withheld when the block comes online again. */
	if (hvb->hot_add.usable && !READ_ONCE(hvb->stopping))
		ret = hvb_offline_detach(hvb, &range);
	mutex_unlock(&hvb->transfer_lock);
	if (!ret)
		ret = hvb_evacuate_wait(hvb, &range);
	if (!ret && !hvb_is_isolated(&range))
		ret = -EBUSY;
	return ret;
}

/* Online pages that the host gave or returned since MEM_GOING_OFFLINE. */
static void hvb_online_returned(struct hvb_dev *hvb, const struct hvb_extent *range)
{
	u64 pfn = range->start;

	while (pfn < range->end) {
		u64 end = min(range->end, round_down(pfn, pageblock_nr_pages) +
					  pageblock_nr_pages);

		if (hvb_hotplug_map_usable(&hvb->hot_add.map, pfn, &end))
			hvb_online_marked(hvb, pfn, end);
		pfn = end;
		cond_resched();
	}
}

/**
 * hvb_offline_cancel() - the block stays online
 * @hvb: the device
 *
 * Also called if hvb_offline_begin() was not called, or failed.
 *
 * Context: process, may sleep; takes hvb->transfer_lock.
 */
void hvb_offline_cancel(struct hvb_dev *hvb)
{
	const struct hvb_extent range = hvb->hot_add.map.going_offline;

	if (range.start == range.end)
		return;

	mutex_lock(&hvb->transfer_lock);
	hvb_hold_gaps(&range);
	hvb_hotplug_map_set_going_offline(hvb, (struct hvb_extent) {});
	hvb_online_returned(hvb, &range);
	mutex_unlock(&hvb->transfer_lock);
}

/**
 * hvb_offline_end() - the block is offline
 * @hvb: the device
 * @start: first PFN of the block, as for hvb_offline_begin()
 * @count: pages from there on
 *
 * Its struct pages may be removed after this: other files access struct pages only under
 * transfer_lock, of blocks that are online.
 * A block whose way offline began before the channel was open is not noted as going
 * offline. It is isolated, so it is not evacuated, but an attempt may have begun.
 *
 * Context: process, may sleep; takes hvb->transfer_lock.
 */
void hvb_offline_end(struct hvb_dev *hvb, u64 start, u64 count)
{
	const struct hvb_extent range = { start, start + count };

	mutex_lock(&hvb->transfer_lock);
	/* Under the lock: a probe may be about to adopt the block as online. */
	hvb_hotplug_map_set_online(&hvb->hot_add.map, start, count, false);
	hvb_hotplug_map_set_going_offline(hvb, (struct hvb_extent) {});
	mutex_unlock(&hvb->transfer_lock);
	hvb_evacuate_wait(hvb, &range);
}
