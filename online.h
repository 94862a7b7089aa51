/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Onlining of hot-added memory.
 */
#ifndef _HVB_ONLINE_H
#define _HVB_ONLINE_H

#include <linux/types.h>

struct hvb_dev;
struct hvb_hot_add;

/* Extents that filling part of a gap may add, and one spare. */
#define HVB_FILL_EXTENTS	2

/* The same for a range that is returned or was not reported, and a block dropped between. */
#define HVB_RETURN_EXTENTS	(HVB_FILL_EXTENTS + 2)

#ifdef CONFIG_MEMORY_HOTPLUG

int hvb_online_claim(struct hvb_dev *hvb);
void hvb_online_disclaim(void);
void hvb_online_init(struct hvb_dev *hvb);
void hvb_online_exit(struct hvb_dev *hvb);
void hvb_wait_for_hotplug(void);
int hvb_online_fill(struct hvb_dev *hvb, u64 start, u64 end, u32 *filled);
int hvb_online_return(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_online_marked(struct hvb_dev *hvb, u64 pfn, u64 end);

#endif /* CONFIG_MEMORY_HOTPLUG, else no_hot_add.h */

#endif /* _HVB_ONLINE_H */
