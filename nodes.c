// SPDX-License-Identifier: GPL-2.0-only
/*
 * NUMA nodes: each keeps a share of the floor in proportion to its size. Otherwise the
 * balloon drains the node that the pump runs on, and programs bound to that node run out
 * of memory while other nodes have some.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/vmstat.h>

#include "demand.h"
#include "device.h"
#include "nodes.h"

/* Free pages and page cache of a node. An estimate, read without a lock. */
static u64 hvb_node_available(int nid)
{
	u64 pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &NODE_DATA(nid)->node_zones[i];

		pages += zone_page_state(zone, NR_FREE_PAGES) +
			 zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
			 zone_page_state(zone, NR_ZONE_ACTIVE_FILE);
	}
	return pages;
}

/* With ballooned pages, unless they are hidden. */
static u64 hvb_node_size(int nid)
{
	u64 pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		pages += zone_managed_pages(&NODE_DATA(nid)->node_zones[i]);
	return pages;
}

/*
 * Computed in MiB, so that no product exceeds 64 bits.
 * Return: pages that a node has above its share of the floor; negative if it has less.
 */
static s64 hvb_node_spare(const struct hvb_dev *hvb, int nid, u64 size, u64 total)
{
	const u64 share = hvb_floor(hvb) * hvb_pages_to_mib(size) /
			  max(hvb_pages_to_mib(total), 1ULL);

	return (s64)hvb_node_available(nid) - (s64)share;
}

static u64 hvb_total_size(void)
{
	u64 total = 0;
	int nid;

	for_each_online_node(nid)
		total += hvb_node_size(nid);
	return total;
}

/**
 * hvb_richest_node() - the node with most memory above its share of the floor
 * @hvb: the device
 *
 * Context: any.
 * Return: the node, NUMA_NO_NODE if there is one only.
 */
int hvb_richest_node(const struct hvb_dev *hvb)
{
	int nid, richest = NUMA_NO_NODE;
	s64 spare, most = S64_MIN;
	u64 total, size;

	if (num_online_nodes() == 1)
		return NUMA_NO_NODE;

	total = hvb_total_size();
	for_each_online_node(nid) {
		size = hvb_node_size(nid);
		spare = hvb_node_spare(hvb, nid, size, total);
		if (size && spare > most) {
			most = spare;
			richest = nid;
		}
	}
	return richest;
}

/**
 * hvb_node_can_spare() - whether a node has more than its share of the floor
 * @hvb: the device
 * @nid: the node
 *
 * Context: any.
 * Return: whether it has; true for the only node.
 */
bool hvb_node_can_spare(const struct hvb_dev *hvb, int nid)
{
	if (num_online_nodes() == 1)
		return true;
	return hvb_node_spare(hvb, nid, hvb_node_size(nid), hvb_total_size()) > 0;
}
