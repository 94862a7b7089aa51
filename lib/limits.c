// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic of the balloon: the floor, the limit of a request, the demand,
 * and the size of the next block.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/minmax.h>

#include "limits.h"

/*
 * The floor grows with the guest, ever more slowly, without a jump:
 *
 *	guest	 128 MiB   512 MiB   2 GiB   8 GiB   32 GiB   128 GiB
 *	floor	  72 MiB   168 MiB 360 MiB 744 MiB 1512 MiB  4584 MiB
 *
 * These are the figures that Linux guests have always kept: hosts and
 * administrators have sized their machines by them.
 */
static const struct {
	u32 below_mib;
	u32 base_mib;
	u32 shift;
} hvb_floor_steps[] = {
	{  128,   8, 1 },
	{  512,  40, 2 },
	{ 2048, 104, 3 },
	{ 8192, 232, 4 },
	{    0, 488, 5 },
};

/**
 * hvb_host_pages() - from pages of the guest to pages of the host
 * @pages: pages of the guest
 * @page_shift: the size of one, as a power of two: 12 for 4 KiB, 16 for 64 KiB
 *
 * Return: pages of 4 KiB.
 */
u64 hvb_host_pages(u64 pages, unsigned int page_shift)
{
	return pages << (page_shift - HVB_HOST_PAGE_SHIFT);
}

static u64 hvb_floor_by_size(u64 assigned)
{
	int i = 0;

	while (hvb_floor_steps[i].below_mib &&
	       assigned >= (u64)hvb_floor_steps[i].below_mib * HVB_PAGES_PER_MIB)
		i++;

	return (u64)hvb_floor_steps[i].base_mib * HVB_PAGES_PER_MIB +
	       (assigned >> hvb_floor_steps[i].shift);
}

/**
 * hvb_floor_pages() - the pages that ballooning leaves the guest
 * @assigned: memory that the guest has, without ballooned pages
 * @wish: what the administrator asks for, 0 for the floor that follows from @assigned
 *
 * While the balloon grows that floor sinks, but more slowly than what is available:
 * ballooning ends where both meet, however often the host asks.
 *
 * Return: the floor in pages, never above @assigned.
 */
u64 hvb_floor_pages(u64 assigned, u64 wish)
{
	return min(wish ?: hvb_floor_by_size(assigned), assigned);
}

/**
 * hvb_inflate_limit() - how many pages the guest can give
 * @available: pages that could be used without swapping
 * @floor: pages that it keeps
 * @wanted: pages that the host asks for
 *
 * Return: @wanted, or less.
 */
u64 hvb_inflate_limit(u64 available, u64 floor, u64 wanted)
{
	return available > floor ? min(wanted, available - floor) : 0;
}

/**
 * hvb_may_take() - whether a block can be spared
 * @unfragmented: pages that the kernel can still use in blocks
 * @floor: pages that the guest keeps
 * @order: order of the block to take
 *
 * A floor of nothing but single pages would be worth little: the kernel needs
 * small blocks for its stacks and page tables, and runs out of memory for want
 * of them. Ballooned pages cannot move, so it could not make any. Hence some
 * are left to it, and of what lies below only single pages are taken. What it needs
 * does not depend on the floor, so there is a least.
 *
 * Return: whether to go on.
 */
bool hvb_may_take(u64 unfragmented, u64 floor, unsigned int order)
{
	const u64 kept = max_t(u64, floor / HVB_UNFRAGMENTED_SHARE, HVB_UNFRAGMENTED_MIN);

	return unfragmented > (order ? kept : kept / 2);
}

/**
 * hvb_committed_pages() - the demand of a status report
 * @demand: what goes into it
 *
 * The host compares it with what the guest has in all. So ballooned pages, and those
 * that the guest cannot use yet, count as in use; and the floor is added, as
 * what ballooning leaves in any case.
 *
 * Return: pages.
 */
u64 hvb_committed_pages(const struct hvb_demand *demand)
{
	const u64 needed = demand->by_use ? demand->used + demand->cache + demand->lead :
					    demand->vm_committed;

	return needed + demand->ballooned + demand->not_online + demand->floor +
	       demand->emergency + demand->extra;
}

/**
 * hvb_first_order() - the largest block to try for
 * @wanted: pages still wanted, not 0
 * @highest: largest order to think of
 *
 * Return: the order of a block of at most @wanted pages.
 */
unsigned int hvb_first_order(u64 wanted, unsigned int highest)
{
	return min_t(unsigned int, ilog2(wanted), highest);
}
