// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zones: what of their free memory is above the reserves, and in blocks. All of it is
 * read without a lock: estimates.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "device.h"
#include "lib/limits.h"
#include "zones.h"

/*
 * Free blocks that are left even where the kernel could make others: a fork would have to
 * compact for them, or to reclaim what programs use. 4 MiB.
 */
#define HVB_BLOCKS_LEFT		(4 * HVB_PAGES_PER_MIB)

/* One movable page in this many counts as usable for blocks. */
#define HVB_MOVABLE_SHARE	4

/* Return: the sum of a figure over all zones below @end. */
static u64 hvb_sum_zones(int end, u64 (*figure)(struct zone *zone))
{
	u64 pages = 0;
	int nid, i;

	for_each_online_node(nid)
		for (i = 0; i < end; i++)
			pages += figure(&NODE_DATA(nid)->node_zones[i]);
	return pages;
}

/*
 * Return: free pages, without those of CMA and of pageblocks for atomic allocations, as the
 * kernel counts for its watermarks.
 */
static u64 hvb_zone_free(struct zone *zone)
{
	const u64 unusable = hvb_compat_free_highatomic(zone) +
			     zone_page_state(zone, NR_FREE_CMA_PAGES);
	const u64 free = zone_page_state(zone, NR_FREE_PAGES);

	return free - min(free, unusable);
}

/* Return: free pages above a watermark. The reserves are for the whole guest. */
static u64 hvb_zone_above(struct zone *zone, u64 watermark)
{
	const u64 reserves = watermark + zone->lowmem_reserve[ZONE_NORMAL];
	const u64 free = hvb_zone_free(zone);

	return free - min(free, reserves);
}

static u64 hvb_zone_spare(struct zone *zone)
{
	return hvb_zone_above(zone, high_wmark_pages(zone));
}

static u64 hvb_zone_above_min(struct zone *zone)
{
	return hvb_zone_above(zone, min_wmark_pages(zone));
}

/* Return: free pages in blocks of @order or larger. */
static u64 hvb_free_in_blocks(const struct zone *zone, unsigned int order)
{
	u64 pages = 0;

	for (; order < ARRAY_SIZE(zone->free_area); order++)
		pages += (u64)READ_ONCE(zone->free_area[order].nr_free) << order;
	return pages;
}

/**
 * hvb_zone_can_spare() - whether a zone has a few chunks above its reserves
 * @zone: the zone
 *
 * Context: any.
 * Return: true if so.
 */
bool hvb_zone_can_spare(struct zone *zone)
{
	return hvb_zone_spare(zone) > 2 * HVB_CHUNK_PAGES;
}

/**
 * hvb_free_above_reserves() - what can be allocated before the kernel reclaims
 *
 * Context: any.
 * Return: pages of all zones.
 */
u64 hvb_free_above_reserves(void)
{
	return hvb_sum_zones(MAX_NR_ZONES, hvb_zone_spare);
}

/**
 * hvb_kernel_pages() - free pages in kernel zones, where memory maps are allocated
 * @reserves: include those below the watermarks
 *
 * Context: any.
 * Return: pages.
 */
u64 hvb_kernel_pages(bool reserves)
{
	return hvb_sum_zones(ZONE_MOVABLE, reserves ? hvb_zone_free : hvb_zone_above_min);
}

static u64 hvb_zone_chunks(struct zone *zone)
{
	return hvb_zone_can_spare(zone) ? hvb_free_in_blocks(zone, HVB_CHUNK_ORDER) : 0;
}

/**
 * hvb_free_chunks() - free chunks in zones that are above their reserves
 *
 * Context: any.
 * Return: how many.
 */
u64 hvb_free_chunks(void)
{
	return hvb_sum_zones(MAX_NR_ZONES, hvb_zone_chunks) / HVB_CHUNK_PAGES;
}

/*
 * Free blocks that are not reserved, and a part of the movable pages: the kernel empties
 * blocks by moving those, but not where ballooned pages lie between them.
 */
static u64 hvb_zone_unfragmented(struct zone *zone)
{
	const u64 blocks = hvb_free_in_blocks(zone, PAGE_ALLOC_COSTLY_ORDER);
	u64 movable = 0;
	unsigned int i;

	/* Not the unevictable list: compact_unevictable_allowed may be off. */
	for (i = 0; i < LRU_UNEVICTABLE; i++)
		movable += zone_page_state(zone, NR_ZONE_LRU_BASE + i);
	return min(blocks, hvb_zone_spare(zone)) + movable / HVB_MOVABLE_SHARE;
}

/**
 * hvb_unfragmented_pages() - pages of which the kernel has, or can make, blocks
 *
 * Of orders that it retries for (PAGE_ALLOC_COSTLY_ORDER). ZONE_MOVABLE does not count.
 *
 * Context: any.
 * Return: pages.
 */
u64 hvb_unfragmented_pages(void)
{
	return hvb_sum_zones(ZONE_MOVABLE, hvb_zone_unfragmented);
}

/* Free blocks of any size that the kernel can allocate: not those that ZONE_DMA reserves. */
static u64 hvb_zone_blocks(struct zone *zone)
{
	return min(hvb_free_in_blocks(zone, 1), hvb_zone_above_min(zone));
}

/**
 * hvb_has_blocks() - whether enough free blocks are left
 * @taken: pages of them that are about to be taken
 *
 * Context: any.
 * Return: whether the kernel has enough without these.
 */
bool hvb_has_blocks(u64 taken)
{
	return hvb_sum_zones(ZONE_MOVABLE, hvb_zone_blocks) >= HVB_BLOCKS_LEFT + taken;
}
