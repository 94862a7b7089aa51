// SPDX-License-Identifier: GPL-2.0-only
/*
 * Onlining of hot-added memory: the kernel hands over its pages through the
 * online-page callback, under the hotplug lock: in the add work, where add_memory()
 * may online a block at once, or in a task that onlines it later.
 */
#include <linux/lockdep.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "compat.h"
#include "device.h"
#include "hotplug_map.h"
#include "online.h"

/*
 * The kernel has one online-page callback for all memory and gives it no context:
 * there can be one device. It owns the callback from before it is set until after
 * it is restored.
 */
static struct hvb_dev *hvb_online_owner;

/* Give pages to the allocator in the largest naturally aligned orders. */
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

/* The online-page callback. */
static void hvb_online_page(struct page *page, unsigned int order)
{
	struct hvb_hot_add *ha = &hvb_online_owner->hot_add;
	u64 pfn = page_to_pfn(page);
	const u64 end = pfn + (1ULL << order);

	while (pfn < end) {
		u64 stop = end;

		if (hvb_hotplug_map_mark(&ha->map, pfn, &stop))
			hvb_online_span(pfn, stop, order);
		pfn = stop;
	}
}

/**
 * hvb_online_marked() - online what is still marked as a gap
 * @hvb: the device
 * @pfn: first PFN, in a block that is online and stays so; the map has it as backed
 *	already
 * @end: end PFN, exclusive, at most a pageblock away
 *
 * Context: process, hvb->transfer_lock held; may sleep.
 */
void hvb_online_marked(struct hvb_dev *hvb, u64 pfn, u64 end)
{
	lockdep_assert_held(&hvb->transfer_lock);
	while (pfn < end) {
		const u64 stop = hvb_hotplug_map_unmark(&hvb->hot_add.map, &pfn, end);

		hvb_online_span(pfn, stop, pageblock_order);
		pfn = stop;
	}
}

/**
 * hvb_online_fill() - the host gives pages of blocks that were added before
 * @hvb: the device
 * @start: first PFN
 * @end: end PFN, exclusive
 * @filled: increased by the pages that were a gap
 *
 * Works pageblock by pageblock, which makes at most one more extent. If a block is not
 * online its pages are not initialised yet: the callback will online them. If it is
 * going offline they must not change: see offline.c.
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: 0, or -ENOMEM if nothing was filled.
 */
int hvb_online_fill(struct hvb_dev *hvb, u64 start, u64 end, u32 *filled)
{
	const int ret = hvb_hotplug_map_make_room(hvb, HVB_FILL_EXTENTS);

	lockdep_assert_held(&hvb->transfer_lock);
	while (!ret && start < end) {
		u64 stop = min(end, round_down(start, pageblock_nr_pages) + pageblock_nr_pages);
		bool online;
		u32 pages;

		pages = hvb_hotplug_map_fill(hvb, start, &stop, &online);
		if (pages && online)
			hvb_online_marked(hvb, start, stop);
		*filled += pages;
		start = stop;
		cond_resched();
	}
	return ret;
}

/**
 * hvb_online_return() - the host returns memory of a block that went offline
 * @hvb: the device
 * @start: first PFN; see hvb_hotplug_map_ballooned_end()
 * @end: end PFN, exclusive
 *
 * Context: the pump, hvb->transfer_lock held; may sleep.
 * Return: 0, or -ENOMEM if nothing has changed.
 */
int hvb_online_return(struct hvb_dev *hvb, u64 start, u64 end)
{
	u32 filled = 0;
	int ret;

	lockdep_assert_held(&hvb->transfer_lock);
	ret = hvb_hotplug_map_make_room(hvb, HVB_RETURN_EXTENTS);
	if (ret)
		return ret;

	hvb_hotplug_map_return(hvb, start, end);
	/* Its room was reserved above. */
	return hvb_online_fill(hvb, start, end, &filled);
}

/**
 * hvb_online_claim() - become the owner of the online-page callback
 * @hvb: the device
 *
 * Context: process.
 * Return: 0, or -EBUSY if there is another device.
 */
int hvb_online_claim(struct hvb_dev *hvb)
{
	if (!cmpxchg(&hvb_online_owner, NULL, hvb))
		return 0;

	dev_err(hvb_device(hvb), "another Dynamic Memory device is in use: this one stays off\n");
	return -EBUSY;
}

/**
 * hvb_online_disclaim() - undo hvb_online_claim()
 *
 * Context: process; the callback is restored.
 */
void hvb_online_disclaim(void)
{
	WRITE_ONCE(hvb_online_owner, NULL);
}

/**
 * hvb_online_init() - take part in the onlining of memory
 * @hvb: the device, which owns the callback; its hotplug map is ready
 *
 * If another driver has the online-page callback, this one works without hot-add.
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 */
void hvb_online_init(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	ha->usable = HVB_CAN_HOT_ADD && !set_online_page_callback(hvb_online_page);
	if (HVB_CAN_HOT_ADD && !ha->usable)
		dev_warn(hvb_device(hvb),
			 "no hot-add: another driver has the online-page callback\n");
}

/**
 * hvb_wait_for_hotplug() - wait for memory hotplug in progress
 *
 * The kernel takes its hotplug lock to set the callback, which is set already. It
 * offers modules no other way to wait for that lock.
 *
 * Context: process, may sleep; hot-add is usable.
 */
void hvb_wait_for_hotplug(void)
{
	set_online_page_callback(hvb_online_page);
}

/**
 * hvb_online_exit() - undo hvb_online_init()
 * @hvb: the device
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 */
void hvb_online_exit(struct hvb_dev *hvb)
{
	if (hvb->hot_add.usable)
		restore_online_page_callback(hvb_online_page);
}
