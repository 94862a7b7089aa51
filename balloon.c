// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: takes pages from the guest and names them to the host
 * (inflate), and puts those that the host returns to use again (deflate).
 * alloc.c chooses which blocks are taken; ballooned.c marks, counts and frees them.
 *
 * Everything here runs in the pump, or while it cannot run.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "alloc.h"
#include "balloon.h"
#include "ballooned.h"
#include "channel.h"
#include "demand.h"
#include "device.h"
#include "evacuate.h"
#include "lib/batch.h"
#include "lib/cost.h"
#include "lib/limits.h"
#include "lib/proto.h"
#include "oom.h"
#include "params.h"
#include "record.h"
#include "zones.h"

/* Pages to take between two messages at most: 1 GiB. */
#define HVB_STEP_PAGES	(1024 * HVB_PAGES_PER_MIB)

/* Pages to take before the floor is looked at again: 16 MiB. */
#define HVB_FLOOR_PAGES	(16 * HVB_PAGES_PER_MIB)

/*
 * If allocation stalls, retry every HVB_STALL_INTERVAL; give up when fewer than
 * HVB_STALL_PAGES (4 MiB) are found within HVB_STALL_LIMIT.
 */
#define HVB_STALL_INTERVAL	(HZ / 20)
#define HVB_STALL_LIMIT		HZ
#define HVB_STALL_PAGES		(4 * HVB_PAGES_PER_MIB)

/**
 * hvb_floor_rule() - what decides at which point ballooning ends
 * @hvb: the device
 *
 * Context: any.
 * Return: a word, see floor_rule in sysfs.
 */
const char *hvb_floor_rule(const struct hvb_dev *hvb)
{
	if (hvb_recent_oom(hvb))
		return "oom";
	if (hvb_now_ms() < READ_ONCE(hvb->inflate.cost.pause_end_ms))
		return "cost";
	return READ_ONCE(hvb_params.floor_mib) ? "floor_mib" : "size";
}

static u64 hvb_inflate_budget(const struct hvb_dev *hvb)
{
	if (hvb_recent_oom(hvb) || hvb_cost_pauses(&hvb->inflate.cost, hvb_now_ms()))
		return 0;
	if (!hvb_alloc_can_spare(hvb))
		return 0;

	return hvb_inflate_limit(hvb_available_clean(), hvb_floor(hvb),
				 min_t(u64, hvb->inflate.wanted, HVB_FLOOR_PAGES));
}

static void hvb_inflate_reset_deadline(struct hvb_inflate *inflate)
{
	inflate->progress_mark = inflate->wanted - min_t(u64, inflate->wanted, HVB_STALL_PAGES);
	inflate->give_up = jiffies + HVB_STALL_LIMIT;
}

/*
 * The rest of what the guest can spare is page cache, which the kernel reclaims in
 * the background: try again later. Return: whether the time for that is over.
 */
static bool hvb_inflate_back_off(struct hvb_inflate *inflate)
{
	inflate->not_before = jiffies + HVB_STALL_INTERVAL;
	return time_after(jiffies, inflate->give_up);
}

/*
 * Free pages that were not reported. Those of a memory block that went offline use room in
 * the hotplug map that was promised to them.
 */
static void hvb_inflate_free(struct hvb_dev *hvb, const struct hvb_range *range)
{
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	const unsigned int promised = map->promised_gaps;
	const u64 before = hvb->balloon.pages;

	lockdep_assert_held(&hvb->transfer_lock);
	map->promised_gaps = 0;
	hvb->inflate.wanted += range->count;
	hvb_ballooned_release(hvb, range);
	hvb_memory_freed(hvb, before - hvb->balloon.pages);
	map->promised_gaps = promised;
}

/* Free the blocks of the batch from range @first on. */
static void hvb_inflate_undo(struct hvb_dev *hvb, u32 first)
{
	struct hvb_batch *batch = hvb->inflate.batch;
	u32 i;

	lockdep_assert_held(&hvb->transfer_lock);
	for (i = first; i < batch->nr; i++)
		hvb_inflate_free(hvb, &batch->ranges[i]);
	hvb_batch_cut(batch, first);
}

/*
 * Return: whether the operation makes programs refault or swap. Free memory costs nothing.
 * What a cost is due to was taken in this second or the one before.
 */
static bool hvb_inflate_costs(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	switch (hvb_cost_look(&inflate->cost, hvb_now_ms(), hvb_reclaim_cost())) {
	case HVB_COST_LOW_SECOND:
		hvb_batch_checkpoint(inflate->batch);
		return false;
	case HVB_COST_LOW:
		return false;
	case HVB_COST_HIGH:
		break;
	}
	return hvb_free_above_reserves() < budget;
}

/* Return pages to the guest, and wait. Return: whether its programs refault for too long. */
static bool hvb_inflate_undo_costly(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	mutex_lock(&hvb->transfer_lock);
	hvb_inflate_undo(hvb, inflate->batch->marks[0]);
	mutex_unlock(&hvb->transfer_lock);

	inflate->not_before = jiffies + HVB_STALL_INTERVAL;
	hvb_inflate_reset_deadline(inflate);
	return hvb_cost_begin_pause(&inflate->cost, hvb_now_ms());
}

/* Return: how many pages may be taken now, of which node. */
static u64 hvb_inflate_next_budget(struct hvb_dev *hvb)
{
	hvb_alloc_choose_node(hvb);
	return hvb_inflate_budget(hvb);
}

/* Return: whether the batch must be reported before more is taken. */
static bool hvb_inflate_is_due(const struct hvb_batch *batch)
{
	return hvb_batch_full(batch) || batch->pages >= HVB_STEP_PAGES;
}

/* Return: whether the pump has other work first. */
static bool hvb_inflate_must_yield(struct hvb_dev *hvb)
{
	return hvb_inflate_is_due(hvb->inflate.batch) || hvb_must_rest(hvb) ||
	       hvb_message_waits(hvb);
}

/* A new step starts with the largest blocks; one that waited for a chunk continues. */
static void hvb_inflate_begin_step(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	if (!inflate->in_step)
		hvb_alloc_begin_step(hvb);
	inflate->in_step = true;
	if (!inflate->batch->nr)
		hvb_batch_limit(inflate->batch,
				READ_ONCE(hvb_params.max_range_mib) * HVB_PAGES_PER_MIB);
}

/*
 * Fill the batch. Return: whether the operation is over: all pages were found, or
 * the guest can spare no more.
 */
static bool hvb_inflate_take(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;
	u64 budget = 0;
	u32 taken;

	while (inflate->wanted) {
		if (hvb_inflate_must_yield(hvb))
			return false;

		if (!budget || hvb_recent_oom(hvb)) {
			budget = hvb_inflate_next_budget(hvb);
			if (!budget)
				return true;
			if (hvb_inflate_costs(hvb, budget))
				return hvb_inflate_undo_costly(hvb);
		}

		taken = hvb_alloc_next(hvb, budget);
		if (!taken)
			return !hvb_alloc_awaits_chunk(hvb) && hvb_inflate_back_off(inflate);
		budget -= taken;
		inflate->wanted -= taken;
		if (inflate->wanted <= inflate->progress_mark)
			hvb_inflate_reset_deadline(inflate);
		cond_resched();
	}
	return true;
}

static int hvb_send_ranges(struct hvb_dev *hvb, const struct hvb_range *ranges,
			   u32 count, bool more)
{
	struct hvb_wire_balloon_response *response = hvb->inflate.response;
	u32 pages = 0, i;
	u16 size;
	int ret;

	size = hvb_encode_balloon(response, ranges, count, more);
	ret = hvb_send(hvb, response, size);
	if (ret)
		return ret;

	for (i = 0; i < count; i++)
		pages += ranges[i].count;
	hvb->stats.balloon_given += pages;
	return 0;
}

/* Return: pages that the guest lacks to its floor, without @freed; all after an OOM. */
static u64 hvb_inflate_lack(const struct hvb_dev *hvb, u64 available, u64 freed)
{
	const u64 floor = hvb_floor(hvb);

	if (hvb_recent_oom(hvb))
		return U64_MAX;
	return floor - min(floor, available + freed);
}

/*
 * The guest may have become short of memory since the batch was filled: free what it lacks
 * of the batch, from range @first on. The host would have to be asked for it back. A small
 * lack is how inflating ends at the floor.
 */
static void hvb_inflate_trim(struct hvb_dev *hvb, u32 first)
{
	struct hvb_inflate *inflate = &hvb->inflate;
	struct hvb_batch *batch = inflate->batch;
	const u64 available = hvb_available_clean(), before = hvb->balloon.pages;
	u64 lack = hvb_inflate_lack(hvb, available, 0);
	struct hvb_range range;

	lockdep_assert_held(&hvb->transfer_lock);
	if (lack <= HVB_FLOOR_PAGES)
		return;

	/* In pieces, as a task that hit OOM waits for the first one only. */
	while (lack && batch->nr > first) {
		range = hvb_batch_pop(batch, round_up(min_t(u64, lack, HVB_FLOOR_PAGES),
						      HVB_CHUNK_PAGES));
		hvb_inflate_free(hvb, &range);
		lack = hvb_inflate_lack(hvb, available, before - hvb->balloon.pages);
	}
	hvb_inflate_reset_deadline(inflate);
}

/*
 * Report the batch; what could not be reported is freed. No lock is held while the
 * ring is full: the host cannot return a page that was not reported.
 * Return: 0 or the error of the message that could not be sent.
 */
static int hvb_inflate_report(struct hvb_dev *hvb, bool last)
{
	struct hvb_batch *batch = hvb->inflate.batch;
	u32 done = 0, count;
	int ret = 0;

	/* Chunks that were made and are not needed any more are available memory. */
	if (last)
		hvb_evacuate_stop(hvb);

	mutex_lock(&hvb->transfer_lock);
	hvb_batch_merge(batch);
	mutex_unlock(&hvb->transfer_lock);
	do {
		mutex_lock(&hvb->transfer_lock);
		hvb_inflate_trim(hvb, done);
		mutex_unlock(&hvb->transfer_lock);

		count = min_t(u32, batch->nr - done, HVB_RANGES_MAX);
		/* A message without ranges ends the operation. */
		if (!count && !last)
			break;
		ret = hvb_send_ranges(hvb, batch->ranges + done, count,
				      !last || done + count < batch->nr);
		if (ret)
			break;
		done += count;
	} while (done < batch->nr);

	mutex_lock(&hvb->transfer_lock);
	hvb_inflate_undo(hvb, done);
	hvb->hot_add.map.promised_gaps = 0;
	hvb_batch_clear(batch);
	mutex_unlock(&hvb->transfer_lock);
	return ret;
}

/* Return: why the guest gave less than requested. */
static const char *hvb_shortage(const struct hvb_dev *hvb)
{
	if (hvb_recent_oom(hvb))
		return "recent OOM";
	if (hvb_cost_pauses(&hvb->inflate.cost, hvb_now_ms()))
		return "its programs pay with refaults or swapping";
	if (!hvb_alloc_can_spare(hvb))
		return "free memory is fragmented";
	if (hvb_inflate_budget(hvb))
		return "allocation stalled";
	return "at the floor";
}

/* Hosts repeat an unmet request every few seconds: log it once. */
static void hvb_log_shortage(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	if (inflate->wanted && !inflate->shortage_logged)
		dev_info(hvb_device(hvb),
			 "gave %llu MiB less than the host requested: %s (floor %llu MiB)\n",
			 hvb_pages_to_mib(inflate->wanted), hvb_shortage(hvb),
			 hvb_pages_to_mib(hvb_floor(hvb)));
	inflate->shortage_logged = inflate->wanted;
}

static void hvb_inflate_finished(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	hvb_evacuate_stop(hvb);
	WRITE_ONCE(inflate->active, false);
	wake_up_all(&hvb->arrivals.wait);
	hvb_cost_end(&inflate->cost, hvb_now_ms(), hvb_reclaim_cost());
	hvb->stats.balloon_refused += inflate->wanted;
	hvb_op_end(&hvb->record, HVB_OP_INFLATE, inflate->asked - inflate->wanted);
}

/**
 * hvb_inflate_refuse() - answer a request for pages with none
 * @hvb: the device
 * @num_pages: pages that it asked for, for the statistics
 *
 * Context: the pump.
 */
void hvb_inflate_refuse(struct hvb_dev *hvb, u32 num_pages)
{
	hvb->stats.balloon_refused += num_pages;
	hvb_send_ranges(hvb, NULL, 0, false);
}

/**
 * hvb_inflate_begin() - the host wants pages
 * @hvb: the device; no inflate operation runs
 * @num_pages: how many
 *
 * Context: the pump.
 */
void hvb_inflate_begin(struct hvb_dev *hvb, u32 num_pages)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	hvb->stats.balloon_requests++;
	hvb->stats.balloon_requested += num_pages;
	if (!HVB_CAN_BALLOON || hvb->hibernation || hvb->state != HVB_STATE_RUNNING) {
		hvb_inflate_refuse(hvb, num_pages);
		return;
	}

	inflate->asked = num_pages;
	inflate->wanted = num_pages;
	inflate->in_step = false;
	inflate->not_before = jiffies;
	hvb->alloc.highest_order = HVB_CHUNK_ORDER;
	hvb->alloc.chunk_retry = jiffies;
	hvb_batch_init(inflate->batch, hvb->hot_add.map.regions.block_pages);
	hvb_inflate_reset_deadline(inflate);
	hvb_cost_begin(&inflate->cost, hvb_now_ms(), hvb_reclaim_cost());
	WRITE_ONCE(inflate->active, true);
	hvb_op_begin(&hvb->record, HVB_OP_INFLATE, num_pages);
}

/*
 * The operation continues: at once if it has just @reported, else at its next deadline.
 * Return: jiffies until then.
 */
static unsigned long hvb_inflate_wait(struct hvb_dev *hvb, bool reported)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	if (!reported && hvb_alloc_awaits_chunk(hvb)) {
		/* Smaller blocks get their full time after that. */
		hvb_inflate_reset_deadline(inflate);
		return hvb_jiffies_until(hvb->alloc.chunk_deadline);
	}
	inflate->in_step = false;
	return hvb_jiffies_until(inflate->not_before);
}

/**
 * hvb_inflate_run() - take some pages and report them
 * @hvb: the device
 *
 * A step ends early if a message is in the ring: the host may be returning memory.
 * Pages are reported when the operation ends, or when the batch is full.
 *
 * Context: the pump; may sleep, but for nothing that a file system or memory
 * hotplug has to do.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_inflate_run(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;
	bool over, due;

	if (!inflate->active || hvb_must_rest(hvb))
		return HVB_NEVER;
	/* After an OOM what was not reported is freed at once. */
	if (time_before(jiffies, inflate->not_before) && !hvb_recent_oom(hvb))
		return hvb_jiffies_until(inflate->not_before);

	hvb_inflate_begin_step(hvb);
	over = hvb_inflate_take(hvb);
	due = hvb_inflate_is_due(inflate->batch);
	if ((over || due) && hvb_inflate_report(hvb, over))
		over = true;
	if (!over)
		return hvb_inflate_wait(hvb, due);

	hvb_log_shortage(hvb);
	hvb_inflate_finished(hvb);
	hvb_evacuate_reserve(hvb);
	return HVB_NEVER;
}

/**
 * hvb_inflate_resume() - go on after the system was frozen
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_inflate_resume(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	inflate->not_before = jiffies;
	hvb->alloc.chunk_deadline = jiffies + HVB_CHUNK_WAIT;
	hvb_inflate_reset_deadline(inflate);
}

/**
 * hvb_inflate_end() - end a running operation short
 * @hvb: the device
 *
 * Context: the pump between two steps, or while it cannot run; may sleep.
 */
void hvb_inflate_end(struct hvb_dev *hvb)
{
	if (!hvb->inflate.active)
		return;

	hvb_inflate_report(hvb, true);
	hvb_inflate_finished(hvb);
}

static void hvb_deflate_range(struct hvb_dev *hvb, const struct hvb_range *range)
{
	const u64 before = hvb->balloon.pages;

	if (!hvb_ballooned_covers(hvb, range)) {
		hvb->stats.foreign_ranges++;
		dev_warn_ratelimited(hvb_device(hvb),
				     "ignored %u pages at PFN 0x%llx that the host returned: not ballooned\n",
				     range->count, range->start);
		return;
	}

	hvb_ballooned_release(hvb, range);
	hvb->stats.returned += before - hvb->balloon.pages;
}

/**
 * hvb_deflate_confirm() - confirm that returned pages are in use again
 * @hvb: the device
 *
 * Context: the pump; may sleep.
 */
void hvb_deflate_confirm(struct hvb_dev *hvb)
{
	struct hvb_wire_unballoon_response response;

	hvb_send(hvb, &response, hvb_encode_unballoon(&response));
}

/**
 * hvb_deflate() - put to use what the host returns
 * @hvb: the device
 * @msg: its message
 *
 * A range with a page that the host does not have is ignored as a whole.
 *
 * Context: the pump; may sleep.
 */
void hvb_deflate(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	const u64 before = hvb->balloon.pages;
	u32 i;

	hvb_op_begin(&hvb->record, HVB_OP_DEFLATE, hvb_msg_pages(hvb->rx));
	mutex_lock(&hvb->transfer_lock);
	for (i = 0; i < msg->unballoon.count; i++) {
		const struct hvb_range range = hvb_decode_range(msg->unballoon.ranges[i]);

		hvb_deflate_range(hvb, &range);
	}
	mutex_unlock(&hvb->transfer_lock);

	hvb_memory_arrived(hvb, before - hvb->balloon.pages);
	hvb_op_end(&hvb->record, HVB_OP_DEFLATE, before - hvb->balloon.pages);
	hvb->inflate.shortage_logged = false;
	if (!msg->unballoon.more)
		hvb_deflate_confirm(hvb);
}

/**
 * hvb_balloon_init() - allocate what the balloon needs
 * @hvb: the device
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_balloon_init(struct hvb_dev *hvb)
{
	struct hvb_inflate *inflate = &hvb->inflate;

	inflate->batch = kvzalloc(sizeof(*inflate->batch), GFP_KERNEL);
	inflate->response = kmalloc(HVB_MSG_MAX, GFP_KERNEL);
	hvb_cost_init(&inflate->cost, hvb_now_ms(), hvb_reclaim_cost());
	if (inflate->batch && inflate->response)
		return 0;

	hvb_balloon_exit(hvb);
	return -ENOMEM;
}

/**
 * hvb_balloon_exit() - undo hvb_balloon_init()
 * @hvb: the device; its channel is closed
 *
 * Ballooned pages stay out of use: the driver cannot know whether the host still
 * has them.
 *
 * Context: process.
 */
void hvb_balloon_exit(struct hvb_dev *hvb)
{
	kfree(hvb->inflate.response);
	kvfree(hvb->inflate.batch);
}
