// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory blocks: adding, removing, and the cost of a memory map.
 *
 * Blocks without a gap are added by add_memory(), as system RAM that a kexec kernel may
 * use. Blocks with a gap are added as driver managed, which hides them from a kexec
 * kernel: it would access the gaps.
 */
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/numa.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "demand.h"
#include "device.h"
#include "hotplug_map.h"
#include "memory_block.h"
#include "online.h"
#include "zones.h"

#define HVB_RESOURCE_NAME	"System RAM (hv_balloon)"

/* Margin when a memory map is allocated from the reserves: a quarter of its size. */
#define HVB_MEMMAP_MARGIN		4

/*
 * memory_add_physaddr_to_nid() knows only memory that existed at boot, and returns
 * the first node for other memory: it is the fallback.
 */
static int hvb_node_of(u64 start)
{
	const int nid = phys_to_target_node(start);

	return nid == NUMA_NO_NODE ? memory_add_physaddr_to_nid(start) : nid;
}

/*
 * The driver's blocks of a node form one memory group, so that the kernel can choose
 * their zones together (memory_hotplug.online_policy=auto-movable).
 * Return: the node argument of add_memory(); @flags says how to interpret it.
 */
static int hvb_node_or_group(struct hvb_hot_add *ha, u64 start, mhp_t *flags)
{
	const int nid = hvb_node_of(start);
	int *group = &ha->groups[nid];

	if (*group < 0)
		*group = memory_group_register_dynamic(nid, ha->map.regions.block_pages);
	if (*group < 0)
		return nid;

	*flags |= MHP_NID_IS_MGID;
	return *group;
}

/*
 * add_memory() returns -EEXIST as well if there was no memory for the resource.
 * Return: @ret, or -ENOMEM in that case.
 */
static int hvb_add_memory_error(int ret, u64 start, u64 size)
{
	if (ret == -EEXIST &&
	    region_intersects(start, size, 0, IORES_DESC_NONE) == REGION_DISJOINT)
		return -ENOMEM;
	return ret;
}

static int hvb_add_memory(struct hvb_hot_add *ha, u64 block, bool whole)
{
	const u64 size = PFN_PHYS(ha->map.regions.block_pages);
	const u64 start = PFN_PHYS(block);
	mhp_t flags = MHP_MERGE_RESOURCE;
	const int node = hvb_node_or_group(ha, start, &flags);
	int ret;

	/*
	 * With memmap_on_memory the memory map lies at the start of the block, which
	 * must not be a gap then.
	 */
	if (whole)
		ret = add_memory(node, start, size, flags | HVB_MEMMAP_ON_MEMORY);
	else
		ret = add_memory_driver_managed(node, start, size, ha->resource_name, flags);
	if (!ret && !whole)
		ha->resource_name_used = true;
	return hvb_add_memory_error(ret, start, size);
}

/**
 * hvb_memory_block_exists() - whether any section of a memory block is present
 * @map: the hotplug map
 * @block: first PFN of the block
 *
 * Offline memory and device memory count.
 *
 * Context: any.
 * Return: whether one is.
 */
bool hvb_memory_block_exists(const struct hvb_hotplug_map *map, u64 block)
{
	u64 pfn;

	for (pfn = block; pfn < block + map->regions.block_pages; pfn += PAGES_PER_SECTION)
		if (pfn_in_present_section(pfn))
			return true;
	return false;
}

/**
 * hvb_memory_block_add() - add a block if its memory map can be afforded
 * @hvb: the device; the block is in its hotplug map
 * @block: first PFN of the block
 * @whole: the host backs all of it
 *
 * The memory map is allocated before the block adds memory.
 *
 * Blocks that are onlined in a kernel zone: the map may come from the reserves, with a
 * margin that avoids an OOM until the block is online, however little the host gives at
 * first. Last block onlined in ZONE_MOVABLE: kernel zones gain nothing, so the reserves
 * are not touched. Blocks that stay offline: the guest gains nothing, so the map must not
 * cut into the floor.
 *
 * These checks are valid for a moment only: wait for memory hotplug in progress first.
 *
 * Context: process, may sleep as long as memory hotplug in progress.
 * Return: 0, -ENOMEM, -EEXIST, or another error of add_memory().
 */
int hvb_memory_block_add(struct hvb_dev *hvb, u64 block, bool whole)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 map = PFN_UP(ha->map.regions.block_pages * sizeof(struct page));
	const u64 needed = map + map / HVB_MEMMAP_MARGIN;
	unsigned int flags;
	bool reserves;
	int ret;

	hvb_wait_for_hotplug();
	reserves = !READ_ONCE(ha->no_onlining) && !READ_ONCE(ha->onlined_movable);
	if (READ_ONCE(ha->no_onlining) && si_mem_available() < (long)(hvb_floor(hvb) + needed))
		return -ENOMEM;
	if (hvb_kernel_pages(reserves) < needed)
		return -ENOMEM;
	if (!reserves)
		return hvb_add_memory(ha, block, whole);

	flags = memalloc_noreclaim_save();
	ret = hvb_add_memory(ha, block, whole);
	memalloc_noreclaim_restore(flags);
	return ret;
}

/*
 * A block of another driver (a DIMM, memory of a device) went offline with ballooned pages.
 * That driver removes it, and may have done so: it may be device memory by now.
 */
static bool hvb_is_foreign_block(struct hvb_hotplug_map *map, u64 block)
{
	return !hvb_hotplug_map_is_hot_added(map, block) && !early_section(__pfn_to_section(block));
}

static void hvb_remove_block(struct hvb_dev *hvb, u64 block)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;

	if (hvb_hotplug_map_is_online(map, block))
		return;

	if (hvb_is_foreign_block(map, block) ||
	    remove_memory(PFN_PHYS(block), PFN_PHYS(map->regions.block_pages)))
		dev_warn(hvb_device(hvb),
			 "cannot remove the offline memory block at PFN 0x%llx, which the host backs in part: keep it offline\n",
			 block);
}

/**
 * hvb_memory_block_remove_partial() - remove offline blocks with gaps
 * @hvb: the device; its channel is closed
 *
 * Without the online-page callback such a block would be onlined whole. Gaps in online
 * blocks stay marked. Blocks of boot memory are removed too.
 *
 * Context: process, may sleep as long as memory hotplug in progress.
 */
void hvb_memory_block_remove_partial(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	u64 block = 0;

	while (hvb_hotplug_map_next(&ha->map, &ha->map.regions.gaps, &block)) {
		hvb_remove_block(hvb, block);
		block += ha->map.regions.block_pages;
	}
}

/**
 * hvb_memory_block_init() - allocate the name of resources and the table of memory groups
 * @ha: the hot-added memory
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_memory_block_init(struct hvb_hot_add *ha)
{
	int nid;

	ha->resource_name_used = false;
	ha->resource_name = kstrdup(HVB_RESOURCE_NAME, GFP_KERNEL);
	if (!ha->resource_name)
		return -ENOMEM;

	ha->groups = kmalloc_array(nr_node_ids, sizeof(*ha->groups), GFP_KERNEL);
	if (!ha->groups) {
		kfree(ha->resource_name);
		return -ENOMEM;
	}

	for (nid = 0; nid < nr_node_ids; nid++)
		ha->groups[nid] = NUMA_NO_NODE;
	return 0;
}

/**
 * hvb_memory_block_exit() - undo hvb_memory_block_init()
 * @ha: the hot-added memory
 *
 * A group that has memory blocks stays registered. The name of resources stays if there
 * may be one with it: the kernel keeps the pointer, and blocks outlive the module.
 *
 * Context: process, may sleep.
 */
void hvb_memory_block_exit(struct hvb_hot_add *ha)
{
	int nid;

	for (nid = 0; nid < nr_node_ids; nid++)
		if (ha->groups[nid] >= 0)
			memory_group_unregister(ha->groups[nid]);
	kfree(ha->groups);
	if (!ha->resource_name_used)
		kfree(ha->resource_name);
}
