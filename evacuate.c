// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of 2 MiB that are emptied: what lies in them is moved away.
 *
 * The page allocator makes such blocks too, when it is asked for one (it
 * compacts memory). But it guesses where to look, moves whatever comes first, and
 * keeps off for a while once it was wrong: where its guesses are bad it has none,
 * and most of the memory could still be moved. So it is asked last, as it can do
 * one thing more: drop caches. Here all memory is gone through, and each block
 * tried that looks as if it could be emptied.
 */
#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "hv_balloon.h"

#define HVB_CHUNK_PAGES		BIT(HVB_BLOCK_ORDER)

/*
 * Pages of a block that are in use, at most; first what none is tried for: the
 * allocator may keep blocks of which nothing is in use for others. Each pass
 * through all memory is for the blocks between two of these, so that what takes
 * the least work comes first, and none is tried twice. With more pages in use,
 * others would be filled rather than one emptied. The guest, which may never need
 * them, gets none of the last pass.
 */
static const unsigned int hvb_most_used[] = {
	0,
	HVB_CHUNK_PAGES * 4 / 16,
	HVB_CHUNK_PAGES * 9 / 16,
	HVB_CHUNK_PAGES * 12 / 16,
};

#define HVB_PASSES		(ARRAY_SIZE(hvb_most_used) - 1)
#define HVB_PASSES_FOR_GUEST	(HVB_PASSES - 1)

/* How long after the last success to begin with the first pass again. */
#define HVB_EVACUATE_PAUSE		(10 * HZ)

/* The guest keeps one free block for so many that the host has, up to 128 MiB. */
#define HVB_RESERVE_SHARE		8
#define HVB_RESERVE_MAX		64

/* How many free pages begin here, at least; read without a lock, so a guess. */
static unsigned long hvb_free_run(const struct page *page)
{
	const unsigned long order = READ_ONCE(page->private);

	return order <= HVB_BLOCK_ORDER ? 1UL << order : HVB_CHUNK_PAGES;
}

/* A program may have locked a page so that it never waits for it. */
static bool hvb_may_move(struct page *page)
{
	struct folio *folio = page_folio(page);

	return folio_test_lru(folio) && !folio_test_unevictable(folio);
}

/*
 * Only pages of programs and caches can be moved. A page without a reference is
 * free, or about to be, unless it is a part of a huge page that waits in its
 * pool.
 */
static bool hvb_looks_movable(struct page *page, unsigned int pass)
{
	unsigned long used = 0, i = 0;

	while (i < HVB_CHUNK_PAGES) {
		if (PageBuddy(page + i)) {
			i += hvb_free_run(page + i);
			continue;
		}
		if (hvb_may_move(page + i))
			used++;
		else if (page_count(page + i) || PageCompound(page + i))
			return false;
		if (used > hvb_most_used[pass + 1])
			return false;
		i++;
	}
	return used > hvb_most_used[pass];
}

/* What the allocator keeps in a zone, also for others than us. */
static bool hvb_zone_can_spare(struct zone *zone)
{
	const u64 kept = high_wmark_pages(zone) + zone->lowmem_reserve[ZONE_NORMAL];

	return zone_page_state(zone, NR_FREE_PAGES) > kept + 2 * HVB_CHUNK_PAGES;
}

static bool hvb_goes_offline(struct hvb_hot_add *ha, u64 pfn)
{
	bool leaves;

	spin_lock(&ha->lock);
	leaves = hvb_is_leaving(ha, pfn);
	spin_unlock(&ha->lock);
	return leaves;
}

static bool hvb_worth_evacuating(struct hvb_dev *hvb, u64 pfn, unsigned int pass)
{
	struct page *page = pfn_to_online_page(pfn);
	struct zone *zone;

	if (!page || hvb_goes_offline(&hvb->hot_add, pfn))
		return false;

	zone = page_zone(page);
	return zone == page_zone(page + HVB_CHUNK_PAGES - 1) &&
	       hvb_zone_can_spare(zone) && hvb_looks_movable(page, pass);
}

static u64 hvb_end_of_memory(void)
{
	u64 end = 0;
	int nid;

	for_each_online_node(nid)
		end = max_t(u64, end, node_end_pfn(nid));
	return round_down(end, HVB_CHUNK_PAGES);
}

/*
 * Memory must not go offline under us, which only the notifier can prevent. And
 * the kernel clears whole pageblocks, which can be far larger elsewhere.
 */
static bool hvb_may_evacuate(const struct hvb_hot_add *ha)
{
	return ha->usable && pageblock_order <= HVB_BLOCK_ORDER;
}

/*
 * Pages with a reference each become a block as the allocator gives it, where
 * only the first one has any. Who looks at a page just now may hold one more.
 * Return: the order of the blocks that they are: HVB_BLOCK_ORDER, or 0.
 */
static unsigned int hvb_join_pages(struct page *page)
{
	unsigned long i;

	for (i = 1; i < HVB_CHUNK_PAGES; i++)
		if (!page_ref_freeze(page + i, 1))
			break;
	if (i == HVB_CHUNK_PAGES)
		return HVB_BLOCK_ORDER;

	while (--i)
		page_ref_unfreeze(page + i, 1);
	return 0;
}

/*
 * From the end of memory on, as kcompactd begins at the start: where both empty
 * the same block neither gets it.
 */
static void hvb_evacuate_begin_pass(struct hvb_balloon *balloon, unsigned int pass)
{
	balloon->evacuate_pass = pass;
	balloon->evacuate_next = hvb_end_of_memory();
}

/* Return: the next block that could be emptied in this pass, NULL if there is none. */
static struct page *hvb_evacuate_next(struct hvb_dev *hvb)
{
	struct hvb_balloon *balloon = &hvb->balloon;

	while (balloon->evacuate_next && !hvb_must_end(hvb)) {
		const u64 pfn = balloon->evacuate_next - HVB_CHUNK_PAGES;

		balloon->evacuate_next = pfn;
		if (hvb_worth_evacuating(hvb, pfn, balloon->evacuate_pass) &&
		    !hvb_compat_take_range(pfn, pfn + HVB_CHUNK_PAGES))
			return pfn_to_page(pfn);
		cond_resched();
	}
	return NULL;
}

/*
 * Empty the next block that can be emptied, in one of the first @passes passes.
 * Return: its first page, and in @order what it consists of then; NULL if there
 * is no more to be emptied for now.
 */
static struct page *hvb_evacuate_chunk(struct hvb_dev *hvb, unsigned int passes,
				    unsigned int *order)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	struct page *page;

	if (!hvb_may_evacuate(&hvb->hot_add))
		return NULL;
	if (!time_before(jiffies, balloon->evacuate_restart))
		hvb_evacuate_begin_pass(balloon, 0);

	while (balloon->evacuate_pass < passes) {
		balloon->evacuate_restart = jiffies + HVB_EVACUATE_PAUSE;
		page = hvb_evacuate_next(hvb);
		if (page) {
			*order = hvb_join_pages(page);
			return page;
		}
		hvb_evacuate_begin_pass(balloon, balloon->evacuate_pass + 1);
	}
	return NULL;
}

/**
 * hvb_evacuate_for_host() - empty a block that the host can have
 * @hvb: the device
 * @order: the order of the blocks of which it consists then: HVB_BLOCK_ORDER, or
 *	0 if somebody holds on to one of its pages
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: its first page; NULL if there is no more to be emptied for now.
 */
struct page *hvb_evacuate_for_host(struct hvb_dev *hvb, unsigned int *order)
{
	struct page *page = hvb_evacuate_chunk(hvb, HVB_PASSES, order);

	if (page)
		hvb->stats.blocks_cleared++;
	return page;
}

/* Return: free blocks that everybody can have. */
static unsigned long hvb_free_chunks(void)
{
	u64 pages = 0;
	int nid, i;

	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (populated_zone(zone) && hvb_zone_can_spare(zone))
				pages += hvb_free_in_blocks(zone, HVB_BLOCK_ORDER);
		}
	}
	return pages / HVB_CHUNK_PAGES;
}

static unsigned long hvb_chunks_to_reserve(const struct hvb_balloon *balloon)
{
	return min_t(u64, balloon->pages / HVB_CHUNK_PAGES / HVB_RESERVE_SHARE, HVB_RESERVE_MAX);
}

static bool hvb_reserve_block(struct hvb_dev *hvb)
{
	struct page *page;
	unsigned int order;
	unsigned long i;

	page = hvb_evacuate_chunk(hvb, HVB_PASSES_FOR_GUEST, &order);
	if (!page)
		return false;

	hvb->stats.blocks_kept++;
	for (i = 0; i < HVB_CHUNK_PAGES; i += 1UL << order)
		__free_pages(page + i, order);
	return true;
}

/**
 * hvb_reserve_begin() - the guest should have some free blocks left
 * @balloon: the balloon, which has grown
 *
 * Context: the pump.
 */
void hvb_reserve_begin(struct hvb_balloon *balloon)
{
	balloon->to_reserve = hvb_chunks_to_reserve(balloon);
}

/**
 * hvb_reserve_run() - empty a block for the guest if it has too few that are free
 * @hvb: the device
 *
 * The balloon takes blocks of 2 MiB first, and leaves free memory in single
 * pages. Where the kernel cannot make larger ones of these (see above), it kills
 * programs for want of two pages in a row.
 *
 * Context: the pump; may sleep.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_reserve_run(struct hvb_dev *hvb)
{
	struct hvb_balloon *balloon = &hvb->balloon;

	if (!balloon->to_reserve)
		return HVB_NEVER;

	mutex_lock(&hvb->transfer_lock);
	if (hvb_free_chunks() < hvb_chunks_to_reserve(balloon) && hvb_reserve_block(hvb))
		balloon->to_reserve--;
	else
		balloon->to_reserve = 0;
	mutex_unlock(&hvb->transfer_lock);
	return balloon->to_reserve ? 0 : HVB_NEVER;
}
