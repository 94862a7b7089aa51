/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernels, and nothing else. compat/probe.sh defines
 * HVB_HAVE_... . Where a wrong one would still compile, a static_assert checks it.
 */
#ifndef _HVB_COMPAT_H
#define _HVB_COMPAT_H

#include <linux/gfp.h>
#include <linux/hyperv.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#ifndef HVB_PROBED
#error "compat/probe.sh was not run, or cannot tell what this kernel has"
#endif

/* From 6.3 on hv_driver.remove returns nothing. */
#ifdef HVB_HAVE_VOID_REMOVE
#define HVB_REMOVE_TYPE		void
#define HVB_REMOVE_DONE
#else
#define HVB_REMOVE_TYPE		int
#define HVB_REMOVE_DONE		0
#endif

/*
 * add_memory() fails on this flag where the memory map cannot lie on the memory
 * itself; from 6.6 on it puts the map elsewhere then.
 */
#ifdef HVB_HAVE_MEMMAP_WISH
#define HVB_MEMMAP_ON_MEMORY	MHP_MEMMAP_ON_MEMORY
static_assert(sizeof_field(struct memory_block, altmap));
#else
#define HVB_MEMMAP_ON_MEMORY	MHP_NONE
static_assert(sizeof_field(struct memory_block, nr_vmemmap_pages));
#endif

/*
 * Before 6.11 hot-added pages are PageReserved until they are onlined, and
 * generic_online_page() expects no mark on them. From then on they are
 * PageOffline, and it expects just that.
 */
#ifdef HVB_HAVE_OFFLINE_HOTPLUG
#define HVB_OFFLINE_COUNT	unsigned long
#else
#define HVB_OFFLINE_COUNT	void
#endif
#ifdef CONFIG_MEMORY_HOTPLUG
static_assert(__same_type(__offline_isolated_pages(0, 0), HVB_OFFLINE_COUNT));
#endif

static inline void hvb_compat_before_online(struct page *page)
{
#ifndef HVB_HAVE_OFFLINE_HOTPLUG
	if (PageOffline(page))
		__ClearPageOffline(page);
#endif
}

/*
 * The opposite: the page stays out of use while its block is online. A page
 * that is PageReserved would block offlining for good.
 */
static inline void hvb_compat_keep_offline(struct page *page)
{
#ifndef HVB_HAVE_OFFLINE_HOTPLUG
	__ClearPageReserved(page);
	if (!PageOffline(page))
		__SetPageOffline(page);
#endif
}

/*
 * The in-tree driver keeps a gap as it came: it can be told from a ballooned page
 * only before 6.11.
 */
static inline bool hvb_compat_maybe_gap(struct page *page)
{
#ifdef HVB_HAVE_OFFLINE_HOTPLUG
	return true;
#else
	return PageReserved(page);
#endif
}

/* Make a gap what the in-tree driver takes for one. */
static inline void hvb_compat_leave_gap(struct page *page)
{
#ifndef HVB_HAVE_OFFLINE_HOTPLUG
	__SetPageReserved(page);
#endif
}

/**
 * hvb_compat_count_going_offline() - pages are, or are not, about to go offline
 * @page: a page of their zone
 * @change: how many, negative if they stay after all
 *
 * They are not in the zone's count of pages in use. Before 6.11 the kernel takes
 * all pages of a block off that count when it goes offline, later only those
 * that are not PageOffline.
 */
static inline void hvb_compat_count_going_offline(struct page *page, long change)
{
#ifndef HVB_HAVE_OFFLINE_HOTPLUG
	adjust_managed_page_count(page, change);
#endif
}

#if defined(HVB_HAVE_ACR_FLAGS) != defined(ACR_FLAGS_NONE)
#error "compat/probe.sh is wrong about the flags of alloc_contig_range()"
#endif

/* Bits of a pageblock that have its migrate type, in all kernels. */
#define HVB_PAGEBLOCK_TYPE	7UL

/* From 6.17 on isolation has a bit of its own, before that it is a migrate type. */
#if defined(PAGEBLOCK_ISO_MASK)
#define HVB_PAGEBLOCK_ISOLATED(_bits)	((_bits) & PAGEBLOCK_ISO_MASK)
#elif defined(CONFIG_MEMORY_ISOLATION)
#define HVB_PAGEBLOCK_ISOLATED(_bits)	(((_bits) & HVB_PAGEBLOCK_TYPE) == MIGRATE_ISOLATE)
#else
#define HVB_PAGEBLOCK_ISOLATED(_bits)	0
#endif

/*
 * get_pfnblock_flags_mask() is not exported; the bits that it reads are found by
 * what the headers have. Those of other pageblocks are above.
 */
static inline unsigned long hvb_compat_pageblock(unsigned long pfn)
{
#ifdef CONFIG_SPARSEMEM
	const unsigned long *bits = section_to_usemap(__pfn_to_section(pfn));
	const unsigned long block = (pfn & (PAGES_PER_SECTION - 1)) >> pageblock_order;
	const unsigned long bit = block * NR_PAGEBLOCK_BITS;

	return READ_ONCE(bits[bit / BITS_PER_LONG]) >> (bit % BITS_PER_LONG);
#else
	return 0;
#endif
}

/**
 * hvb_compat_is_highatomic() - whether a pageblock is reserved for atomic allocations
 * @pfn: a PFN in it, online
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool hvb_compat_is_highatomic(unsigned long pfn)
{
	return (hvb_compat_pageblock(pfn) & HVB_PAGEBLOCK_TYPE) == MIGRATE_HIGHATOMIC;
}

/**
 * hvb_compat_is_isolated() - whether a pageblock is isolated, as that of memory going offline
 * @pfn: a PFN in it, online
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool hvb_compat_is_isolated(unsigned long pfn)
{
	return HVB_PAGEBLOCK_ISOLATED(hvb_compat_pageblock(pfn));
}

/**
 * hvb_compat_alloc_contig() - take pages from the allocator, and move what is in them
 * @pfn: first PFN, aligned to a pageblock
 * @end: end PFN, exclusive, likewise; all of one zone, and online
 *
 * From 6.12 on the function of the kernel accepts few flags. If a pageblock is isolated
 * already it fails, and ends that isolation, which is not its own: so it is not called
 * then.
 *
 * Context: process, may sleep.
 * Return: 0, and each page has a reference; or a negative error number.
 */
static inline int hvb_compat_alloc_contig(unsigned long pfn, unsigned long end)
{
#ifdef CONFIG_CONTIG_ALLOC
	unsigned long block;
#ifdef HVB_HAVE_ACR_FLAGS
	const acr_flags_t how = ACR_FLAGS_NONE;
#else
	const unsigned int how = MIGRATE_MOVABLE;
#endif

	for (block = pfn; block < end; block += pageblock_nr_pages)
		if (hvb_compat_is_isolated(block))
			return -EBUSY;
	return alloc_contig_range(pfn, end, how, GFP_KERNEL | __GFP_NOWARN);
#else
	return -EOPNOTSUPP;
#endif
}

/* Before kernels count the free ones, all pages of these pageblocks are taken for free. */
static inline unsigned long hvb_compat_free_highatomic(const struct zone *zone)
{
#ifdef HVB_HAVE_FREE_HIGHATOMIC
	return READ_ONCE(zone->nr_free_highatomic);
#else
	return READ_ONCE(zone->nr_reserved_highatomic);
#endif
}

/* The kind of a free page hint has another name in newer kernels. */
#ifdef HVB_HAVE_HEAT_TYPE
#define HVB_HINT_KIND(_hint)	((_hint)->heat_type)
#else
#define HVB_HINT_KIND(_hint)	((_hint)->type)
#endif

/*
 * The kernel has events of ballooning if any driver with a balloon can be built. The
 * option has another name from 7.0 on.
 */
#ifdef HVB_HAVE_CONFIG_BALLOON
#define HVB_BALLOON_CONFIGURED	IS_ENABLED(CONFIG_BALLOON)
#else
#define HVB_BALLOON_CONFIGURED	IS_ENABLED(CONFIG_MEMORY_BALLOON)
#endif
#if HVB_BALLOON_CONFIGURED && IS_ENABLED(CONFIG_VM_EVENT_COUNTERS)
#define HVB_HAVE_BALLOON_EVENTS
#endif

/**
 * hvb_compat_count_events() - the host has taken or returned pages
 * @change: pages that it took, or minus those that it returned
 *
 * balloon_inflate and balloon_deflate in /proc/vmstat. Their difference is what it
 * has: see hvb_compat_maybe_ballooned().
 *
 * Context: any.
 */
static inline void hvb_compat_count_events(long change)
{
#ifdef HVB_HAVE_BALLOON_EVENTS
	if (change > 0)
		count_vm_events(BALLOON_INFLATE, change);
	else
		count_vm_events(BALLOON_DEFLATE, -change);
#endif
}

/**
 * hvb_compat_count_pages() - pages of the allocator are, or are not, ballooned
 * @page: first page of a block
 * @change: pages, negative if they are no more
 *
 * Balloon: in /proc/meminfo from 6.16 on.
 *
 * Context: any.
 */
static inline void hvb_compat_count_pages(struct page *page, long change)
{
#ifdef HVB_HAVE_NR_BALLOON_PAGES
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, change);
#endif
}

/**
 * hvb_compat_maybe_ballooned() - whether a driver can have left ballooned pages
 *
 * Other drivers count the same events; their difference is never negative.
 *
 * Context: process, may sleep.
 * Return: false if there are none; true also if that is unknown.
 */
static inline bool hvb_compat_maybe_ballooned(void)
{
#ifdef HVB_HAVE_BALLOON_EVENTS
	unsigned long *events = kcalloc(NR_VM_EVENT_ITEMS, sizeof(*events), GFP_KERNEL);
	bool maybe = true;

	if (events) {
		all_vm_events(events);
		maybe = events[BALLOON_INFLATE] != events[BALLOON_DEFLATE];
		kfree(events);
	}
	return maybe;
#else
	return true;
#endif
}

#endif /* _HVB_COMPAT_H */
