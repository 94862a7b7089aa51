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
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "hv_balloon.h"
#include "mark.h"

#define HVB_RESOURCE_NAME	"System RAM (hv_balloon)"

#define HVB_NO_BLOCK		U64_MAX

/* How long to wait for a block to be onlined before the next one is added. */
#define HVB_ONLINE_WAIT		HZ

/* A shortage of memory: try again so often, give up after so long. */
#define HVB_RETRY_INTERVAL	HZ
#define HVB_RETRY_LIMIT		(60 * HZ)

/* Blocks that are offline for so long will stay so: tell the administrator. */
#define HVB_OFFLINE_PATIENCE	(10 * HZ)

/*
 * The kernel has one online-page callback for all memory and gives it no
 * context; set_online_page_callback() sees to it that there is one owner.
 */
static struct hvb_dev *hvb_online_owner;

static inline u64 hvb_block_of(const struct hvb_hot_add *ha, u64 pfn)
{
	return round_down(pfn, ha->regions.block_pages);
}

/*
 * Make room for @cap extents. Each set has one place that makes it grow: the
 * pump. Return: 0 or -ENOMEM.
 */
static int hvb_extents_reserve(struct hvb_hot_add *ha, struct hvb_extents *set,
			       unsigned int cap)
{
	struct hvb_extent *list, *old;

	if (cap <= set->cap)
		return 0;

	cap = max(cap, 2 * set->cap);
	list = kvmalloc_array(cap, sizeof(*list), GFP_KERNEL | __GFP_NOWARN);
	if (!list)
		return -ENOMEM;

	spin_lock(&ha->lock);
	old = set->list;
	if (set->nr)
		memcpy(list, old, set->nr * sizeof(*list));
	set->list = list;
	set->cap = cap;
	spin_unlock(&ha->lock);
	kvfree(old);
	return 0;
}

/*
 * Make room for one more block and two more gaps. Blocks go online and offline
 * in any order, so @online may need an extent for each: then the memory
 * notifier never has to allocate.
 */
static int hvb_regions_reserve(struct hvb_hot_add *ha)
{
	struct hvb_regions *regions = &ha->regions;
	const u64 blocks = hvb_extents_pages(&regions->added) / regions->block_pages;

	return hvb_extents_reserve(ha, &regions->added, regions->added.nr + 2) ?:
	       hvb_extents_reserve(ha, &regions->gaps, regions->gaps.nr + 2) ?:
	       hvb_extents_reserve(ha, &regions->online, blocks + 2);
}

/* Give pages to the allocator in blocks as large as they lie. */
static void hvb_online_run(u64 pfn, u64 end, unsigned int highest_order)
{
	while (pfn < end) {
		const unsigned int order = min_t(unsigned int, highest_order,
						 min(__ffs64(pfn | BIT_ULL(63)),
						     (unsigned long)ilog2(end - pfn)));
		struct page *page = pfn_to_page(pfn);
		unsigned long i;

		for (i = 0; i < 1UL << order; i++)
			hvb_compat_before_online(page + i);
		generic_online_page(page, order);
		pfn += 1ULL << order;
	}
}

static void hvb_mark_gap(u64 pfn, u64 end)
{
	const unsigned long mark = hvb_mark_value(HVB_MARK_GAP, false, 0);

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		set_page_private(page, mark);
		if (!PageOffline(page))
			__SetPageOffline(page);
	}
}

/*
 * What to do with the pages from @pfn on. Gaps are marked before the lock is
 * released: whoever fills a gap finds either no gap in the books yet, or marks
 * in the pages.
 */
static enum hvb_backing hvb_claim_run(struct hvb_hot_add *ha, u64 pfn, u64 *end)
{
	enum hvb_backing backing;

	spin_lock(&ha->lock);
	backing = hvb_regions_run(&ha->regions, pfn, end);
	if (backing == HVB_GAP)
		hvb_mark_gap(pfn, *end);
	spin_unlock(&ha->lock);
	return backing;
}

/* Called by the kernel for each piece of a block that is being onlined. */
static void hvb_online_page(struct page *page, unsigned int order)
{
	struct hvb_hot_add *ha = &hvb_online_owner->hot_add;
	u64 pfn = page_to_pfn(page);
	const u64 end = pfn + (1ULL << order);

	while (pfn < end) {
		u64 run_end = end;

		/* Memory of other drivers is onlined as if we were not here. */
		if (hvb_claim_run(ha, pfn, &run_end) != HVB_GAP)
			hvb_online_run(pfn, run_end, order);
		pfn = run_end;
	}
}

/*
 * Find the first run of pages from *@pfn on that were onlined as a gap, and
 * take the marks off. Return: the end of the run, *@pfn its start.
 */
static u64 hvb_unmark_run(u64 *pfn, u64 end)
{
	u64 stop;

	while (*pfn < end && !hvb_mark_is(pfn_to_page(*pfn), HVB_MARK_GAP))
		++*pfn;
	for (stop = *pfn; stop < end; stop++) {
		struct page *page = pfn_to_page(stop);

		if (!hvb_mark_is(page, HVB_MARK_GAP))
			break;
		set_page_private(page, 0);
	}
	return stop;
}

/* Online what the callback left marked; the books have it as backed already. */
static void hvb_online_filled(struct hvb_hot_add *ha, u64 pfn, u64 end)
{
	while (pfn < end) {
		u64 stop;

		spin_lock(&ha->lock);
		stop = hvb_unmark_run(&pfn, end);
		spin_unlock(&ha->lock);
		hvb_online_run(pfn, stop, pageblock_order);
		pfn = stop;
	}
}

/*
 * The host gives pages of a block that was added before. If the block is not
 * online, its pages are not initialised: they will come through the callback.
 * Return: pages that were a gap.
 */
static u32 hvb_fill_piece(struct hvb_hot_add *ha, u64 start, u64 end)
{
	u64 run_end = end;
	bool online;
	u32 filled;

	spin_lock(&ha->lock);
	filled = hvb_extents_remove(&ha->regions.gaps, start, end);
	online = hvb_extents_run(&ha->regions.online, start, &run_end);
	spin_unlock(&ha->lock);

	if (online)
		hvb_online_filled(ha, start, end);
	return filled;
}

/* In pieces, as the marks of a piece are read under the lock. */
static int hvb_fill(struct hvb_hot_add *ha, u64 start, u64 end)
{
	int ret = hvb_regions_reserve(ha);

	if (ret)
		return ret;

	while (start < end) {
		const u64 stop = min(end, round_down(start, pageblock_nr_pages) +
					  pageblock_nr_pages);

		ha->added += hvb_fill_piece(ha, start, stop);
		start = stop;
		cond_resched();
	}
	return 0;
}

static int hvb_add_memory(const struct hvb_hot_add *ha, u64 block, bool whole)
{
	const u64 size = PFN_PHYS(ha->regions.block_pages);
	const u64 start = PFN_PHYS(block);
	const int nid = memory_add_physaddr_to_nid(start);
	unsigned int reserves;
	int ret;

	/*
	 * The block brings far more memory than its memory map costs: let the
	 * map come from the reserves. A map on the new memory itself (a boot
	 * option of the kernel) sits at the start of the block, so that must
	 * not be a gap.
	 */
	reserves = memalloc_noreclaim_save();
	if (whole)
		ret = add_memory(nid, start, size,
				 MHP_MERGE_RESOURCE | MHP_MEMMAP_ON_MEMORY);
	else
		ret = add_memory_driver_managed(nid, start, size, HVB_RESOURCE_NAME,
						MHP_MERGE_RESOURCE);
	memalloc_noreclaim_restore(reserves);
	return ret;
}

/* The books first: the block may be onlined before add_memory() returns. */
static int hvb_add_block(struct hvb_hot_add *ha, u64 start, u64 end)
{
	const u64 block = hvb_block_of(ha, start);
	const bool whole = end - start == ha->regions.block_pages;
	int ret;

	ret = hvb_regions_reserve(ha);
	if (ret)
		return ret;

	spin_lock(&ha->lock);
	hvb_regions_add_block(&ha->regions, block, start, end);
	spin_unlock(&ha->lock);

	ret = hvb_add_memory(ha, block, whole);
	if (ret) {
		spin_lock(&ha->lock);
		hvb_regions_drop_block(&ha->regions, block);
		spin_unlock(&ha->lock);
		return ret;
	}

	ha->added += end - start;
	ha->waiting_for = block;
	ha->not_before = jiffies + HVB_ONLINE_WAIT;
	return 0;
}

static bool hvb_block_online(struct hvb_hot_add *ha, u64 block)
{
	u64 end = block + 1;
	bool online;

	spin_lock(&ha->lock);
	online = hvb_extents_run(&ha->regions.online, block, &end);
	spin_unlock(&ha->lock);
	return online;
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
static int hvb_hot_add_step(struct hvb_hot_add *ha)
{
	const u64 start = ha->next;
	const u64 end = min(ha->end, hvb_block_of(ha, start) + ha->regions.block_pages);
	int ret;

	if (hvb_regions_has(&ha->regions, start))
		ret = hvb_fill(ha, start, end);
	else
		ret = hvb_add_block(ha, start, end);
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

	hvb_send(hvb, &response, hvb_encode_hot_add(&response, hvb_next_id(hvb),
						    pages, result));
}

/**
 * hvb_hot_add_totals() - how much was hot-added
 * @hvb: the device
 * @backed: set to the pages that the host gave
 * @online: set to the pages among them that are online
 *
 * Context: process.
 */
void hvb_hot_add_totals(struct hvb_dev *hvb, u64 *backed, u64 *online)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	spin_lock(&ha->lock);
	*backed = hvb_regions_backed(&ha->regions);
	*online = hvb_regions_backed_online(&ha->regions);
	spin_unlock(&ha->lock);
}

/* Memory that nobody onlines is lost to the guest, and the host does not know. */
static unsigned long hvb_check_offline(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	u64 backed, online;

	if (!ha->check_armed)
		return HVB_NEVER;
	if (time_before(jiffies, ha->check_offline))
		return ha->check_offline - jiffies;

	ha->check_armed = false;
	hvb_hot_add_totals(hvb, &backed, &online);
	if (backed == online) {
		ha->offline_warned = false;
	} else if (!ha->offline_warned) {
		ha->offline_warned = true;
		dev_warn(hvb_device(hvb),
			 "%llu MiB of hot-added memory stay offline, so the guest cannot use them: install the udev rule of hv_balloon, or run: echo online > /sys/devices/system/memory/auto_online_blocks, then write online to the state file of each offline block in that directory\n",
			 hvb_pages_to_mib(backed - online));
	}
	return HVB_NEVER;
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
	ha->check_armed = true;
	ha->check_offline = jiffies + HVB_OFFLINE_PATIENCE;
	hvb->stats.hot_add_added += ha->added;
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
 * @result: HVB_HOT_ADD_TRANSIENT, or HVB_HOT_ADD_DONE for "never ask again"
 *
 * Context: the pump; may sleep.
 */
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 result)
{
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
	if (!ha->usable || hvb->hibernation || !READ_ONCE(hvb_params.hot_add)) {
		hvb_hot_add_refuse(hvb, HVB_HOT_ADD_DONE);
		return;
	}

	if (hvb->state != HVB_RUNNING || !range->count ||
	    !hvb_in_region(range, &msg->hot_add.region) ||
	    !hvb_can_be_memory(ha, range)) {
		dev_warn_ratelimited(hvb_device(hvb),
				     "refused to add %u pages from page frame 0x%llx: no place for memory\n",
				     range->count, range->start);
		hvb_hot_add_refuse(hvb, HVB_HOT_ADD_TRANSIENT);
		return;
	}

	ha->next = range->start;
	ha->end = range->start + range->count;
	ha->added = 0;
	ha->short_of_memory = false;
	ha->waiting_for = HVB_NO_BLOCK;
	ha->not_before = jiffies;
	ha->active = true;
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
		return hvb_check_offline(hvb);

	if (hvb_must_end(hvb)) {
		hvb_hot_add_end(hvb);
		return 0;
	}

	if (hvb_wait_online(ha) || time_before(jiffies, ha->not_before))
		return max(ha->not_before - jiffies, 1UL);

	ret = hvb_hot_add_step(ha);
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

/*
 * Keeps track of which blocks are online. Runs under the hotplug lock, in the
 * pump (add_memory() may online) or in the task that onlines a block.
 */
static int hvb_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, hot_add.memory_nb);
	struct hvb_hot_add *ha = &hvb->hot_add;
	const struct memory_notify *memory = arg;
	const u64 end = memory->start_pfn + memory->nr_pages;
	/* A memory map that lies on the block itself is not in the range. */
	const u64 start = hvb_block_of(ha, memory->start_pfn);

	spin_lock(&ha->lock);
	if (hvb_regions_has(&ha->regions, start)) {
		if (event == MEM_GOING_ONLINE)
			hvb_extents_add(&ha->regions.online, start, end);
		else if (event == MEM_OFFLINE || event == MEM_CANCEL_ONLINE)
			hvb_extents_remove(&ha->regions.online, start, end);
	}
	spin_unlock(&ha->lock);

	if (event == MEM_ONLINE) {
		WRITE_ONCE(ha->nobody_onlines, false);
		hvb_kick(hvb, 0);
	}
	return NOTIFY_OK;
}

/**
 * hvb_hot_add_adopt() - take over a gap that an earlier load left
 * @hvb: the device; its channel is closed
 * @start: first page frame of the gap; its block is online
 * @end: first page frame behind it
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_hot_add_adopt(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	u64 block;
	int ret;

	for (block = hvb_block_of(ha, start); block < end; block += ha->regions.block_pages) {
		const u64 block_end = block + ha->regions.block_pages;

		ret = hvb_regions_reserve(ha);
		if (ret)
			return ret;

		spin_lock(&ha->lock);
		hvb_extents_add(&ha->regions.added, block, block_end);
		hvb_extents_add(&ha->regions.online, block, block_end);
		hvb_extents_add(&ha->regions.gaps, max(start, block), min(end, block_end));
		spin_unlock(&ha->lock);
	}
	return 0;
}

/*
 * Blocks that are offline and have gaps must go: once we are gone, anybody
 * could online them whole. Gaps in blocks that are online keep their mark.
 */
static void hvb_remove_partial_blocks(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 pages = ha->regions.block_pages;
	unsigned int i;
	u64 block;

	for (i = 0; i < ha->regions.added.nr; i++)
		for (block = ha->regions.added.list[i].start;
		     block < ha->regions.added.list[i].end; block += pages) {
			if (!hvb_regions_is_partial(&ha->regions, block) ||
			    hvb_block_online(ha, block))
				continue;
			if (remove_memory(PFN_PHYS(block), PFN_PHYS(pages)))
				dev_warn(hvb_device(hvb),
					 "cannot remove the offline memory block of page frame 0x%llx: do not online it, the host does not back it whole\n",
					 block);
		}
}

static void hvb_regions_free(struct hvb_regions *regions)
{
	kvfree(regions->added.list);
	kvfree(regions->gaps.list);
	kvfree(regions->online.list);
}

/**
 * hvb_hot_add_init() - get ready for hot-add
 * @hvb: the device
 *
 * Where the kernel has given the online-page callback to somebody else, the
 * driver works without hot-add.
 *
 * Context: process, may sleep.
 * Return: 0 or the error of the memory notifier.
 */
int hvb_hot_add_init(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	spin_lock_init(&ha->lock);
	ha->regions.block_pages = PHYS_PFN(memory_block_size_bytes());
	ha->waiting_for = HVB_NO_BLOCK;

	ha->memory_nb.notifier_call = hvb_memory_event;
	ret = register_memory_notifier(&ha->memory_nb);
	if (ret)
		return ret;

	if (!HVB_CAN_HOT_ADD)
		return 0;

	hvb_online_owner = hvb;
	ret = set_online_page_callback(hvb_online_page);
	if (ret)
		dev_warn(hvb_device(hvb),
			 "no hot-add: another driver decides how memory is onlined\n");
	ha->usable = !ret;
	return 0;
}

/**
 * hvb_hot_add_exit() - undo hvb_hot_add_init()
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep.
 */
void hvb_hot_add_exit(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	hvb_remove_partial_blocks(hvb);
	if (ha->usable)
		restore_online_page_callback(hvb_online_page);
	unregister_memory_notifier(&ha->memory_nb);
	hvb_regions_free(&ha->regions);
}
