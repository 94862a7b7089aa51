/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which chunks are worth evacuating.
 */
#ifndef _HVB_CANDIDATES_H
#define _HVB_CANDIDATES_H

#include <linux/types.h>

struct hvb_dev;
struct zone;

/* Passes through all memory for chunks; the guest, which may never need them, gets fewer. */
#define HVB_PASSES		3
#define HVB_PASSES_FOR_GUEST	(HVB_PASSES - 1)

u64 hvb_zone_spare(struct zone *zone);
u64 hvb_free_above_reserves(void);
bool hvb_zone_can_spare(struct zone *zone);
bool hvb_worth_evacuating(struct hvb_dev *hvb, u64 pfn, unsigned int pass);
bool hvb_worth_reclaiming(void);
u64 hvb_free_in_blocks(const struct zone *zone, unsigned int order);

#endif /* _HVB_CANDIDATES_H */
