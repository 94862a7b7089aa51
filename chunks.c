// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blocks that the balloon is made of: allocated, the largest first, and freed.
 * A block of 2 MiB takes one call to the allocator, and the host can keep a large
 * page for it. A block stays whole until the host returns a part of it. Each page of
 * a block has a mark (mark.h), and only marked pages are freed, whatever the host
 * sends.
 *
 * hvb->transfer_lock is held while pages pass between host and guest, not while they
 * are allocated. No spinlock is held while they are freed.
 */
#include <linux/gfp.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

#include "balloon.h"
#include "candidates.h"
#include "chunks.h"
#include "compat.h"
#include "demand.h"
#include "device.h"
#include "evacuate.h"
#include "hotplug_map.h"
#include "lib/batch.h"
#include "lib/limits.h"
#include "mark.h"
#include "nodes.h"
#include "online.h"
#include "params.h"
#include "trace.h"
#include "zones.h"

/* The mark of a predecessor may have any order that fits into it. */
static_assert(HVB_MARK_ORDER < HVB_MARK_ORDERS);

/*
 * The pump waits neither for a file system, whose server may be gone, nor for a disk,
 * which may be frozen: kswapd does what needs them. Blocks below 2 MiB are tried for
 * once. A failed effort of compaction at these orders would defer compaction for the
 * whole guest, which needs small blocks more than the balloon does.
 */
#define HVB_GFP_ONCE	((HVB_GFP & ~(__GFP_FS | __GFP_IO)) | __GFP_NORETRY)

/* No reclaim, no compaction: free blocks only. */
#define HVB_GFP_FREE	(HVB_GFP & ~__GFP_RECLAIM)

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

static bool hvb_can_spare(const struct hvb_dev *hvb, unsigned int order)
{
	return hvb_may_take(hvb_unfragmented_pages(), hvb_floor(hvb), order);
}

/* Return: the order to try first, for at most @budget pages. */
static unsigned int hvb_next_order(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;

	if (choice->highest_order && !hvb_can_spare(hvb, choice->highest_order))
		choice->highest_order = 0;
	return hvb_first_order(budget, choice->highest_order);
}

/*
 * Add pages to the balloon, in blocks of @order. Those of a memory block that is
 * going offline are freed: its ballooned pages were detached already.
 * Return: how many pages.
 */
static u32 hvb_give_blocks(struct hvb_dev *hvb, struct page *page, u32 pages,
			   unsigned int order)
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

/* Request the chunks that the pump can take next. */
static void hvb_request_chunks(struct hvb_dev *hvb, u64 budget)
{
	if (!hvb_evacuate_pending(hvb))
		hvb->chunk_choice.deadline = jiffies + HVB_CHUNK_WAIT;
	hvb_evacuate_request(hvb, budget >> HVB_CHUNK_ORDER);
}

/*
 * Blocks come from the node that can spare them. Where it has not even a page, the
 * kernel knows better than we where there is one.
 */
static struct page *hvb_alloc_block(const struct hvb_dev *hvb, gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(hvb->chunk_choice.node, order ? gfp | __GFP_THISNODE : gfp, order);
}

/* Take a chunk. Return: its pages, 0 if there is none yet, see hvb_chunks_await(). */
static u32 hvb_take_chunk(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk chunk = { .order = HVB_CHUNK_ORDER };

	if (hvb_has_blocks(HVB_CHUNK_PAGES))
		chunk.page = hvb_alloc_block(hvb, HVB_GFP_FREE, HVB_CHUNK_ORDER);
	if (!chunk.page && !hvb_evacuate_collect(hvb, &chunk)) {
		hvb_request_chunks(hvb, budget);
		return 0;
	}

	hvb->chunk_choice.deadline = jiffies + HVB_CHUNK_WAIT;
	return hvb_give_blocks(hvb, chunk.page, 1U << HVB_CHUNK_ORDER, chunk.order);
}

/**
 * hvb_chunks_await() - wait for a chunk that is being made, for a limited time
 * @hvb: the device
 *
 * If none comes within HVB_CHUNK_WAIT the chunk work is stuck in a wait: the operation
 * continues with smaller blocks.
 *
 * Context: the pump, which is kicked when the chunk is there.
 * Return: whether to wait; if not, none is being made any more.
 */
bool hvb_chunks_await(struct hvb_dev *hvb)
{
	if (!hvb_evacuate_pending(hvb))
		return false;
	if (time_before(jiffies, hvb->chunk_choice.deadline))
		return true;

	hvb_evacuate_stop(hvb);
	hvb->chunk_choice.retry = jiffies + HVB_CHUNK_STUCK;
	return false;
}

/* No chunk can be made: do not repeat the effort in each step. */
static void hvb_chunks_exhausted(struct hvb_chunk_choice *choice)
{
	if (!time_before(jiffies, choice->retry))
		choice->retry = jiffies + HVB_CHUNK_RETRY;
}

/* Programs need not read again what they use for the sake of a large block. */
static gfp_t hvb_gfp_once(unsigned int order)
{
	return !order || hvb_worth_reclaiming() ? HVB_GFP_ONCE : HVB_GFP_FREE;
}

/* Return: the pages of a block of that order, 0 if there is none. */
static u32 hvb_take_order(struct hvb_dev *hvb, unsigned int order, u64 budget)
{
	struct page *page;

	if (order == HVB_CHUNK_ORDER)
		return hvb_take_chunk(hvb, budget);
	if (order && !hvb_has_blocks(1U << order))
		return 0;

	page = hvb_alloc_block(hvb, hvb_gfp_once(order), order);
	return page ? hvb_give_blocks(hvb, page, 1U << order, order) : 0;
}

/*
 * Take the largest block available, of at most @budget pages. An order that failed
 * is not tried again in this step.
 * Return: its pages, 0 if there is none, or if a chunk is being made.
 */
static u32 hvb_take_block(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;
	unsigned int order = hvb_next_order(hvb, budget);
	u32 taken;

	while (!(taken = hvb_take_order(hvb, order, budget))) {
		if (order == HVB_CHUNK_ORDER) {
			if (hvb_chunks_await(hvb))
				return 0;
			hvb_chunks_exhausted(choice);
		}
		hvb->stats.block_failures[order]++;
		trace_balloon_order_down(order, hvb->inflate.wanted);
		if (!order)
			return 0;
		choice->highest_order = --order;
	}
	return taken;
}

/*
 * Return: a block of ZONE_MOVABLE, or NULL if the allocator prefers another zone.
 * Unmovable pages in that zone must be given up when their memory block goes
 * offline, which offline.c does.
 */
static struct page *hvb_alloc_movable(const struct hvb_dev *hvb, unsigned int order)
{
	struct page *page = hvb_alloc_block(hvb, hvb_gfp_once(order) | __GFP_MOVABLE, order);

	if (!page || is_zone_movable_page(page))
		return page;

	__free_pages(page, order);
	return NULL;
}

/*
 * Take a block of ZONE_MOVABLE. Small ones are worth taking only if the kernel zones
 * can spare nothing.
 * Return: its pages, 0 if there is none.
 */
static u32 hvb_take_movable(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;
	unsigned int order = hvb_first_order(budget, choice->movable_order);
	struct page *page;

	while (!(page = hvb_alloc_movable(hvb, order))) {
		if (!order || hvb_can_spare(hvb, 0))
			return 0;
		choice->movable_order = --order;
	}
	return hvb_give_blocks(hvb, page, 1U << order, order);
}

static bool hvb_has_movable(void)
{
	int nid;

	for_each_online_node(nid)
		if (populated_zone(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]))
			return true;
	return false;
}

/**
 * hvb_chunks_choose() - choose which blocks to try for in a new step
 * @hvb: the device
 *
 * To be called at the beginning of each step of an operation.
 *
 * Context: the pump.
 */
void hvb_chunks_choose(struct hvb_dev *hvb)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;

	if (!time_before(jiffies, choice->retry))
		hvb_evacuate_retry(hvb);

	/* One order up per step: to retry all of them would cost too much. */
	if (choice->highest_order < HVB_CHUNK_ORDER)
		choice->highest_order++;

	choice->movable_order = HVB_CHUNK_ORDER;
	/* Only if the memory notifier can detach it. */
	choice->movable = hvb->hot_add.usable && hvb_has_movable();
}

/**
 * hvb_chunks_choose_node() - think anew of which node to take from
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_chunks_choose_node(struct hvb_dev *hvb)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;
	const int node = hvb_richest_node(hvb);

	/* What has failed on another node may be there on this one. */
	if (node != choice->node)
		choice->highest_order = HVB_CHUNK_ORDER;
	choice->node = node;
}

/**
 * hvb_chunks_can_spare() - whether a page can be spared at all
 * @hvb: the device
 *
 * Context: process.
 * Return: whether it is worth calling hvb_chunks_take().
 */
bool hvb_chunks_can_spare(const struct hvb_dev *hvb)
{
	return hvb->chunk_choice.movable || hvb_can_spare(hvb, 0);
}

/**
 * hvb_chunks_take() - take the next block for the host
 * @hvb: the device
 * @budget: the most pages that it may have, not 0
 *
 * ZONE_MOVABLE first: the kernel cannot use it for itself.
 *
 * Context: the pump; may sleep.
 * Return: its pages, which are in the batch then; 0 if there is none, or none yet,
 * see hvb_chunks_await().
 */
u32 hvb_chunks_take(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk_choice *choice = &hvb->chunk_choice;
	u32 taken;

	if (choice->movable) {
		taken = hvb_take_movable(hvb, budget);
		if (taken)
			return taken;
		choice->movable = false;
		if (!hvb_can_spare(hvb, 0))
			return 0;
	}
	return hvb_take_block(hvb, budget);
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
 * hvb_chunks_release() - free ballooned pages
 * @hvb: the device
 * @range: PFNs in the host's count, for which hvb_chunks_are_ballooned() holds
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 */
void hvb_chunks_release(struct hvb_dev *hvb, const struct hvb_range *range)
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
 * hvb_chunks_are_ballooned() - whether each page of a range is ballooned
 * @hvb: the device
 * @range: PFNs, from the host
 *
 * Context: the pump, hvb->transfer_lock held.
 * Return: whether all of it can be released.
 */
bool hvb_chunks_are_ballooned(struct hvb_dev *hvb, const struct hvb_range *range)
{
	const u64 end = range->start + range->count;
	u64 pfn = range->start;

	lockdep_assert_held(&hvb->transfer_lock);
	while (pfn && pfn < end)
		pfn = hvb_ballooned_end(hvb, pfn, end);
	return pfn;
}

/**
 * hvb_chunks_adopt() - take over a block that an earlier load left ballooned
 * @hvb: the device; its channel is closed
 * @page: the first page of the block, marked
 *
 * With the parameter reclaim the block is freed, else it counts as ballooned
 * until the host returns it.
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 */
void hvb_chunks_adopt(struct hvb_dev *hvb, struct page *page)
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
 * hvb_chunks_adopt_offline() - take over what the host has of a hot-added block
 * @hvb: the device; its channel is closed
 * @start: first PFN, detached by an earlier load
 * @end: end PFN, exclusive
 *
 * With the parameter reclaim the kernel gets it, else it counts as ballooned.
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_chunks_adopt_offline(struct hvb_dev *hvb, u64 start, u64 end)
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
 * hvb_chunks_detach() - detach a ballooned block of a memory block going offline
 * @hvb: the device
 * @page: the first page of the block, marked; its memory block goes offline
 *
 * Its pages are marked as ballooned while offline, and leave the guest's total.
 *
 * Context: process, hvb->transfer_lock held.
 */
void hvb_chunks_detach(struct hvb_dev *hvb, struct page *page)
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
