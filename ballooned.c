// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages that are ballooned: marked, counted, split and freed. A block stays whole
 * until the host returns a part of it. Each page of a block has a mark (mark.h), and
 * only marked pages are freed, whatever the host sends.
 *
 * hvb->transfer_lock is held while pages pass between host and guest. No spinlock is
 * held while they are freed.
 */
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "balloon.h"
#include "ballooned.h"
#include "compat.h"
#include "device.h"
#include "evacuate.h"
#include "hotplug_map.h"
#include "lib/batch.h"
#include "mark.h"
#include "online.h"
#include "params.h"

/* The mark of a predecessor may have any order that fits into it. */
static_assert(HVB_MARK_ORDER < HVB_MARK_ORDERS);

/* Account @change pages in blocks of @order, negative if they are returned. */
static void hvb_count_blocks(struct hvb_dev *hvb, struct page *page,
			     unsigned int order, bool hidden, long change)
{
	struct hvb_balloon *balloon = &hvb->balloon;

	lockdep_assert_held(&hvb->transfer_lock);
	WRITE_ONCE(balloon->pages, balloon->pages + change);
	balloon->blocks[order] += change / (1L << order);
	hvb_compat_count_pages(page, change);
	hvb_compat_count_events(change);
	if (!hidden)
		return;

	WRITE_ONCE(balloon->hidden, balloon->hidden + change);
	adjust_managed_page_count(page, -change);
}

/* Excludes readers of /proc/kcore: between page_offline_begin() and its end only. */
static void hvb_mark_blocks(struct page *page, unsigned long pages,
			    unsigned int order, bool hidden)
{
	const unsigned long mark = hvb_mark_value(HVB_MARK_BALLOON, hidden, order);
	unsigned long i;

	for (i = 0; i < pages; i++) {
		set_page_private(page + i, mark);
		__SetPageOffline(page + i);
	}
}

/* The allocator checks that a freed page has neither flags nor private data. */
static void hvb_release_block(struct hvb_dev *hvb, struct page *page)
{
	const unsigned int order = hvb_mark_order(page);
	const bool hidden = hvb_mark_hidden(page);
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		__ClearPageOffline(page + i);
		set_page_private(page + i, 0);
	}
	hvb_count_blocks(hvb, page, order, hidden, -(1L << order));
	__free_pages(page, order);
}

/* The host returns a part of a block: make it single pages, marked as such. */
static void hvb_split_block(struct hvb_dev *hvb, struct page *page)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	const unsigned int order = hvb_mark_order(page);
	const unsigned long mark = hvb_mark_value(HVB_MARK_BALLOON,
						  hvb_mark_hidden(page), 0);
	unsigned long i;

	lockdep_assert_held(&hvb->transfer_lock);
	split_page(page, order);
	balloon->blocks[order]--;
	balloon->blocks[0] += 1UL << order;
	for (i = 0; i < 1UL << order; i++)
		set_page_private(page + i, mark);
}

/**
 * hvb_ballooned_add() - add pages to the balloon
 * @hvb: the device
 * @page: the first page
 * @pages: how many, blocks of @order
 * @order: order of the blocks, none of which was split
 *
 * Those of a memory block that is going offline are freed: its ballooned pages were
 * detached already.
 *
 * Context: the pump; may sleep.
 * Return: how many pages are ballooned, and in the batch.
 */
u32 hvb_ballooned_add(struct hvb_dev *hvb, struct page *page, u32 pages, unsigned int order)
{
	/* A reader of /proc/kcore may be slow: wait for it before taking the lock. */
	page_offline_begin();
	mutex_lock(&hvb->transfer_lock);
	if (hvb_hotplug_map_goes_offline(&hvb->hot_add.map, page_to_pfn(page))) {
		mutex_unlock(&hvb->transfer_lock);
		page_offline_end();
		hvb_free_blocks(page, pages, order);
		return 0;
	}

	hvb->stats.blocks_taken[order] += pages >> order;
	hvb_mark_blocks(page, pages, order, hvb_params.shrink);
	hvb_count_blocks(hvb, page, order, hvb_params.shrink, pages);
	hvb_batch_add(hvb->inflate.batch, page_to_pfn(page), pages);
	mutex_unlock(&hvb->transfer_lock);
	page_offline_end();
	return pages;
}

/* The host returns pages of a block that went offline. Return: end PFN, exclusive. */
static u64 hvb_release_detached(struct hvb_dev *hvb, u64 pfn, u64 end)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	u64 stop;

	lockdep_assert_held(&hvb->transfer_lock);
	stop = hvb_hotplug_map_ballooned_end(&hvb->hot_add.map, pfn, end);
	if (WARN_ON_ONCE(!stop))
		return end;

	if (hvb_online_return(hvb, pfn, stop)) {
		dev_warn_ratelimited(hvb_device(hvb),
				     "out of memory: %llu pages at PFN 0x%llx that the host returned stay out of use\n",
				     stop - pfn, pfn);
		return stop;
	}

	WRITE_ONCE(balloon->pages, balloon->pages - (stop - pfn));
	WRITE_ONCE(balloon->hidden, balloon->hidden - (stop - pfn));
	hvb_compat_count_events(-(long)(stop - pfn));
	return stop;
}

/**
 * hvb_ballooned_release() - free ballooned pages
 * @hvb: the device
 * @range: PFNs in the host's count, for which hvb_ballooned_covers() holds
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 */
void hvb_ballooned_release(struct hvb_dev *hvb, const struct hvb_range *range)
{
	const unsigned long end = range->start + range->count;
	unsigned long pfn = range->start;

	lockdep_assert_held(&hvb->transfer_lock);
	while (pfn < end) {
		struct page *page = pfn_to_online_page(pfn);
		unsigned long size, head;

		if (!page || !hvb_mark_is(page, HVB_MARK_BALLOON)) {
			pfn = hvb_release_detached(hvb, pfn, end);
			continue;
		}

		size = 1UL << hvb_mark_order(page);
		head = round_down(pfn, size);
		if (head < range->start || head + size > end) {
			hvb_split_block(hvb, pfn_to_page(head));
			continue;
		}
		hvb_release_block(hvb, page);
		pfn += size;
		cond_resched();
	}
}

/* Return: end PFN, exclusive, of a ballooned run from @pfn on; 0 if @pfn is not in one. */
static u64 hvb_ballooned_end(struct hvb_dev *hvb, u64 pfn, u64 end)
{
	struct page *page = pfn_to_online_page(pfn);
	u64 size;

	if (!page || !hvb_mark_is(page, HVB_MARK_BALLOON))
		return hvb_hotplug_map_ballooned_end(&hvb->hot_add.map, pfn, end);

	size = 1ULL << hvb_mark_order(page);
	return round_down(pfn, size) + size;
}

/**
 * hvb_ballooned_covers() - whether each page of a range is ballooned
 * @hvb: the device
 * @range: PFNs, from the host
 *
 * Context: the pump, hvb->transfer_lock held.
 * Return: whether all of it can be released.
 */
bool hvb_ballooned_covers(struct hvb_dev *hvb, const struct hvb_range *range)
{
	const u64 end = range->start + range->count;
	u64 pfn = range->start;

	lockdep_assert_held(&hvb->transfer_lock);
	while (pfn && pfn < end)
		pfn = hvb_ballooned_end(hvb, pfn, end);
	return pfn;
}

/**
 * hvb_ballooned_adopt() - take over a block that an earlier load left ballooned
 * @hvb: the device; its channel is closed
 * @page: the first page of the block, marked
 *
 * With the parameter reclaim the block is freed, else it counts as ballooned
 * until the host returns it.
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 */
void hvb_ballooned_adopt(struct hvb_dev *hvb, struct page *page)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	const unsigned long pages = 1UL << hvb_mark_order(page);

	lockdep_assert_held(&hvb->transfer_lock);
	balloon->adopted += pages;
	balloon->pages += pages;
	balloon->blocks[hvb_mark_order(page)]++;
	if (hvb_mark_hidden(page))
		balloon->hidden += pages;
	if (hvb_params.reclaim)
		hvb_release_block(hvb, page);
}

/**
 * hvb_ballooned_adopt_offline() - take over what the host has of a hot-added block
 * @hvb: the device; its channel is closed
 * @start: first PFN, detached by an earlier load
 * @end: end PFN, exclusive
 *
 * With the parameter reclaim the kernel gets it, else it counts as ballooned.
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_ballooned_adopt_offline(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	int ret;

	lockdep_assert_held(&hvb->transfer_lock);
	ret = hvb_hotplug_map_adopt(hvb, start, end, true);
	if (ret)
		return ret;

	balloon->adopted += end - start;
	balloon->pages += end - start;
	balloon->hidden += end - start;
	if (hvb_params.reclaim)
		hvb_release_detached(hvb, start, end);
	return 0;
}

/**
 * hvb_ballooned_detach() - detach a ballooned block of a memory block going offline
 * @hvb: the device
 * @page: the first page of the block, marked; its memory block goes offline
 *
 * Its pages are marked as ballooned while offline, and leave the guest's total.
 *
 * Context: process, hvb->transfer_lock held.
 */
void hvb_ballooned_detach(struct hvb_dev *hvb, struct page *page)
{
	const unsigned long mark = hvb_mark_value(HVB_MARK_BALLOONED_OFFLINE, false, 0);
	const unsigned int order = hvb_mark_order(page);
	struct hvb_balloon *balloon = &hvb->balloon;
	const long pages = 1L << order;
	long i;

	lockdep_assert_held(&hvb->transfer_lock);
	if (!hvb_mark_hidden(page)) {
		WRITE_ONCE(balloon->hidden, balloon->hidden + pages);
		adjust_managed_page_count(page, -pages);
	}
	balloon->blocks[order]--;
	hvb_compat_count_pages(page, -pages);
	for (i = 0; i < pages; i++)
		set_page_private(page + i, mark);
}
