// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which chunks are worth evacuating. All of it is read without a lock, so it is an
 * estimate: a concurrent change makes an evacuation fail, no more.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/vmstat.h>

#include "candidates.h"
#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/limits.h"
#include "nodes.h"
#include "zones.h"

/*
 * Pages in use per chunk, as an upper limit for each pass through all memory; the
 * first entry is the lower limit of the first pass: the allocator may hold back
 * chunks of free pages on purpose. Each pass takes the chunks between two limits,
 * so that the cheapest come first and none is tried twice. Above the last limit an
 * evacuation would fill about as many chunks as it empties. The guest's reserve,
 * which may never be needed, does without the last pass.
 */
static const unsigned int hvb_most_used[] = {
	0,
	HVB_CHUNK_PAGES * 4 / 16,
	HVB_CHUNK_PAGES * 9 / 16,
	HVB_CHUNK_PAGES * 12 / 16,
};

static_assert(ARRAY_SIZE(hvb_most_used) == HVB_PASSES + 1);

/* Cache that makes it worth reclaiming for a chunk: 16 MiB. */
#define HVB_CACHE_ENOUGH	(8 * HVB_CHUNK_PAGES)

/* A lower bound of the free pages that begin here; read without a lock. */
static unsigned long hvb_free_span(const struct page *page)
{
	const unsigned long order = READ_ONCE(page->private);

	return order <= HVB_CHUNK_ORDER ? 1UL << order : HVB_CHUNK_PAGES;
}

/* References beyond those of mappings and cache: a device may use the page. */
static bool hvb_is_pinned(struct folio *folio)
{
	/* Its mappings, and the reference of hvb_may_move(). */
	int known = atomic_read(&folio->_mapcount) + 1 + 1;

	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio);

	if (!folio_test_anon(folio) || folio_test_swapcache(folio))
		known++;
	return folio_ref_count(folio) > known + !!folio_test_private(folio);
}

/*
 * alloc_contig_range() drops clean file pages rather than migrating them, so that
 * they must be read again; dirty ones may wait for the file system. The referenced
 * flag is no criterion: a single read sets it.
 */
static bool hvb_is_cheap_cache(struct folio *folio)
{
	return !folio_test_large(folio) && !folio_mapped(folio) && !folio_test_active(folio) &&
	       !folio_test_workingset(folio) && !folio_test_dirty(folio);
}

/*
 * Migration waits for locked pages and for writeback, without a bound, and fails on
 * pinned pages. An mlocked page may have to stay where it is.
 */
static bool hvb_folio_may_move(struct folio *folio)
{
	if (!folio_test_lru(folio) || folio_test_unevictable(folio) ||
	    folio_test_locked(folio) || folio_test_writeback(folio) || hvb_is_pinned(folio))
		return false;
	return !folio_is_file_lru(folio) || hvb_is_cheap_cache(folio);
}

/* With a reference: a folio that is freed may be reused for anything. */
static bool hvb_may_move(struct page *page)
{
	struct folio *folio = page_folio(page);
	bool may;

	if (!PageLRU(page) || !folio_try_get(folio))
		return false;

	may = folio == page_folio(page) && hvb_folio_may_move(folio);
	folio_put(folio);
	return may;
}

/*
 * A page without a reference is free, or about to be, unless it is part of a huge
 * page in its pool, or of a slab, which has none on newer kernels.
 */
static bool hvb_may_be_free(struct page *page)
{
	return !page_count(page) && !PageCompound(page) && !PageSlab(page);
}

/* Only anonymous pages and page cache can be migrated. */
static bool hvb_looks_movable(struct page *page, unsigned int pass)
{
	unsigned long used = 0, i = 0;

	while (i < HVB_CHUNK_PAGES) {
		if (PageBuddy(page + i)) {
			i += hvb_free_span(page + i);
			continue;
		}
		if (hvb_may_move(page + i))
			used++;
		else if (!hvb_may_be_free(page + i))
			return false;
		if (used > hvb_most_used[pass + 1])
			return false;
		i++;
	}
	return used > hvb_most_used[pass];
}

/**
 * hvb_worth_evacuating() - whether a chunk can be evacuated at a cost that is worth it
 * @hvb: the device
 * @pfn: first PFN of the chunk
 * @pass: how much of it may be in use, from 0 to HVB_PASSES - 1
 *
 * A pageblock that is reserved for atomic allocations would be an ordinary one
 * afterwards, while the zone still counts it as reserved.
 *
 * Context: process, hvb->transfer_lock held: its memory block stays online.
 * Return: whether it can.
 */
bool hvb_worth_evacuating(struct hvb_dev *hvb, u64 pfn, unsigned int pass)
{
	struct page *page = pfn_to_online_page(pfn);
	struct zone *zone;

	lockdep_assert_held(&hvb->transfer_lock);
	if (!page || hvb_hotplug_map_goes_offline(&hvb->hot_add.map, pfn) ||
	    hvb_compat_is_highatomic(pfn))
		return false;

	zone = page_zone(page);
	return zone == page_zone(page + HVB_CHUNK_PAGES - 1) &&
	       hvb_zone_can_spare(zone) && hvb_looks_movable(page, pass) &&
	       hvb_node_can_spare(hvb, zone_to_nid(zone));
}

/**
 * hvb_worth_reclaiming() - whether there is enough cache to reclaim some for a chunk
 *
 * Reclaim for 2 MiB frees far more than that, wherever it lies. Cache that is mapped is
 * what programs run and work on: they would read it again at once, with what lies around
 * it. Where most of the cache is not mapped, that goes first. Mapped shared memory is not
 * counted: a database would have more of that than of cache.
 *
 * Context: any.
 * Return: whether there is.
 */
bool hvb_worth_reclaiming(void)
{
	const u64 cache = global_node_page_state(NR_ACTIVE_FILE) +
			  global_node_page_state(NR_INACTIVE_FILE) +
			  global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);

	const u64 mapped = global_node_page_state(NR_FILE_MAPPED);
	const u64 shared = global_node_page_state(NR_SHMEM);

	return cache > 2 * (mapped - min(mapped, shared)) + HVB_CACHE_ENOUGH;
}
