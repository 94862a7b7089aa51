/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The logic of the hotplug map. Pure: it computes with PFNs, and touches no page.
 */
#ifndef _HVB_REGION_H
#define _HVB_REGION_H

#include <linux/types.h>

/**
 * struct hvb_extent - PFNs from @start up to, not including, @end
 * @start: first PFN
 * @end: end PFN, exclusive
 */
struct hvb_extent {
	u64 start;
	u64 end;
};

/**
 * struct hvb_extents - a set of PFNs
 * @list: its extents, ascending, disjoint, with a hole between neighbours
 * @nr: extents in use
 * @cap: extents that @list has room for
 *
 * One change makes at most one more extent. The caller ensures that
 * hvb_extents_has_room() holds; a set never allocates.
 */
struct hvb_extents {
	struct hvb_extent *list;
	unsigned int nr;
	unsigned int cap;
};

static inline bool hvb_extents_has_room(const struct hvb_extents *set)
{
	return set->nr < set->cap;
}

u64 hvb_extents_pages(const struct hvb_extents *set);
u64 hvb_extents_pages_in(const struct hvb_extents *set, u64 start, u64 end);
bool hvb_extents_span(const struct hvb_extents *set, u64 pos, u64 *end);
u64 hvb_extents_add(struct hvb_extents *set, u64 start, u64 end);
u64 hvb_extents_remove(struct hvb_extents *set, u64 start, u64 end);

/**
 * enum hvb_backing - what backs a PFN
 * @HVB_FOREIGN: not hot-added by this driver
 * @HVB_BACKED: hot-added, and the host has given the memory for it
 * @HVB_GAP: in a block that was hot-added, not backed by the host
 * @HVB_BALLOONED_OFFLINE: in any block, the host has the memory and may return it
 */
enum hvb_backing {
	HVB_FOREIGN,
	HVB_BACKED,
	HVB_GAP,
	HVB_BALLOONED_OFFLINE,
};

/* Whether the kernel may have such pages. */
static inline bool hvb_is_usable(enum hvb_backing backing)
{
	return backing == HVB_FOREIGN || backing == HVB_BACKED;
}

/**
 * struct hvb_regions - the sets of PFNs of the hotplug map
 * @block_pages: pages of a memory block, the step in which Linux adds memory
 * @added: what was added, whole blocks; an extent of it is a region
 * @gaps: what the guest must not touch: the part of @added that the host has
 *	not given yet, and @ballooned
 * @ballooned: ballooned pages of blocks that went offline since, which need not be
 *	in @added: the host has their memory
 * @online: which blocks with one of these are online or on their way there
 */
struct hvb_regions {
	u64 block_pages;
	struct hvb_extents added;
	struct hvb_extents gaps;
	struct hvb_extents ballooned;
	struct hvb_extents online;
};

void hvb_regions_add_block(struct hvb_regions *regions, u64 block, u64 start, u64 end);
void hvb_regions_drop_block(struct hvb_regions *regions, u64 block);
void hvb_regions_detach(struct hvb_regions *regions, u64 start, u64 end);
bool hvb_regions_is_hot_added(const struct hvb_regions *regions, u64 pfn);
bool hvb_regions_is_partial(const struct hvb_regions *regions, u64 block);
enum hvb_backing hvb_regions_span(const struct hvb_regions *regions, u64 pos, u64 *end);

/* Whether anything is known of a block: it was added, or it has a gap. */
static inline bool hvb_regions_knows(const struct hvb_regions *regions, u64 block)
{
	return hvb_regions_is_hot_added(regions, block) || hvb_regions_is_partial(regions, block);
}

u64 hvb_regions_backed(const struct hvb_regions *regions);
u64 hvb_regions_offline(const struct hvb_regions *regions);

#endif /* _HVB_REGION_H */
