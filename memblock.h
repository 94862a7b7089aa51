/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory blocks: how they are added and removed, and what they cost.
 */
#ifndef _HVB_MEMBLOCK_H
#define _HVB_MEMBLOCK_H

#include <linux/types.h>

struct hvb_dev;
struct hvb_hot_add;
struct hvb_hotplug_map;

int hvb_memblock_init(struct hvb_hot_add *ha);
void hvb_memblock_exit(struct hvb_hot_add *ha);
bool hvb_memblock_exists(const struct hvb_hotplug_map *map, u64 block);
int hvb_try_add_memory(struct hvb_dev *hvb, u64 block, u64 backed);
void hvb_remove_partial_blocks(struct hvb_dev *hvb);

#endif /* _HVB_MEMBLOCK_H */
