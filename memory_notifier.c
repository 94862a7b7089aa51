// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory notifier: memory blocks that go online and offline.
 *
 * The notifier runs under the hotplug lock, in the task that onlines or offlines a
 * block: one block at a time.
 */
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>

#include "device.h"
#include "hotplug_map.h"
#include "memory_block.h"
#include "memory_notifier.h"
#include "offline.h"
#include "online.h"
#include "pending.h"

/* Hot-added memory that is offline for longer is logged. */
#define HVB_OFFLINE_LOG_DELAY	(10 * HZ)

/*
 * A block with a gap must not come online without the online-page callback, which
 * withholds the gap. So onlining such a block fails while the driver ends.
 */
static int hvb_going_online(struct hvb_hot_add *ha, const struct memory_notify *memory)
{
	const u64 block = hvb_memory_block_of(&ha->map, memory->start_pfn);

	if (READ_ONCE(ha->closing) && hvb_hotplug_map_is_partial(&ha->map, block))
		return -EBUSY;

	hvb_hotplug_map_set_online(&ha->map, memory->start_pfn, memory->nr_pages, true);
	return 0;
}

static void hvb_onlined(struct hvb_dev *hvb, const struct memory_notify *memory)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	const u64 block = hvb_memory_block_of(&ha->map, memory->start_pfn);

	/* Again: a probe may have adopted the block after MEM_GOING_ONLINE. */
	hvb_hotplug_map_set_online(&ha->map, memory->start_pfn, memory->nr_pages, true);
	/* How another driver's memory is onlined says nothing of the driver's own. */
	if (hvb_hotplug_map_is_hot_added(&ha->map, block)) {
		WRITE_ONCE(ha->onlined_movable,
			   is_zone_movable_page(pfn_to_page(memory->start_pfn)));
		WRITE_ONCE(ha->no_onlining, false);
	}
	hvb_pending_done(&ha->pending, block);
	hvb_memory_arrived(hvb, memory->nr_pages);
}

/* Tracks which blocks are online, and detaches pages of those that go offline. */
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
		hvb_hotplug_map_set_online(&ha->map, memory->start_pfn, memory->nr_pages, false);
		break;
	case MEM_ONLINE:
		hvb_onlined(hvb, memory);
		break;
	case MEM_GOING_OFFLINE:
		ret = hvb_offline_begin(hvb, memory->start_pfn, memory->nr_pages);
		break;
	case MEM_CANCEL_OFFLINE:
		hvb_offline_cancel(hvb);
		break;
	case MEM_OFFLINE:
		hvb_offline_end(hvb, memory->start_pfn, memory->nr_pages);
		break;
	}

	hvb_kick(hvb, 0);
	return notifier_from_errno(ret);
}

/**
 * hvb_memory_notifier_init() - take part in the onlining and offlining of memory
 * @hvb: the device; its hotplug map is ready
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 * Return: 0, the error of the memory notifier, or -EBUSY if there is another device.
 */
int hvb_memory_notifier_init(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	int ret;

	ret = hvb_online_claim(hvb);
	if (ret)
		return ret;

	ha->memory_nb.notifier_call = hvb_memory_event;
	ret = register_memory_notifier(&ha->memory_nb);
	if (ret)
		hvb_online_disclaim();
	else
		hvb_online_init(hvb);
	return ret;
}

/**
 * hvb_memory_notifier_exit() - undo hvb_memory_notifier_init(), remove partial blocks
 * @hvb: the device
 *
 * A block that is going offline may have ballooned pages, and become partial:
 * restoring the callback waits for the end of that. So partial blocks are removed
 * afterwards; until then the notifier lets none of them come online.
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 */
void hvb_memory_notifier_exit(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;

	hvb_wait_begin(hvb, "memory hotplug in progress");
	WRITE_ONCE(ha->closing, true);
	hvb_online_exit(hvb);
	hvb_memory_block_remove_partial(hvb);
	unregister_memory_notifier(&ha->memory_nb);
	hvb_wait_end(hvb);
	hvb_online_disclaim();
}

/**
 * hvb_offline_watch() - memory was added: check later whether it is online
 * @ha: the hot-added memory
 *
 * Context: the pump.
 */
void hvb_offline_watch(struct hvb_hot_add *ha)
{
	ha->offline.armed = true;
	ha->offline.check = jiffies + HVB_OFFLINE_LOG_DELAY;
}

/**
 * hvb_check_offline() - check for hot-added memory that stays offline, when due
 * @hvb: the device
 *
 * The guest cannot use such memory, and the protocol cannot report it to the host.
 *
 * Context: the pump.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_check_offline(struct hvb_dev *hvb)
{
	struct hvb_offline_watch *watch = &hvb->hot_add.offline;
	u64 backed, online;

	if (!watch->armed)
		return HVB_NEVER;
	if (time_before(jiffies, watch->check))
		return hvb_jiffies_until(watch->check);

	watch->armed = false;
	hvb_hotplug_map_totals(hvb, &backed, &online);
	if (backed == online) {
		watch->logged = false;
	} else if (!watch->logged) {
		watch->logged = true;
		dev_warn(hvb_device(hvb),
			 "%llu MiB of hot-added memory stay offline and unused\n",
			 hvb_pages_to_mib(backed - online));
	}
	return HVB_NEVER;
}
