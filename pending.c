// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pending memory block: added, not yet online. Its memory map may come from the
 * reserves, which the block exceeds many times once it is online. A task that hits OOM
 * before that waits for the block, so that no program is killed in between.
 */
#include <linux/jiffies.h>

#include "device.h"
#include "hot_add.h"
#include "hotplug_map.h"
#include "pending.h"
#include "zones.h"

/* Limit of the wait for one block, from the first task that waits. */
#define HVB_PENDING_WAIT	HZ

/**
 * hvb_pending_init() - no block is pending
 * @pending: the pending block
 *
 * Context: process.
 */
void hvb_pending_init(struct hvb_pending *pending)
{
	spin_lock_init(&pending->lock);
	init_waitqueue_head(&pending->changed);
	pending->block = HVB_NO_BLOCK;
}

/**
 * hvb_pending_begin() - a block will be added
 * @pending: the pending block
 * @block: its first PFN, HVB_NO_BLOCK if it will not come online
 *
 * Context: the pump.
 */
void hvb_pending_begin(struct hvb_pending *pending, u64 block)
{
	spin_lock(&pending->lock);
	pending->block = block;
	pending->end = 0;
	spin_unlock(&pending->lock);
}

/**
 * hvb_pending_done() - a block is online, or no longer waited for
 * @pending: the pending block
 * @block: its first PFN
 *
 * Context: process.
 */
void hvb_pending_done(struct hvb_pending *pending, u64 block)
{
	spin_lock(&pending->lock);
	if (pending->block == block)
		pending->block = HVB_NO_BLOCK;
	spin_unlock(&pending->lock);
	wake_up_all(&pending->changed);
}

/* Return: whether the deadline of the block has not passed; the first call sets it. */
static bool hvb_pending_in_time(struct hvb_pending *pending, u64 block)
{
	const u64 now = get_jiffies_64();
	bool in_time = false;

	spin_lock(&pending->lock);
	if (pending->block == block) {
		if (!pending->end)
			pending->end = now + HVB_PENDING_WAIT;
		in_time = time_before64(now, pending->end);
	}
	spin_unlock(&pending->lock);
	return in_time;
}

/*
 * A block in ZONE_MOVABLE does not relieve a shortage of kernel memory. There is none
 * while the kernel zones have free pages above their reserves.
 */
static bool hvb_block_helps(struct hvb_hot_add *ha, u64 block)
{
	if (!hvb_hotplug_map_is_online(&ha->map, block))
		return false;
	return !READ_ONCE(ha->onlined_movable) || hvb_kernel_pages(false);
}

/**
 * hvb_pending_await() - the guest hit OOM: wait for a pending block
 * @ha: the hot-added memory
 *
 * Up to HVB_PENDING_WAIT for each block, a slice per call: all OOM handling of the guest
 * waits for that, and the caller may be the task that onlines the block.
 *
 * Context: the task that hits OOM, under oom_lock; may sleep.
 * Return: pages of the block, if it came online; 1 to wait again; or 0.
 */
unsigned long hvb_pending_await(struct hvb_hot_add *ha)
{
	struct hvb_pending *pending = &ha->pending;
	const u64 block = READ_ONCE(pending->block);

	if (block == HVB_NO_BLOCK)
		return 0;

	if (wait_event_timeout(pending->changed, READ_ONCE(pending->block) != block,
			       HVB_OOM_SLICE))
		return hvb_block_helps(ha, block) ? ha->map.regions.block_pages : 0;

	if (hvb_pending_in_time(pending, block))
		return 1;
	hvb_pending_done(pending, block);
	return 0;
}
