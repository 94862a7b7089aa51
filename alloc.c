// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which blocks are allocated for the host: the largest first, from the node that can
 * spare them. A block of 2 MiB takes one call to the allocator, and the host can keep
 * a large page for it. No lock is held while pages are allocated.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>

#include "alloc.h"
#include "balloon.h"
#include "ballooned.h"
#include "candidates.h"
#include "compat.h"
#include "demand.h"
#include "device.h"
#include "evacuate.h"
#include "lib/limits.h"
#include "nodes.h"
#include "trace.h"
#include "zones.h"

/*
 * The pump waits neither for a file system, whose server may be gone, nor for a disk,
 * which may be frozen: kswapd does what needs them. Blocks below 2 MiB are tried for
 * once. A failed effort of compaction at these orders would defer compaction for the
 * whole guest, which needs small blocks more than the balloon does.
 */
#define HVB_GFP_ONCE	((HVB_GFP & ~(__GFP_FS | __GFP_IO)) | __GFP_NORETRY)

/* No reclaim, no compaction: free blocks only. */
#define HVB_GFP_FREE	(HVB_GFP & ~__GFP_RECLAIM)

static bool hvb_can_spare(const struct hvb_dev *hvb, unsigned int order)
{
	return hvb_may_take(hvb_unfragmented_pages(), hvb_floor(hvb), order);
}

/* Return: the order to try first, for at most @budget pages. */
static unsigned int hvb_next_order(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_alloc *alloc = &hvb->alloc;

	if (alloc->highest_order && !hvb_can_spare(hvb, alloc->highest_order))
		alloc->highest_order = 0;
	return hvb_first_order(budget, alloc->highest_order);
}

/* Request the chunks that the pump can take next. */
static void hvb_request_chunks(struct hvb_dev *hvb, u64 budget)
{
	if (!hvb_evacuate_pending(hvb))
		hvb->alloc.chunk_deadline = jiffies + HVB_CHUNK_WAIT;
	hvb_evacuate_request(hvb, budget >> HVB_CHUNK_ORDER);
}

/*
 * Blocks come from the chosen node. Single pages may come from any.
 */
static struct page *hvb_alloc_block(const struct hvb_dev *hvb, gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(hvb->alloc.node, order ? gfp | __GFP_THISNODE : gfp, order);
}

/* Take a chunk. Return: its pages, 0 if there is none yet, see hvb_alloc_awaits_chunk(). */
static u32 hvb_take_chunk(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_chunk chunk = { .order = HVB_CHUNK_ORDER };

	if (hvb_has_blocks(HVB_CHUNK_PAGES))
		chunk.page = hvb_alloc_block(hvb, HVB_GFP_FREE, HVB_CHUNK_ORDER);
	if (!chunk.page && !hvb_evacuate_collect(hvb, &chunk)) {
		hvb_request_chunks(hvb, budget);
		return 0;
	}

	hvb->alloc.chunk_deadline = jiffies + HVB_CHUNK_WAIT;
	return hvb_ballooned_add(hvb, chunk.page, 1U << HVB_CHUNK_ORDER, chunk.order);
}

/**
 * hvb_alloc_awaits_chunk() - wait for a chunk that is being made, for a limited time
 * @hvb: the device
 *
 * If none comes within HVB_CHUNK_WAIT the chunk work is stuck in a wait: the operation
 * continues with smaller blocks.
 *
 * Context: the pump, which is kicked when the chunk is there.
 * Return: whether to wait; if not, none is being made any more.
 */
bool hvb_alloc_awaits_chunk(struct hvb_dev *hvb)
{
	if (!hvb_evacuate_pending(hvb))
		return false;
	if (time_before(jiffies, hvb->alloc.chunk_deadline))
		return true;

	hvb_evacuate_stop(hvb);
	hvb->alloc.chunk_retry = jiffies + HVB_CHUNK_STUCK;
	return false;
}

/* No chunk can be made: do not repeat the effort in each step. */
static void hvb_chunks_exhausted(struct hvb_alloc *alloc)
{
	if (!time_before(jiffies, alloc->chunk_retry))
		alloc->chunk_retry = jiffies + HVB_CHUNK_RETRY;
}

/* Do not reclaim cache in use for a block above a page. */
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
	return page ? hvb_ballooned_add(hvb, page, 1U << order, order) : 0;
}

/*
 * Take the largest block available, of at most @budget pages. An order that failed
 * is not tried again in this step.
 * Return: its pages, 0 if there is none, or if a chunk is being made.
 */
static u32 hvb_take_block(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_alloc *alloc = &hvb->alloc;
	unsigned int order = hvb_next_order(hvb, budget);
	u32 taken;

	while (!(taken = hvb_take_order(hvb, order, budget))) {
		if (order == HVB_CHUNK_ORDER) {
			if (hvb_alloc_awaits_chunk(hvb))
				return 0;
			hvb_chunks_exhausted(alloc);
		}
		hvb->stats.block_failures[order]++;
		trace_balloon_order_down(order, hvb->inflate.wanted);
		if (!order)
			return 0;
		alloc->highest_order = --order;
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
	struct hvb_alloc *alloc = &hvb->alloc;
	unsigned int order = hvb_first_order(budget, alloc->movable_order);
	struct page *page;

	while (!(page = hvb_alloc_movable(hvb, order))) {
		if (!order || hvb_can_spare(hvb, 0))
			return 0;
		alloc->movable_order = --order;
	}
	return hvb_ballooned_add(hvb, page, 1U << order, order);
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
 * hvb_alloc_begin_step() - choose which blocks to try for in a new step
 * @hvb: the device
 *
 * To be called at the beginning of each step of an operation.
 *
 * Context: the pump.
 */
void hvb_alloc_begin_step(struct hvb_dev *hvb)
{
	struct hvb_alloc *alloc = &hvb->alloc;

	if (!time_before(jiffies, alloc->chunk_retry))
		hvb_evacuate_retry(hvb);

	/* One order up per step: to retry all of them would cost too much. */
	if (alloc->highest_order < HVB_CHUNK_ORDER)
		alloc->highest_order++;

	alloc->movable_order = HVB_CHUNK_ORDER;
	/* Only if the memory notifier can detach it. */
	alloc->movable = hvb->hot_add.usable && hvb_has_movable();
}

/**
 * hvb_alloc_choose_node() - think anew of which node to take from
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_alloc_choose_node(struct hvb_dev *hvb)
{
	struct hvb_alloc *alloc = &hvb->alloc;
	const int node = hvb_richest_node(hvb);

	/* What has failed on another node may be there on this one. */
	if (node != alloc->node)
		alloc->highest_order = HVB_CHUNK_ORDER;
	alloc->node = node;
}

/**
 * hvb_alloc_can_spare() - whether a page can be spared at all
 * @hvb: the device
 *
 * Context: process.
 * Return: whether it is worth calling hvb_alloc_next().
 */
bool hvb_alloc_can_spare(const struct hvb_dev *hvb)
{
	return hvb->alloc.movable || hvb_can_spare(hvb, 0);
}

/**
 * hvb_alloc_next() - take the next block for the host
 * @hvb: the device
 * @budget: the most pages that it may have, not 0
 *
 * ZONE_MOVABLE first: the kernel cannot use it for itself.
 *
 * Context: the pump; may sleep.
 * Return: its pages, which are in the batch then; 0 if there is none, or none yet,
 * see hvb_alloc_awaits_chunk().
 */
u32 hvb_alloc_next(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_alloc *alloc = &hvb->alloc;
	u32 taken;

	if (alloc->movable) {
		taken = hvb_take_movable(hvb, budget);
		if (taken)
			return taken;
		alloc->movable = false;
		if (!hvb_can_spare(hvb, 0))
			return 0;
	}
	return hvb_take_block(hvb, budget);
}
