/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NUMA nodes: which one can spare memory.
 */
#ifndef _HVB_NODES_H
#define _HVB_NODES_H

#include <linux/types.h>

struct hvb_dev;

int hvb_richest_node(const struct hvb_dev *hvb);
bool hvb_node_can_spare(const struct hvb_dev *hvb, int nid);

#endif /* _HVB_NODES_H */
