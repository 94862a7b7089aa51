// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over the struct pages of memory that is online. It goes by PFNs, since nodes
 * may overlap; free memory and compound pages are one step each.
 */
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

#include "device.h"
#include "walk.h"

/* The largest compound pages are those of the huge page pool. */
#define HVB_COMPOUND_ORDER_MAX	(PUD_SHIFT - PAGE_SHIFT)

/*
 * Free pages and those of a compound page have no mark. They can change at any
 * time: an order is valid only if the page was of that kind before and after it
 * was read.
 */
static unsigned int hvb_order_without_mark(struct page *page)
{
	unsigned long order = 0;

	if (PageBuddy(page)) {
		order = READ_ONCE(page->private);
		/* The order before the second look. */
		smp_rmb();
		if (!PageBuddy(page) || order >= ARRAY_SIZE(page_zone(page)->free_area))
			return 0;
	} else if (PageHead(page)) {
		order = compound_order(page);
		/* As above. */
		smp_rmb();
		if (!PageHead(page) || order > HVB_COMPOUND_ORDER_MAX)
			return 0;
	}
	return IS_ALIGNED(page_to_pfn(page), 1UL << order) ? order : 0;
}

/**
 * hvb_walk_next() - the next PFN after one that is of no interest
 * @pfn: a PFN, online
 *
 * Context: process.
 * Return: the PFN after its block, if that is free or a compound page, else the next.
 */
unsigned long hvb_walk_next(unsigned long pfn)
{
	return pfn + (1UL << hvb_order_without_mark(pfn_to_page(pfn)));
}

/**
 * hvb_walk_range() - look at the memory of a range that is online
 * @walk: how to look at it
 * @pfn: first PFN
 * @end: end PFN, exclusive
 *
 * All PFNs of a subsection are online, or none are; a section can hold memory and
 * device pages. What is not online is skipped at once.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_walk_range(const struct hvb_walk *walk, unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned long stop = round_down(pfn, PAGES_PER_SUBSECTION) +
				     PAGES_PER_SUBSECTION;

		if (!online_section_nr(pfn_to_section_nr(pfn))) {
			pfn = round_down(pfn, PAGES_PER_SECTION) + PAGES_PER_SECTION;
			continue;
		}
		if (!pfn_to_online_page(pfn)) {
			pfn = stop;
			continue;
		}

		stop = min(stop, end);
		while (pfn < stop) {
			walk->hvb->stats.pages_looked_at++;
			pfn = walk->look(walk, pfn, stop);
			if (!pfn)
				return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

/**
 * hvb_walk_all() - look at all memory that is online
 * @walk: how to look at it
 *
 * Each PFN once, whatever node it is on.
 *
 * Context: process, may sleep: some ms per GiB in use.
 * Return: 0 or -ENOMEM.
 */
int hvb_walk_all(const struct hvb_walk *walk)
{
	unsigned long start = ULONG_MAX, end = 0;
	int nid;

	for_each_online_node(nid) {
		if (!node_spanned_pages(nid))
			continue;
		start = min(start, node_start_pfn(nid));
		end = max(end, node_end_pfn(nid));
	}
	return hvb_walk_range(walk, start, end);
}

/**
 * hvb_walk_resources() - call a function for all memory of a kind
 * @flags: of its resources, such as HVB_HOT_ADDED
 * @look: the function; another value than 0 ends the search
 * @arg: for the function
 *
 * Parts that are next to each other are one.
 *
 * Context: process, may sleep if @look does.
 * Return: 0 or -ENOMEM.
 */
int hvb_walk_resources(unsigned long flags, hvb_look_fn look, void *arg)
{
	const int ret = walk_iomem_res_desc(IORES_DESC_NONE, flags, 0, U64_MAX, arg, look);

	/* Without any such resource the function returns -EINVAL. */
	return ret == -ENOMEM ? ret : 0;
}
