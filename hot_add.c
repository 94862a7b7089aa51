// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hot-add: memory that the host adds beyond what the guest was started with.
 *
 * Linux adds memory in whole memory blocks, the host may give less at a time. A block
 * is added as soon as the host gives a part of it; the rest of it is a gap, whose
 * pages are marked (mark.h) and withheld from the page allocator until the host gives
 * them too. The hotplug map has the gaps.
 *
 * A request is processed block by block. add_memory() waits for memory hotplug in
 * progress, such as a block that hangs while going offline: so it is called in a work
 * item of its own, the add work, which kicks the pump when it is done. If a block
 * cannot be added for lack of memory, the request is parked: some hosts never offer
 * memory again after a short answer.
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "channel.h"
#include "device.h"
#include "events.h"
#include "hot_add.h"
#include "hotplug_map.h"
#include "lib/proto.h"
#include "memory_block.h"
#include "memory_notifier.h"
#include "online.h"
#include "params.h"
#include "pending.h"
#include "record.h"

/* How long to wait for a block to be onlined before the next one is added. */
#define HVB_ONLINE_WAIT		HZ

/* Out of memory: retry every HVB_RETRY_INTERVAL, give up after HVB_RETRY_LIMIT. */
#define HVB_RETRY_INTERVAL	HZ
#define HVB_RETRY_LIMIT		(60 * HZ)

/* The allowed moves between the states of a request; see enum hvb_hot_add_state. */
static const unsigned int hvb_hot_add_moves[HVB_HOT_ADD_STATES] = {
	[HVB_HOT_ADD_IDLE]	= BIT(HVB_HOT_ADD_NEXT),
	[HVB_HOT_ADD_NEXT]	= BIT(HVB_HOT_ADD_IDLE) | BIT(HVB_HOT_ADD_ADDING) |
				  BIT(HVB_HOT_ADD_PARKED),
	[HVB_HOT_ADD_ADDING]	= BIT(HVB_HOT_ADD_IDLE) | BIT(HVB_HOT_ADD_NEXT) |
				  BIT(HVB_HOT_ADD_ONLINING) | BIT(HVB_HOT_ADD_PARKED),
	[HVB_HOT_ADD_ONLINING]	= BIT(HVB_HOT_ADD_IDLE) | BIT(HVB_HOT_ADD_NEXT),
	[HVB_HOT_ADD_PARKED]	= BIT(HVB_HOT_ADD_IDLE) | BIT(HVB_HOT_ADD_NEXT),
};

/*
 * The only place that changes the state; refuses a move that is not allowed.
 * Context: the pump, or while it cannot run.
 */
static void hvb_hot_add_set_state(struct hvb_hot_add_request *request,
				  enum hvb_hot_add_state state)
{
	if (WARN_ONCE(!(hvb_hot_add_moves[request->state] & BIT(state)),
		      KBUILD_MODNAME ": refused to move a hot-add request from state %u to %u\n",
		      request->state, state))
		return;

	request->state = state;
}

static void hvb_hot_add_wait(struct hvb_hot_add_request *request, enum hvb_hot_add_state state,
			     unsigned long delay)
{
	hvb_hot_add_set_state(request, state);
	request->not_before = jiffies + delay;
}

/* What was skipped counts as added only with what follows, see hvb_hot_add_skip(). */
static void hvb_hot_add_account(struct hvb_hot_add_request *request, u64 pages, u64 end)
{
	if (pages) {
		request->added += request->skipped + pages;
		request->skipped = 0;
	}
	request->next = end;
	request->short_of_memory = false;
}

/* A block was not added after all. */
static void hvb_add_drop(struct hvb_hot_add *ha, u64 block)
{
	hvb_hotplug_map_drop_block(&ha->map, block);
	hvb_pending_done(&ha->pending, block);
}

static void hvb_add_work(struct work_struct *work)
{
	struct hvb_add *add = container_of(work, struct hvb_add, work);
	struct hvb_dev *hvb = container_of(add, struct hvb_dev, hot_add.add);
	struct hvb_hot_add *ha = &hvb->hot_add;
	const bool whole = add->end - add->start == ha->map.regions.block_pages;
	const u64 block = add->block;
	int ret;

	ret = hvb_memory_block_add(hvb, block, whole);
	if (ret)
		hvb_add_drop(ha, block);
	else if (!hvb_hotplug_map_is_online(&ha->map, block))
		hvb_events_new_block(hvb, block / ha->map.regions.block_pages);
	add->result = ret;
	/* A full barrier: the result is visible before. */
	if (xchg(&add->state, HVB_ADD_NOTHING) == HVB_ADD_ANSWERED && ret)
		dev_err(hvb_device(hvb),
			"cannot add the memory block at PFN 0x%llx (error %d), which the host counts as added\n",
			block, ret);
	hvb_kick(hvb, 0);
}

/* Update the map first: the block may come online before add_memory() returns. */
static int hvb_add_block(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_add *add = &ha->add;
	int ret;

	add->block = hvb_memory_block_of(&ha->map, start);
	add->start = start;
	add->end = end;
	ret = hvb_hotplug_map_add_block(hvb, add->block, start, end);
	if (ret)
		return ret;

	hvb_pending_begin(&ha->pending, READ_ONCE(ha->no_onlining) ? HVB_NO_BLOCK : add->block);
	WRITE_ONCE(add->state, HVB_ADD_BUSY);
	hvb_hot_add_set_state(&ha->request, HVB_HOT_ADD_ADDING);
	queue_work(hvb->slow_wq, &add->work);
	return 0;
}

static bool hvb_add_is_busy(const struct hvb_add *add)
{
	/* Pairs with the barrier in hvb_add_work(). */
	return smp_load_acquire(&add->state) != HVB_ADD_NOTHING;
}

/*
 * The request must be answered while a block is being added. If add_memory() was not
 * called yet the block is dropped. Else it counts as added: the guest may use it at
 * any time.
 */
static void hvb_add_abandon(struct hvb_hot_add *ha)
{
	struct hvb_add *add = &ha->add;

	if (cancel_work(&add->work)) {
		hvb_add_drop(ha, add->block);
		WRITE_ONCE(add->state, HVB_ADD_NOTHING);
		return;
	}
	/* A cmpxchg() that fails orders nothing, so read the state before the result. */
	if (cmpxchg(&add->state, HVB_ADD_BUSY, HVB_ADD_ANSWERED) == HVB_ADD_BUSY ||
	    (!hvb_add_is_busy(add) && !add->result))
		hvb_hot_add_account(&ha->request, add->end - add->start, add->end);
}

/**
 * hvb_add_exit() - wait until no block is being added any more
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep for as long as memory hotplug in progress.
 */
void hvb_add_exit(struct hvb_dev *hvb)
{
	cancel_work_sync(&hvb->hot_add.add.work);
}

/* Return: whether to go on waiting for the block that was added last to come online. */
static bool hvb_hot_add_awaits_online(struct hvb_hot_add *ha)
{
	if (hvb_hotplug_map_is_online(&ha->map, ha->add.block))
		return false;
	if (!READ_ONCE(ha->no_onlining) && time_before(jiffies, ha->request.not_before))
		return true;

	WRITE_ONCE(ha->no_onlining, true);
	/* It may have come online just before, with the flag cleared before it was set. */
	if (hvb_hotplug_map_is_online(&ha->map, ha->add.block))
		WRITE_ONCE(ha->no_onlining, false);
	return false;
}

/*
 * This range lies in a memory block that exists, as where boot memory ends within a
 * block, or is not addressable. It is skipped, and counts as added only with what
 * follows: to the host an answer is about the first pages of its offer.
 */
static void hvb_hot_add_skip(struct hvb_dev *hvb, u64 end)
{
	struct hvb_hot_add_request *request = &hvb->hot_add.request;

	dev_warn_ratelimited(hvb_device(hvb),
			     "skipped %llu MiB at PFN 0x%llx of the host's offer: in use or not addressable\n",
			     hvb_pages_to_mib(end - request->next), request->next);
	request->skipped += end - request->next;
	request->next = end;
}

/* Fill a part of a block that was added before. */
static int hvb_fill_block(struct hvb_dev *hvb, u64 start, u64 end)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	u32 filled = 0;
	int ret;

	mutex_lock(&hvb->transfer_lock);
	ret = hvb_online_fill(hvb, start, end, &filled);
	mutex_unlock(&hvb->transfer_lock);
	if (!ret)
		hvb_hot_add_account(&hvb->hot_add.request, filled, end);
	/* An offline block relieves no OOM. */
	if (hvb_hotplug_map_is_online(map, hvb_memory_block_of(map, start)))
		hvb_memory_arrived(hvb, filled);
	return ret;
}

/* Return: whether this machine can address the block, and the kernel can map it. */
static bool hvb_can_be_memory(const struct hvb_hot_add *ha, u64 block)
{
	const struct range pluggable = mhp_get_pluggable_range(true);
	const u64 last = PFN_PHYS(block + ha->map.regions.block_pages) - 1;

	return PFN_PHYS(block) >= pluggable.start &&
	       last <= min_t(u64, pluggable.end, iomem_resource.end);
}

/*
 * Add the part of the request that lies in the next block. One that exists, offline,
 * may come online before add_memory() says so: it must not be in the map by then.
 */
static int hvb_hot_add_step(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_hot_add_request *request = &ha->request;
	const u64 start = request->next, block = hvb_memory_block_of(&ha->map, start);
	const u64 end = min(request->end, block + ha->map.regions.block_pages);

	if (hvb_hotplug_map_knows(&ha->map, block))
		return hvb_fill_block(hvb, start, end);
	if (hvb_can_be_memory(ha, block) && !hvb_memory_block_exists(&ha->map, block))
		return hvb_add_block(hvb, start, end);

	hvb_hot_add_skip(hvb, end);
	return 0;
}

/* There was no memory for a memory map. Return: jiffies to the next try. */
static unsigned long hvb_hot_add_park(struct hvb_dev *hvb)
{
	struct hvb_hot_add_request *request = &hvb->hot_add.request;

	if (!request->short_of_memory) {
		request->short_of_memory = true;
		request->give_up = jiffies + HVB_RETRY_LIMIT;
		dev_info_ratelimited(hvb_device(hvb),
				     "out of memory while hot-adding: retrying for %d s\n",
				     HVB_RETRY_LIMIT / HZ);
	}

	if (time_after(jiffies, request->give_up)) {
		hvb_hot_add_end(hvb);
		return 0;
	}
	hvb_hot_add_wait(request, HVB_HOT_ADD_PARKED, HVB_RETRY_INTERVAL);
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
	if (hvb->hot_add.request.state == HVB_HOT_ADD_PARKED)
		hvb->hot_add.request.not_before = jiffies;
}

/**
 * hvb_hot_add_resume() - go on after the system was frozen
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_hot_add_resume(struct hvb_dev *hvb)
{
	struct hvb_hot_add_request *request = &hvb->hot_add.request;

	request->give_up = jiffies + HVB_RETRY_LIMIT;
	if (request->state == HVB_HOT_ADD_ONLINING)
		request->not_before = jiffies + HVB_ONLINE_WAIT;
	hvb_hot_add_retry(hvb);
}

/* If all of the offer was skipped, the answer is permanent. */
static u32 hvb_hot_add_result(const struct hvb_hot_add_request *request)
{
	return request->added || request->skipped == request->offered ?
	       HVB_RESULT_DONE : HVB_RESULT_TRANSIENT;
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
	struct hvb_hot_add_request *request = &ha->request;

	if (request->state == HVB_HOT_ADD_IDLE)
		return;

	if (request->state == HVB_HOT_ADD_ADDING)
		hvb_add_abandon(ha);
	hvb_hot_add_set_state(request, HVB_HOT_ADD_IDLE);
	hvb_offline_watch(ha);
	hvb->stats.hot_add_added += request->added;
	hvb->stats.hot_add_refused += request->offered - request->added;
	hvb_op_end(&hvb->record, HVB_OP_HOT_ADD, request->added);
	if (request->next < request->end)
		dev_warn_ratelimited(hvb_device(hvb),
				     "added %llu MiB less than the host offered; it may offer no more\n",
				     hvb_pages_to_mib(request->end - request->next));
	hvb_hot_add_answer(hvb, request->added, hvb_hot_add_result(request));
}

/**
 * hvb_hot_add_refuse() - add nothing of what the host offers
 * @hvb: the device
 * @pages: pages that it offers, for the statistics
 * @result: HVB_RESULT_TRANSIENT, or HVB_RESULT_DONE for a permanent refusal
 *
 * Context: the pump; may sleep.
 */
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result)
{
	hvb->stats.hot_add_refused += pages;
	hvb_hot_add_answer(hvb, 0, result);
}

/**
 * hvb_hot_add_possible() - whether memory is added that the host offers
 * @hvb: the device
 *
 * Context: any.
 * Return: true if so.
 */
bool hvb_hot_add_possible(const struct hvb_dev *hvb)
{
	return hvb->hot_add.usable && !hvb->hibernation && READ_ONCE(hvb_params.hot_add);
}

/**
 * hvb_hot_add_is_at_maximum() - whether the guest has all that the host will ever give
 * @hvb: the device
 *
 * Context: any.
 * Return: whether it has, within a memory block; false if the host did not tell.
 */
bool hvb_hot_add_is_at_maximum(const struct hvb_dev *hvb)
{
	const u64 most = READ_ONCE(hvb->hot_add.max_pages);
	u64 present = hvb->hot_add.map.regions.block_pages;
	int nid;

	for_each_online_node(nid)
		present += node_present_pages(nid);
	return most && present > most;
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
 * The region of the request, if there is one, is where later requests will lie.
 * Blocks are added as their pages come, so that it need not be remembered.
 *
 * Context: the pump; may sleep.
 */
void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	const struct hvb_range *range = &msg->hot_add.range;
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_hot_add_request *request = &ha->request;

	hvb->stats.hot_add_requests++;
	hvb->stats.hot_add_requested += range->count;
	if (!hvb_hot_add_possible(hvb)) {
		hvb_hot_add_refuse(hvb, range->count, HVB_RESULT_DONE);
		return;
	}

	if (hvb->state != HVB_STATE_RUNNING || !range->count ||
	    !hvb_in_region(range, &msg->hot_add.region)) {
		dev_warn_ratelimited(hvb_device(hvb),
				     "refused to add %u pages at PFN 0x%llx: outside the offered region, or the protocol is not agreed\n",
				     range->count, range->start);
		hvb_hot_add_refuse(hvb, range->count, HVB_RESULT_TRANSIENT);
		return;
	}

	request->next = range->start;
	request->end = range->start + range->count;
	request->offered = range->count;
	request->added = 0;
	request->skipped = 0;
	request->short_of_memory = false;
	hvb_hot_add_set_state(request, HVB_HOT_ADD_NEXT);
	hvb_op_begin(&hvb->record, HVB_OP_HOT_ADD, request->offered);
}

/* A part of the request was processed. Return: jiffies to the next turn. */
static unsigned long hvb_hot_add_continue(struct hvb_dev *hvb, int ret)
{
	struct hvb_hot_add_request *request = &hvb->hot_add.request;

	if (ret == -ENOMEM)
		return hvb_hot_add_park(hvb);

	if (ret)
		dev_err_ratelimited(hvb_device(hvb),
				    "cannot add the memory block of PFN 0x%llx (error %d)\n",
				    request->next, ret);
	if (ret || (request->state != HVB_HOT_ADD_ADDING && request->next == request->end))
		hvb_hot_add_end(hvb);
	return 0;
}

/* The add work is done. */
static unsigned long hvb_hot_add_work_done(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_hot_add_request *request = &ha->request;
	struct hvb_add *add = &ha->add;

	if (!add->result) {
		hvb_hot_add_account(request, add->end - add->start, add->end);
		hvb_hot_add_wait(request, HVB_HOT_ADD_ONLINING, HVB_ONLINE_WAIT);
		return hvb_hot_add_continue(hvb, 0);
	}

	hvb_hot_add_set_state(request, HVB_HOT_ADD_NEXT);
	if (add->result != -EEXIST)
		return hvb_hot_add_continue(hvb, add->result);
	hvb_hot_add_skip(hvb, add->end);
	return hvb_hot_add_continue(hvb, 0);
}

/**
 * hvb_hot_add_run() - add the next block, or wait for a deadline
 * @hvb: the device
 *
 * Each block costs memory for its map before it brings any: it should come online
 * before the next one is added. If it stays offline, its successors do not wait.
 *
 * Context: the pump; may sleep, but not for memory hotplug in progress.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_hot_add_run(struct hvb_dev *hvb)
{
	struct hvb_hot_add *ha = &hvb->hot_add;
	struct hvb_hot_add_request *request = &ha->request;

	if (request->state == HVB_HOT_ADD_IDLE)
		return hvb_check_offline(hvb);
	if (hvb_must_rest(hvb))
		return HVB_NEVER;

	switch (request->state) {
	case HVB_HOT_ADD_ADDING:
		return hvb_add_is_busy(&ha->add) ? HVB_NEVER : hvb_hot_add_work_done(hvb);
	case HVB_HOT_ADD_ONLINING:
		if (hvb_hot_add_awaits_online(ha))
			return hvb_jiffies_until(request->not_before);
		break;
	case HVB_HOT_ADD_PARKED:
		if (time_before(jiffies, request->not_before))
			return hvb_jiffies_until(request->not_before);
		break;
	default:
		/* It may still be busy for an earlier request. */
		return hvb_add_is_busy(&ha->add) ? HVB_NEVER :
						   hvb_hot_add_continue(hvb, hvb_hot_add_step(hvb));
	}

	hvb_hot_add_set_state(request, HVB_HOT_ADD_NEXT);
	return 0;
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

	hvb_pending_init(&ha->pending);
	hvb_hotplug_map_init(&ha->map, PHYS_PFN(memory_block_size_bytes()));
	INIT_WORK(&ha->add.work, hvb_add_work);
	ret = hvb_memory_block_init(ha);
	if (ret)
		return ret;

	ret = hvb_memory_notifier_init(hvb);
	if (ret)
		hvb_memory_block_exit(ha);
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
	hvb_memory_notifier_exit(hvb);
	hvb_memory_block_exit(&hvb->hot_add);
	hvb_hotplug_map_exit(&hvb->hot_add.map);
}
