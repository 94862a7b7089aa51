/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic of the balloon: what the guest keeps, what it tells the host, in
 * which pieces it gives. Pure. All figures are pages of 4 KiB unless said.
 */
#ifndef _HVB_LIMITS_H
#define _HVB_LIMITS_H

#include <linux/types.h>

#define HVB_HOST_PAGE_SHIFT	12
#define HVB_PAGES_PER_MIB	256

/* The largest block that the balloon takes in one piece: 2 MiB. */
#define HVB_CHUNK_ORDER		9

/* Part of the floor that is not to be left in small pieces. */
#define HVB_WHOLE_SHARE		4

/**
 * struct hvb_demand - what goes into the committed figure of a status report
 * @vm_committed: address space that the guest has promised to its programs
 * @ballooned: pages that the host has
 * @not_online: hot-added pages that nobody onlined yet
 * @floor: pages that the guest keeps in any case
 */
struct hvb_demand {
	u64 vm_committed;
	u64 ballooned;
	u64 not_online;
	u64 floor;
};

u64 hvb_host_pages(u64 pages, unsigned int page_shift);
u64 hvb_floor_pages(u64 total, u64 wish);
u64 hvb_inflate_limit(u64 available, u64 floor, u64 wanted);
bool hvb_may_take(u64 whole, u64 floor, unsigned int order);
u64 hvb_committed_pages(const struct hvb_demand *demand);
unsigned int hvb_first_order(u64 wanted, unsigned int highest);

#endif /* _HVB_LIMITS_H */
