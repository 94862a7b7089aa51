/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Zones: what of their free memory is above the reserves, and in blocks.
 */
#ifndef _HVB_ZONES_H
#define _HVB_ZONES_H

#include <linux/types.h>

struct zone;

bool hvb_zone_can_spare(struct zone *zone);
u64 hvb_free_above_reserves(void);
u64 hvb_kernel_pages(bool reserves);
u64 hvb_free_chunks(void);
u64 hvb_unfragmented_pages(void);
bool hvb_has_blocks(u64 taken);

#endif /* _HVB_ZONES_H */
