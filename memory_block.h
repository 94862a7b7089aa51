/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory blocks: how they are added and removed, and what they cost.
 */
#ifndef _HVB_MEMORY_BLOCK_H
#define _HVB_MEMORY_BLOCK_H

#include <linux/types.h>

struct hvb_dev;
struct hvb_hot_add;
struct hvb_hotplug_map;

int hvb_memory_block_init(struct hvb_hot_add *ha);
void hvb_memory_block_exit(struct hvb_hot_add *ha);
bool hvb_memory_block_exists(const struct hvb_hotplug_map *map, u64 block);
int hvb_memory_block_add(struct hvb_dev *hvb, u64 block, bool whole);
void hvb_memory_block_remove_partial(struct hvb_dev *hvb);

#endif /* _HVB_MEMORY_BLOCK_H */
