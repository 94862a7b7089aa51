/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic of the balloon: the floor, the limit of a request, the demand, the order
 * of the next block. Pure. All figures are pages of 4 KiB unless said.
 */
#ifndef _HVB_LIMITS_H
#define _HVB_LIMITS_H

#include <linux/types.h>

#define HVB_HOST_PAGE_SHIFT	12
#define HVB_PAGES_PER_MIB	256

/* The largest block that the balloon takes in one piece: 2 MiB. */
#define HVB_CHUNK_ORDER		9

/* Part of the floor that is not to be left in small pieces, and the least of it: 32 MiB. */
#define HVB_UNFRAGMENTED_SHARE	4
#define HVB_UNFRAGMENTED_MIN	(32 * HVB_PAGES_PER_MIB)

/**
 * struct hvb_demand - what goes into the committed figure of a status report
 * @vm_committed: the commit charge; counts unless @by_use
 * @ballooned: pages that the host has
 * @not_online: hot-added pages that are offline
 * @floor: pages that the guest keeps in any case
 * @used: memory in use; this and the next two count if @by_use, see lib/usage.h
 * @cache: page cache that proved needed
 * @lead: what will be used before the host can react
 * @emergency: what a guest that ran out of memory asks for on top
 * @extra: what a program asks for on top
 * @by_use: the demand is that by use, not the commit charge
 */
struct hvb_demand {
	u64 vm_committed;
	u64 ballooned;
	u64 not_online;
	u64 floor;
	u64 used;
	u64 cache;
	u64 lead;
	u64 emergency;
	u64 extra;
	bool by_use;
};

u64 hvb_host_pages(u64 pages, unsigned int page_shift);
u64 hvb_floor_pages(u64 assigned, u64 wish);
u64 hvb_inflate_limit(u64 available, u64 floor, u64 wanted);
bool hvb_may_take(u64 unfragmented, u64 floor, unsigned int order);
u64 hvb_committed_pages(const struct hvb_demand *demand);
unsigned int hvb_first_order(u64 wanted, unsigned int highest);

#endif /* _HVB_LIMITS_H */
