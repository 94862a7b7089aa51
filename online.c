// SPDX-License-Identifier: GPL-2.0-only
/*
 * Onlining of hot-added memory: the kernel asks page by page, through the
 * online-page callback, and tells block by block, through the memory notifier.
 *
 * Both run under the kernel's hotplug lock, in the pump, where add_memory()
 * may online a block at once, or in the task that does so later.
 */
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "compat.h"
#include "hv_balloon.h"
#include "mark.h"

/* Blocks that are offline for so long will stay so: tell the administrator. */
#define HVB_OFFLINE_PATIENCE	(10 * HZ)

/*
 * The kernel has one online-page callback for all memory and gives it no context:
 * there can be one device. It owns the callback from before it is set until after
 * it is restored.
 */
static struct hvb_dev *hvb_online_owner;

/* Give pages to the allocator in blocks as large as they lie. */
static void hvb_online_span(u64 pfn, u64 end, unsigned int highest_order)
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

static void hvb_mark_gap(enum hvb_mark_kind kind, u64 pfn, u64 end)
{
	const unsigned long mark = hvb_mark_value(kind, false, 0);

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		set_page_private(page, mark);
		hvb_compat_keep_offline(page);
	}
}

/*
 * What to do with the pages from @pfn on. Gaps are marked before the lock is
 * released: whoever fills a gap finds either no gap in the books yet, or marks
 * in the pages. Return: whether the kernel may have them.
 */
static bool hvb_claim_span(struct hvb_hot_add *ha, u64 pfn, u64 *end)
{
	enum hvb_backing backing;

	spin_lock(&ha->lock);
	backing = hvb_regions_span(&ha->regions, pfn, end);
	if (backing == HVB_GAP)
		hvb_mark_gap(HVB_MARK_GAP, pfn, *end);
	else if (backing == HVB_BALLOONED_OFFLINE)
		hvb_mark_gap(HVB_MARK_BALLOONED_OFFLINE, pfn, *end);
	spin_unlock(&ha->lock);
	/* Memory of other drivers is onlined as if we were not here. */
	return hvb_is_usable(backing);
}

/* Called by the kernel for each piece of a block that is being onlined. */
static void hvb_online_page(struct page *page, unsigned int order)
{
	struct hvb_hot_add *ha = &hvb_online_owner->hot_add;
	u64 pfn = page_to_pfn(page);
	const u64 end = pfn + (1ULL << order);

	while (pfn < end) {
		u64 run_end = end;

		if (hvb_claim_span(ha, pfn, &run_end))
			hvb_online_span(pfn, run_end, order);
		pfn = run_end;
	}
}

/*
 * Find the first run of pages from *@pfn on that are marked as a gap, and take
 * the marks off. Return: the end of the run, *@pfn its start.
 */
static u64 hvb_unmark_span(u64 *pfn, u64 end)
{
	u64 stop;

	while (*pfn < end && !hvb_mark_is_gap(pfn_to_page(*pfn)))
		++*pfn;
	for (stop = *pfn; stop < end; stop++) {
		struct page *page = pfn_to_page(stop);

		if (!hvb_mark_is_gap(page))
			break;
		set_page_private(page, 0);
	}
	return stop;
}

/**
 * hvb_online_filled() - online what is still marked as a gap
 * @ha: the hot-added memory
 * @pfn: first PFN, in a block that is online and stays so; the books
 *	have it as backed already
 * @end: end PFN, exclusive, so near that their marks can be read under
 *	a lock
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 */
void hvb_online_filled(struct hvb_hot_add *ha, u64 pfn, u64 end)
{
	while (pfn < end) {
		u64 stop;

		spin_lock(&ha->lock);
		stop = hvb_unmark_span(&pfn, end);
		spin_unlock(&ha->lock);
		hvb_online_span(pfn, stop, pageblock_order);
		pfn = stop;
	}
}

/**
 * hvb_online_fill() - the host gives pages of a block that was added before
 * @ha: the hot-added memory; the books have room for one more gap
 * @start: first PFN
 * @end: in: end PFN, exclusive, so near that their marks can be read
 *	under a lock; out: lowered to where the pages are of another kind
 *
 * If the block is not online, its pages are not initialised yet: they will come
 * through the callback. If it is about to go offline they must not change
 * either: see offline.c.
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: pages that were a gap; what the host has taken back is none.
 */
u32 hvb_online_fill(struct hvb_hot_add *ha, u64 start, u64 *end)
{
	bool gap, online;
	u64 behind;

	spin_lock(&ha->lock);
	gap = hvb_regions_span(&ha->regions, start, end) == HVB_GAP;
	behind = *end;
	if (gap)
		hvb_extents_remove(&ha->regions.gaps, start, *end);
	online = hvb_extents_span(&ha->regions.online, start, &behind) &&
		 !hvb_is_going_offline(ha, start);
	spin_unlock(&ha->lock);

	if (gap && online)
		hvb_online_filled(ha, start, *end);
	return gap ? *end - start : 0;
}

/**
 * hvb_ballooned_span() - what the host has of blocks that went offline once
 * @ha: the hot-added memory
 * @pfn: a PFN
 * @end: where to stop looking, above @pfn
 *
 * Context: process.
 * Return: the end PFN, exclusive run, 0 if @pfn is not in one.
 */
u64 hvb_ballooned_span(struct hvb_hot_add *ha, u64 pfn, u64 end)
{
	bool taken;

	spin_lock(&ha->lock);
	taken = hvb_regions_span(&ha->regions, pfn, &end) == HVB_BALLOONED_OFFLINE;
	spin_unlock(&ha->lock);
	return taken ? end : 0;
}

/**
 * hvb_block_online() - is a block online, or on its way there
 * @ha: the hot-added memory
 * @block: first PFN of the block
 *
 * Context: process.
 * Return: whether it is.
 */
bool hvb_block_online(struct hvb_hot_add *ha, u64 block)
{
	u64 end = block + 1;
	bool online;

	spin_lock(&ha->lock);
	online = hvb_extents_span(&ha->regions.online, block, &end);
	spin_unlock(&ha->lock);
	return online;
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
	*online = *backed - hvb_regions_offline(&ha->regions);
	spin_unlock(&ha->lock);
}

/**
 * hvb_offline_watch() - memory was added: see later whether it came online
 * @ha: the hot-added memory
 *
 * Context: the pump.
 */
void hvb_offline_watch(struct hvb_hot_add *ha)
{
	ha->check_armed = true;
	ha->check_offline = jiffies + HVB_OFFLINE_PATIENCE;
}

/**
 * hvb_check_offline() - look for blocks that stayed offline, if it is time
 * @hvb: the device
 *
 * Memory that nobody onlines is lost to the guest, and the host does not know.
 *
 * Context: the pump.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_check_offline(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	u64 backed, online;

	if (!ha->check_armed)
		return HVB_NEVER;
	if (time_before(jiffies, ha->check_offline))
		return hvb_jiffies_until(ha->check_offline);

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

/* Only such blocks are in the books that we added, or that have a gap. */
static void hvb_note_online(struct hvb_hot_add *ha, const struct memory_notify *memory,
			    bool online)
{
	const u64 end = memory->start_pfn + memory->nr_pages;
	/* A memory map that lies on the block itself is not in the range. */
	const u64 start = hvb_block_of(ha, memory->start_pfn);

	spin_lock(&ha->lock);
	if (!online)
		hvb_extents_remove(&ha->regions.online, start, end);
	else if (hvb_regions_know(&ha->regions, start))
		hvb_extents_add(&ha->regions.online, start, end);
	spin_unlock(&ha->lock);
}

/*
 * A block with a gap must not come online without our callback, which nobody could
 * keep out of the gap. So none may while the driver ends.
 */
static int hvb_going_online(struct hvb_hot_add *ha, const struct memory_notify *memory)
{
	const u64 block = hvb_block_of(ha, memory->start_pfn);
	bool partial;

	spin_lock(&ha->lock);
	partial = hvb_regions_is_partial(&ha->regions, block);
	spin_unlock(&ha->lock);
	if (partial && READ_ONCE(ha->closing))
		return -EBUSY;

	hvb_note_online(ha, memory, true);
	return 0;
}

static void hvb_came_online(struct hvb_hot_add *ha, const struct memory_notify *memory)
{
	const u64 block = hvb_block_of(ha, memory->start_pfn);

	WRITE_ONCE(ha->comes_movable, is_zone_movable_page(pfn_to_page(memory->start_pfn)));
	WRITE_ONCE(ha->nobody_onlines, false);
	hvb_pending_block_done(ha, block);
}

/* Keeps track of which blocks are online, and lets go of those that leave. */
static int hvb_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, hot_add.memory_nb);
	struct hvb_hot_add *ha = &hvb->hot_add;
	const struct memory_notify *memory = arg;
	int ret = 0;

	switch (event) {
	case MEM_GOING_ONLINE:
		ret = hvb_going_online(ha, memory);
		break;
	case MEM_CANCEL_ONLINE:
		hvb_note_online(ha, memory, false);
		break;
	case MEM_ONLINE:
		hvb_came_online(ha, memory);
		break;
	case MEM_GOING_OFFLINE:
		ret = hvb_offline_begin(hvb, memory->start_pfn, memory->nr_pages);
		break;
	case MEM_CANCEL_OFFLINE:
		hvb_offline_cancel(hvb);
		break;
	case MEM_OFFLINE:
		hvb_note_online(ha, memory, false);
		hvb_offline_end(hvb);
		break;
	}

	hvb_kick(hvb, 0);
	return notifier_from_errno(ret);
}

/**
 * hvb_online_init() - take part in the onlining of memory
 * @hvb: the device; its books of hot-added memory are ready
 *
 * Where the kernel has given the online-page callback to somebody else, the
 * driver works without hot-add.
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 * Return: 0, the error of the memory notifier, or -EBUSY if there is another device.
 */
int hvb_online_init(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	if (cmpxchg(&hvb_online_owner, NULL, hvb)) {
		dev_err(hvb_device(hvb), "another Dynamic Memory device is in use: this one stays off\n");
		return -EBUSY;
	}

	ha->memory_nb.notifier_call = hvb_memory_event;
	ret = register_memory_notifier(&ha->memory_nb);
	if (ret) {
		WRITE_ONCE(hvb_online_owner, NULL);
		return ret;
	}

	ha->usable = HVB_CAN_HOT_ADD && !set_online_page_callback(hvb_online_page);
	if (HVB_CAN_HOT_ADD && !ha->usable)
		dev_warn(hvb_device(hvb),
			 "no hot-add: another driver decides how memory is onlined\n");
	return 0;
}

/**
 * hvb_online_exit() - undo hvb_online_init(), and remove what it alone can guard
 * @hvb: the device
 *
 * A block may be on its way offline, and the host have a part of it: to give the
 * callback back the kernel waits for the end of that. So partial blocks are removed
 * after it, and the notifier lets none of them come online until then.
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 */
void hvb_online_exit(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	hvb_wait_begin(hvb, "memory hotplug in progress");
	WRITE_ONCE(ha->closing, true);
	if (ha->usable)
		restore_online_page_callback(hvb_online_page);
	hvb_remove_partial_blocks(hvb);
	unregister_memory_notifier(&ha->memory_nb);
	hvb_wait_end(hvb);
	WRITE_ONCE(hvb_online_owner, NULL);
}
