/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mark in the struct page of memory that the guest must not touch: ballooned
 * pages, and gaps in hot-added memory blocks.
 *
 * The mark is a number, not a pointer, so that a driver that is loaded later
 * understands what its predecessor left. A page counts as marked only while it
 * is PageOffline too: the page allocator hands out no such page, so a stale
 * number in a page that is in use is never taken for a mark.
 */
#ifndef _HVB_MARK_H
#define _HVB_MARK_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

#include "compat.h"

/**
 * enum hvb_mark_kind - why a page is marked
 * @HVB_MARK_BALLOON: the host has it; it belongs to a block of the allocator
 * @HVB_MARK_GAP: the host never gave it; it belongs to a hot-added block
 * @HVB_MARK_BALLOONED_OFFLINE: as a gap, but the host has it and may return it
 */
enum hvb_mark_kind {
	HVB_MARK_BALLOON	= 1,
	HVB_MARK_GAP		= 2,
	HVB_MARK_BALLOONED_OFFLINE = 3,
};

/* Bits of the mark below the magic number. */
#define HVB_MARK_ORDER		0x1fUL	/* of the block that the page is in */
#define HVB_MARK_HIDDEN		0x20UL	/* taken out of the guest's total */
#define HVB_MARK_KIND_SHIFT	6
#define HVB_MARK_TAKEN_OVER	0x100UL	/* by this load, from the in-tree driver */
#define HVB_MARK_MAGIC		(0x68765f00UL << (BITS_PER_LONG - 32))

static inline unsigned long hvb_mark_value(enum hvb_mark_kind kind, bool hidden,
					   unsigned int order)
{
	return HVB_MARK_MAGIC | (unsigned long)kind << HVB_MARK_KIND_SHIFT |
	       (hidden ? HVB_MARK_HIDDEN : 0) | order;
}

static inline bool hvb_mark_is(struct page *page, enum hvb_mark_kind kind)
{
	const unsigned long details = HVB_MARK_ORDER | HVB_MARK_HIDDEN | HVB_MARK_TAKEN_OVER;

	return PageOffline(page) &&
	       (page_private(page) & ~details) == hvb_mark_value(kind, false, 0);
}

/* Not the allocator's: never onlined, or detached (offline.c). */
static inline bool hvb_mark_is_gap(struct page *page)
{
	return hvb_mark_is(page, HVB_MARK_GAP) || hvb_mark_is(page, HVB_MARK_BALLOONED_OFFLINE);
}

/* Mark pages that are not the allocator's; @flags are more bits of the mark. */
static inline void hvb_mark_span(enum hvb_mark_kind kind, unsigned long flags, u64 pfn, u64 end)
{
	const unsigned long mark = hvb_mark_value(kind, false, 0) | flags;

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		set_page_private(page, mark);
		hvb_compat_keep_offline(page);
	}
}

/*
 * Find the first run of pages from *@pfn on that are marked as a gap, and take
 * the marks off. Return: the end of the run, *@pfn its start.
 */
static inline u64 hvb_unmark_span(u64 *pfn, u64 end)
{
	u64 stop;

	while (*pfn < end && !hvb_mark_is_gap(pfn_to_page(*pfn)))
		++*pfn;
	for (stop = *pfn; stop < end; stop++) {
		struct page *page = pfn_to_page(stop);

		if (!hvb_mark_is_gap(page))
			break;
		set_page_private(page, 0);
	}
	return stop;
}

/* The driver has put no mark on it: only PageOffline pages have one. */
static inline bool hvb_mark_is_missing(struct page *page)
{
	return !hvb_mark_is(page, HVB_MARK_BALLOON) && !hvb_mark_is_gap(page);
}

/* Whether a probe that fails now has to take the mark off. */
static inline bool hvb_mark_is_taken_over(struct page *page)
{
	return !hvb_mark_is_missing(page) && page_private(page) & HVB_MARK_TAKEN_OVER;
}

/* A later load: the mark stays, whatever becomes of that one. */
static inline void hvb_mark_settle(struct page *page)
{
	set_page_private(page, page_private(page) & ~HVB_MARK_TAKEN_OVER);
}

static inline unsigned int hvb_mark_order(struct page *page)
{
	return page_private(page) & HVB_MARK_ORDER;
}

static inline bool hvb_mark_hidden(struct page *page)
{
	return page_private(page) & HVB_MARK_HIDDEN;
}

#endif /* _HVB_MARK_H */
