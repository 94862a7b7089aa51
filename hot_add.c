// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hot-add: memory that the host gives on top of what the guest was started
 * with.
 *
 * Linux adds memory in whole blocks, the host may give less at a time. A block
 * is added as soon as the host gives a part of it; the rest of it is a gap,
 * whose pages are marked (mark.h) and kept from the page allocator until the
 * host gives them too. region.c keeps the books.
 *
 * A request is worked on block by block, one per turn of the pump. Where a
 * block cannot be added for lack of memory, the request is parked: the host
 * takes a short answer as "never ask again", so that comes last.
 *
 * add_memory() is told of blocks that the host backs whole: their memory is
 * like any other, also for a kernel that is started through kexec. Blocks with
 * a gap are added as "driver managed", which hides them from such a kernel: it
 * does not know the gaps, and would touch them.
 */
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "hv_balloon.h"

#define HVB_RESOURCE_NAME	"System RAM (hv_balloon)"

#define HVB_NO_BLOCK		U64_MAX

/* What stays free when a memory map is taken from the reserves: a quarter of it. */
#define HVB_MAP_MARGIN		4

/* How long to wait for a block to be onlined before the next one is added. */
#define HVB_ONLINE_WAIT		HZ

/* A shortage of memory: try again so often, give up after so long. */
#define HVB_RETRY_INTERVAL	HZ
#define HVB_RETRY_LIMIT		(60 * HZ)

/*
 * memory_add_physaddr_to_nid() knows no memory that was not there at boot, and
 * answers with the first node then: ask it last.
 */
static int hvb_node_of(u64 start)
{
	const int nid = phys_to_target_node(start);

	return nid == NUMA_NO_NODE ? memory_add_physaddr_to_nid(start) : nid;
}

/*
 * All our blocks of a node form one memory group, so that the kernel can choose
 * their zones together (memory_hotplug.online_policy=auto-movable).
 * Return: what add_memory() takes as the node, and in @flags how to read it.
 */
static int hvb_node_or_group(struct hvb_hot_add *ha, u64 start, mhp_t *flags)
{
	const int nid = hvb_node_of(start);
	int *group = &ha->groups[nid];

	if (*group < 0)
		*group = memory_group_register_dynamic(nid, ha->regions.block_pages);
	if (*group < 0)
		return nid;

	*flags |= MHP_NID_IS_MGID;
	return *group;
}

static int hvb_add_memory(struct hvb_hot_add *ha, u64 block, bool whole)
{
	const u64 size = PFN_PHYS(ha->regions.block_pages);
	const u64 start = PFN_PHYS(block);
	mhp_t flags = MHP_MERGE_RESOURCE;
	const int node = hvb_node_or_group(ha, start, &flags);

	/*
	 * A memory map on the new memory itself (a boot option of the kernel)
	 * sits at the start of the block, so that must not be a gap.
	 */
	if (whole)
		return add_memory(node, start, size, flags | HVB_MEMMAP_ON_MEMORY);
	return add_memory_driver_managed(node, start, size, HVB_RESOURCE_NAME, flags);
}

/*
 * A block costs a memory map before it brings anything. If it comes online at
 * once it brings far more, so that the map may come from the reserves of the
 * kernel; but not to their last page, or the kernel kills programs meanwhile.
 * If nobody onlines it, it brings nothing: then the guest keeps its floor.
 */
static int hvb_pay_for_block(struct hvb_dev *hvb, u64 block, bool whole)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 map = PFN_UP(ha->regions.block_pages * sizeof(struct page));
	const u64 price = map + map / HVB_MAP_MARGIN;
	unsigned int flags;
	int ret;

	if (READ_ONCE(ha->nobody_onlines)) {
		if (si_mem_available() < (long)(hvb_floor(hvb) + price))
			return -ENOMEM;
		return hvb_add_memory(ha, block, whole);
	}

	if (global_zone_page_state(NR_FREE_PAGES) < price)
		return -ENOMEM;
	flags = memalloc_noreclaim_save();
	ret = hvb_add_memory(ha, block, whole);
	memalloc_noreclaim_restore(flags);
	return ret;
}

/* A block begins to cost memory; until it is online, see hvb_hot_add_await(). */
static void hvb_block_comes(struct hvb_hot_add *ha, u64 block)
{
	spin_lock(&ha->lock);
	ha->coming = READ_ONCE(ha->nobody_onlines) ? HVB_NO_BLOCK : block;
	spin_unlock(&ha->lock);
}

/**
 * hvb_block_came() - a block is online, or waited for no longer
 * @ha: the hot-added memory
 * @block: its first page frame
 *
 * Context: process.
 */
void hvb_block_came(struct hvb_hot_add *ha, u64 block)
{
	spin_lock(&ha->lock);
	if (ha->coming == block)
		ha->coming = HVB_NO_BLOCK;
	spin_unlock(&ha->lock);
	wake_up_all(&ha->came);
}

/**
 * hvb_hot_add_await() - the guest is out of memory: wait for a block that comes
 * @ha: the hot-added memory
 *
 * The memory map of a block may come from the reserves, and the block pays it
 * back many times once it is online. Who needs memory in between finds less than
 * before: the kernel would kill a program for what is about to be there.
 *
 * One second for each block and no more: the kernel's out-of-memory handling is
 * held up meanwhile, and the caller may be the task that onlines the block.
 *
 * Context: the task that finds no memory; may sleep, locks of the kernel's held.
 * Return: pages that came.
 */
unsigned long hvb_hot_add_await(struct hvb_hot_add *ha)
{
	const u64 block = READ_ONCE(ha->coming);

	if (block == HVB_NO_BLOCK)
		return 0;

	if (wait_event_timeout(ha->came, READ_ONCE(ha->coming) != block,
			       HVB_ONLINE_WAIT))
		return hvb_block_online(ha, block) ? ha->regions.block_pages : 0;

	hvb_block_came(ha, block);
	return 0;
}

/* The books first: the block may be onlined before add_memory() returns. */
static int hvb_add_block(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 block = hvb_block_of(ha, start);
	const bool whole = end - start == ha->regions.block_pages;
	int ret;

	ret = hvb_books_add_block(hvb, block, start, end);
	if (ret)
		return ret;

	hvb_block_comes(ha, block);
	ret = hvb_pay_for_block(hvb, block, whole);
	if (ret) {
		spin_lock(&ha->lock);
		hvb_regions_drop_block(&ha->regions, block);
		spin_unlock(&ha->lock);
		hvb_block_came(ha, block);
		return ret;
	}

	ha->added += end - start;
	ha->waiting_for = block;
	ha->not_before = jiffies + HVB_ONLINE_WAIT;
	return 0;
}

/*
 * Each block costs memory for its map before it gives any: let it come online
 * before the next one. If nobody onlines it, do not wait for its successors.
 * Return: whether to go on waiting.
 */
static bool hvb_wait_online(struct hvb_hot_add *ha)
{
	if (ha->waiting_for == HVB_NO_BLOCK)
		return false;

	if (!hvb_block_online(ha, ha->waiting_for)) {
		if (!READ_ONCE(ha->nobody_onlines) &&
		    time_before(jiffies, ha->not_before))
			return true;
		WRITE_ONCE(ha->nobody_onlines, true);
	}
	ha->waiting_for = HVB_NO_BLOCK;
	ha->not_before = jiffies;
	return false;
}

/* Add the part of the request that lies in the next block. */
static int hvb_hot_add_step(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 start = ha->next;
	const u64 end = min(ha->end, hvb_block_of(ha, start) + ha->regions.block_pages);
	int ret;

	if (hvb_regions_know(&ha->regions, hvb_block_of(ha, start))) {
		mutex_lock(&hvb->transfer_lock);
		ret = hvb_books_fill(hvb, start, end, &ha->added);
		mutex_unlock(&hvb->transfer_lock);
	} else {
		ret = hvb_add_block(hvb, start, end);
	}
	if (!ret)
		ha->next = end;
	return ret;
}

/* A block found no memory for its map. Return: jiffies to the next try. */
static unsigned long hvb_hot_add_park(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	if (!ha->short_of_memory) {
		ha->short_of_memory = true;
		ha->give_up = jiffies + HVB_RETRY_LIMIT;
		dev_info_ratelimited(hvb_device(hvb),
				     "no memory to add memory: trying again for %d s\n",
				     HVB_RETRY_LIMIT / HZ);
	}

	if (time_after(jiffies, ha->give_up)) {
		hvb_hot_add_end(hvb);
		return 0;
	}
	ha->not_before = jiffies + HVB_RETRY_INTERVAL;
	return HVB_RETRY_INTERVAL;
}

static void hvb_hot_add_answer(struct hvb_dev *hvb, u32 pages, u32 result)
{
	struct hvb_wire_hot_add_response response;

	hvb_send(hvb, &response, hvb_encode_hot_add(&response, pages, result));
}

/**
 * hvb_hot_add_retry() - memory was freed: try again if a request is parked
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_hot_add_retry(struct hvb_dev *hvb)
{
	if (hvb->hot_add.active && hvb->hot_add.short_of_memory)
		hvb->hot_add.not_before = jiffies;
}

/**
 * hvb_hot_add_end() - answer the request as it stands
 * @hvb: the device
 *
 * Context: the pump, or while it cannot run; may sleep.
 */
void hvb_hot_add_end(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	if (!ha->active)
		return;

	ha->active = false;
	hvb_offline_watch(ha);
	hvb->stats.hot_add_added += ha->added;
	hvb->stats.hot_add_refused += ha->offered - ha->added;
	hvb_op_end(&hvb->record, HVB_OP_HOT_ADD, ha->added);
	if (ha->next < ha->end)
		dev_warn_ratelimited(hvb_device(hvb),
				     "added %llu MiB less than the host offered; it may offer no more\n",
				     hvb_pages_to_mib(ha->end - ha->next));
	hvb_hot_add_answer(hvb, ha->added, ha->added ? HVB_HOT_ADD_DONE :
						      HVB_HOT_ADD_TRANSIENT);
}

/**
 * hvb_hot_add_refuse() - add nothing of what the host offers
 * @hvb: the device
 * @pages: pages that it offers, for the books
 * @result: HVB_HOT_ADD_TRANSIENT, or HVB_HOT_ADD_DONE for "never ask again"
 *
 * Context: the pump; may sleep.
 */
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result)
{
	hvb->stats.hot_add_refused += pages;
	hvb_hot_add_answer(hvb, 0, result);
}

/* Return: whether the pages lie where this machine can have memory. */
static bool hvb_can_be_memory(const struct hvb_hot_add *ha, const struct hvb_range *range)
{
	const struct range pluggable = mhp_get_pluggable_range(true);
	const u64 first = hvb_block_of(ha, range->start);
	const u64 last = hvb_block_of(ha, range->start + range->count - 1) +
			 ha->regions.block_pages - 1;

	return PFN_PHYS(first) >= pluggable.start &&
	       PFN_PHYS(last) + PAGE_SIZE - 1 <= pluggable.end;
}

/**
 * hvb_hot_add_possible() - is memory added that the host offers
 * @hvb: the device
 *
 * Context: any.
 * Return: whether it is.
 */
bool hvb_hot_add_possible(const struct hvb_dev *hvb)
{
	return hvb->hot_add.usable && !hvb->hibernation && READ_ONCE(hvb_params.hot_add);
}

static bool hvb_in_region(const struct hvb_range *range, const struct hvb_range *region)
{
	if (!region->count)
		return true;
	return range->start >= region->start &&
	       range->start + range->count <= region->start + region->count;
}

/**
 * hvb_hot_add_begin() - the host offers memory
 * @hvb: the device; no hot-add operation runs
 * @msg: its request
 *
 * The region of the request, if there is one, says where later requests will
 * lie. Blocks are added as their pages come, so it needs no bookkeeping.
 *
 * Context: the pump; may sleep.
 */
void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	const struct hvb_range *range = &msg->hot_add.range;
	struct hvb_hot_add *ha = &hvb->hot_add;

	hvb->stats.hot_add_requests++;
	hvb->stats.hot_add_requested += range->count;
	if (hvb_refuses_all(hvb) || !hvb_hot_add_possible(hvb)) {
		hvb_hot_add_refuse(hvb, range->count, HVB_HOT_ADD_DONE);
		return;
	}

	if (hvb->state != HVB_RUNNING || !range->count ||
	    !hvb_in_region(range, &msg->hot_add.region) ||
	    !hvb_can_be_memory(ha, range)) {
		dev_warn_ratelimited(hvb_device(hvb),
				     "refused to add %u pages from page frame 0x%llx: no place for memory\n",
				     range->count, range->start);
		hvb_hot_add_refuse(hvb, range->count, HVB_HOT_ADD_TRANSIENT);
		return;
	}

	ha->next = range->start;
	ha->end = range->start + range->count;
	ha->offered = range->count;
	ha->added = 0;
	ha->short_of_memory = false;
	ha->waiting_for = HVB_NO_BLOCK;
	ha->not_before = jiffies;
	ha->active = true;
	hvb_op_begin(&hvb->record, HVB_OP_HOT_ADD, ha->offered);
}

/**
 * hvb_hot_add_run() - add the next block, or wait for what it needs
 * @hvb: the device
 *
 * Context: the pump; may sleep.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_hot_add_run(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	if (!ha->active)
		return hvb_offline_run(hvb);

	if (hvb_must_end(hvb)) {
		hvb_hot_add_end(hvb);
		return 0;
	}

	if (hvb_wait_online(ha) || time_before(jiffies, ha->not_before))
		return hvb_jiffies_until(ha->not_before);

	ret = hvb_hot_add_step(hvb);
	if (ret == -ENOMEM)
		return hvb_hot_add_park(hvb);

	ha->short_of_memory = false;
	if (ret)
		dev_err_ratelimited(hvb_device(hvb),
				    "cannot add the memory block of page frame 0x%llx (error %d)\n",
				    ha->next, ret);
	if (ret || ha->next == ha->end)
		hvb_hot_add_end(hvb);
	return 0;
}

static void hvb_remove_block(struct hvb_dev *hvb, u64 block)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	if (!hvb_block_online(ha, block) &&
	    remove_memory(PFN_PHYS(block), PFN_PHYS(ha->regions.block_pages)))
		dev_warn(hvb_device(hvb),
			 "cannot remove the offline memory block of page frame 0x%llx: do not online it, the host does not back it whole\n",
			 block);
}

/*
 * Blocks that are offline and have gaps must go: once we are gone, anybody
 * could online them whole. Gaps in blocks that are online keep their mark.
 */
static void hvb_remove_partial_blocks(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const struct hvb_extents *gaps = &ha->regions.gaps;
	u64 block, next = 0;
	unsigned int i;

	/* A block may have several gaps, and a gap lie in several blocks. */
	for (i = 0; i < gaps->nr; i++)
		for (block = max(next, hvb_block_of(ha, gaps->list[i].start));
		     block < gaps->list[i].end; block = next) {
			hvb_remove_block(hvb, block);
			next = block + ha->regions.block_pages;
		}
}

static int hvb_groups_init(struct hvb_hot_add *ha)
{
	int nid;

	ha->groups = kmalloc_array(nr_node_ids, sizeof(*ha->groups), GFP_KERNEL);
	if (!ha->groups)
		return -ENOMEM;

	for (nid = 0; nid < nr_node_ids; nid++)
		ha->groups[nid] = NUMA_NO_NODE;
	return 0;
}

/* A group that has memory outlives us with it. */
static void hvb_groups_exit(struct hvb_hot_add *ha)
{
	int nid;

	for (nid = 0; nid < nr_node_ids; nid++)
		if (ha->groups[nid] >= 0)
			memory_group_unregister(ha->groups[nid]);
	kfree(ha->groups);
}

/**
 * hvb_hot_add_init() - get ready for hot-add
 * @hvb: the device
 *
 * Context: process, may sleep.
 * Return: 0, -ENOMEM or the error of the memory notifier.
 */
int hvb_hot_add_init(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	spin_lock_init(&ha->lock);
	ha->regions.block_pages = PHYS_PFN(memory_block_size_bytes());
	ha->waiting_for = HVB_NO_BLOCK;
	ha->coming = HVB_NO_BLOCK;
	init_waitqueue_head(&ha->came);
	ret = hvb_groups_init(ha);
	if (ret)
		return ret;

	ret = hvb_online_init(hvb);
	if (ret)
		hvb_groups_exit(ha);
	return ret;
}

/**
 * hvb_hot_add_exit() - undo hvb_hot_add_init()
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep.
 */
void hvb_hot_add_exit(struct hvb_dev *hvb)
{
	hvb_remove_partial_blocks(hvb);
	hvb_online_exit(hvb);
	hvb_groups_exit(&hvb->hot_add);
	hvb_books_free(&hvb->hot_add.regions);
}
