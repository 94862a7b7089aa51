// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/region.c: what is looked up in a set of PFNs, and changes of a set. The hotplug map is
 * not proved.
 *
 * What holds of a set is proved of any one PFN, @probe, which stands for all.
 *
 * Assumed: sets are well formed, with up to EXTENTS extents; PFNs of which 16 bits vary,
 * eight of them above the 32nd. For changes, PFNs of 5 bits: the code compares PFNs, and takes
 * 1 from one, so that the order in which they lie matters, and which of them are neighbours.
 * Up to EXTENTS extents, a range and @probe are 11 PFNs, for which 5 bits leave room.
 */
#include "lib/region.h"
#include "proof.h"

/* Extents are moved one by one: bytes in a number that varies are more than a solver can do. */
void *memmove(void *to, const void *from, size_t bytes)
{
	const struct hvb_extent *source = from;
	struct hvb_extent *target = to;
	size_t nr = bytes / sizeof(*target), i;

	prove(bytes % sizeof(*target) == 0);
	if (target <= source)
		for (i = 0; i < nr; i++)
			target[i] = source[i];
	else
		for (i = nr; i; i--)
			target[i - 1] = source[i - 1];
	return to;
}

/* As above; the two do not overlap. */
void *memcpy(void *to, const void *from, size_t bytes)
{
	const struct hvb_extent *source = from;
	struct hvb_extent *target = to;
	size_t nr = bytes / sizeof(*target), i;

	prove(bytes % sizeof(*target) == 0);
	for (i = 0; i < nr; i++)
		target[i] = source[i];
	return to;
}

#define EXTENTS		4

#define PFN_MOST	BIT_ULL(40)

/* Few bits, as sums of many are hard to compare; so some high, some low ones. */
static u64 any_pfn(void)
{
	return (u64)nondet_u8() << 32 | nondet_u8();
}

static bool has(const struct hvb_extents *set, u64 pfn)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		found = found || (set->list[i].start <= pfn && pfn < set->list[i].end);
	return found;
}

static bool well_formed(const struct hvb_extents *set)
{
	bool good = set->nr <= set->cap;
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		good = good && set->list[i].start < set->list[i].end &&
		       set->list[i].end <= PFN_MOST;
		good = good && (!i || set->list[i - 1].end < set->list[i].start);
	}
	return good;
}

static void any_set(struct hvb_extents *set, struct hvb_extent *list, unsigned int most,
		    unsigned int cap)
{
	unsigned int i;

	set->nr = nondet_u32();
	set->cap = cap;
	set->list = list;
	assume(set->nr <= most);
	for (i = 0; i < set->nr; i++)
		list[i] = (struct hvb_extent) { any_pfn(), any_pfn() };
	assume(well_formed(set));
}

static struct hvb_extent any_extent(void)
{
	const struct hvb_extent extent = { any_pfn(), any_pfn() };

	assume(extent.start < extent.end && extent.end <= PFN_MOST);
	return extent;
}

static bool inside(const struct hvb_extent *extent, u64 pfn)
{
	return extent->start <= pfn && pfn < extent->end;
}

void prove_set_span(void)
{
	struct hvb_extent list[EXTENTS];
	const struct hvb_extent range = any_extent();
	const u64 probe = any_pfn();
	struct hvb_extents set;
	u64 end = range.end;
	bool found;

	any_set(&set, list, EXTENTS, EXTENTS);
	found = hvb_extents_span(&set, range.start, &end);
	prove(found == has(&set, range.start));
	prove(range.start < end && end <= range.end);
	prove(implies(range.start <= probe && probe < end, has(&set, probe) == found));
	prove(end == range.end || has(&set, end) != found);
}

/* A PFN of few values, of which sums can be compared. */
static u64 near_pfn(void)
{
	return nondet_u8() & 31;
}

static void any_near_set(struct hvb_extents *set, struct hvb_extent *list)
{
	unsigned int i;

	*set = (struct hvb_extents) { .list = list, .nr = nondet_u32(), .cap = EXTENTS + 1 };
	assume(set->nr <= EXTENTS);
	for (i = 0; i < EXTENTS; i++)
		list[i] = (struct hvb_extent) { near_pfn(), near_pfn() };
	assume(well_formed(set));
}

static struct hvb_extent any_near_extent(void)
{
	const struct hvb_extent extent = { near_pfn(), near_pfn() };

	assume(extent.start < extent.end);
	return extent;
}

void prove_set_add(void)
{
	struct hvb_extent list[EXTENTS + 1];
	const struct hvb_extent range = any_near_extent();
	const u64 probe = near_pfn();
	struct hvb_extents set;
	bool before;

	any_near_set(&set, list);
	before = has(&set, probe);
	hvb_extents_add(&set, range.start, range.end);
	prove(well_formed(&set));
	prove(has(&set, probe) == (before || inside(&range, probe)));
}

void prove_set_remove(void)
{
	struct hvb_extent list[EXTENTS + 1];
	const struct hvb_extent range = any_near_extent();
	const u64 probe = near_pfn();
	struct hvb_extents set;
	bool before;

	any_near_set(&set, list);
	before = has(&set, probe);
	hvb_extents_remove(&set, range.start, range.end);
	prove(well_formed(&set));
	prove(has(&set, probe) == (before && !inside(&range, probe)));
}
