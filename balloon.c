// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: takes pages from the guest and names them to the host
 * (inflate), and puts those that the host returns to use again (deflate).
 *
 * Pages are taken in blocks, the largest first: a block of 2 MiB costs one
 * call to the allocator, and the host can keep a large page for it. Blocks
 * stay whole until the host returns a part of one. Each page of a block bears
 * a mark (mark.h), and only marked pages are ever freed here, whatever the
 * host says.
 *
 * Everything here runs in the pump, or while it cannot run. No lock is held
 * while pages are allocated or freed.
 */
#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "hv_balloon.h"
#include "mark.h"
#include "trace.h"

/* The mark of a predecessor may have any order that fits into it. */
static_assert(HVB_MARK_ORDER < HVB_MARK_ORDERS);

/*
 * Memory that programs could have had: it may reclaim cache once, but neither
 * loop, nor use the reserves, nor complain. The pages cannot move.
 */
#define HVB_GFP		(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* Pages to take between two messages at most: 1 GiB. */
#define HVB_STEP_PAGES	(1024 * HVB_PAGES_PER_MIB)

/* Pages to take before the floor is looked at again: 16 MiB. */
#define HVB_FLOOR_PAGES	(16 * HVB_PAGES_PER_MIB)

static void hvb_count_block(struct hvb_dev *hvb, struct page *page,
			    unsigned int order, bool hidden, bool taken)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	const long pages = 1L << order;
	const long change = taken ? pages : -pages;

	WRITE_ONCE(balloon->pages, balloon->pages + change);
	balloon->blocks[order] += taken ? 1 : -1;
	hvb_compat_count_balloon(page, change);
	if (!hidden)
		return;

	WRITE_ONCE(balloon->hidden, balloon->hidden + change);
	adjust_managed_page_count(page, -change);
}

static void hvb_mark_block(struct page *page, unsigned int order, bool hidden)
{
	const unsigned long mark = hvb_mark_value(HVB_MARK_BALLOON, hidden, order);
	unsigned long i;

	/* Whoever reads guest memory through /proc/kcore must not be in it. */
	page_offline_begin();
	for (i = 0; i < 1UL << order; i++) {
		set_page_private(page + i, mark);
		__SetPageOffline(page + i);
	}
	page_offline_end();
}

/* The allocator checks that no page of a freed block bears anything. */
static void hvb_release_block(struct hvb_dev *hvb, struct page *page)
{
	const unsigned int order = hvb_mark_order(page);
	const bool hidden = hvb_mark_hidden(page);
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		__ClearPageOffline(page + i);
		set_page_private(page + i, 0);
	}
	hvb_count_block(hvb, page, order, hidden, false);
	__free_pages(page, order);
}

/* The host returns a part of a block: make it single pages, marked as such. */
static void hvb_split_block(struct hvb_balloon *balloon, struct page *page)
{
	const unsigned int order = hvb_mark_order(page);
	const unsigned long mark = hvb_mark_value(HVB_MARK_BALLOON,
						  hvb_mark_hidden(page), 0);
	unsigned long i;

	split_page(page, order);
	balloon->blocks[order]--;
	balloon->blocks[0] += 1UL << order;
	for (i = 0; i < 1UL << order; i++)
		set_page_private(page + i, mark);
}

static u64 hvb_zone_free_blocks(const struct zone *zone)
{
	unsigned int order;
	u64 pages = 0;

	for (order = PAGE_ALLOC_COSTLY_ORDER; order < ARRAY_SIZE(zone->free_area); order++)
		pages += (u64)READ_ONCE(zone->free_area[order].nr_free) << order;
	return pages;
}

/*
 * Pages of which the kernel has, or can make, blocks of any order that it
 * insists on: what is free in such blocks, and what could move. A rough figure,
 * read without a lock.
 */
static u64 hvb_whole_pages(void)
{
	u64 pages = 0;
	int nid, i;

	for (i = 0; i < NR_LRU_LISTS; i++)
		pages += global_node_page_state(NR_LRU_BASE + i);
	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			pages += hvb_zone_free_blocks(&NODE_DATA(nid)->node_zones[i]);
	return pages;
}

static bool hvb_can_spare(const struct hvb_dev *hvb, unsigned int order)
{
	return hvb_may_take(hvb_whole_pages(), hvb_floor(hvb), order);
}

/* Return: the order to try first, for at most @budget pages. */
static unsigned int hvb_next_order(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_balloon *balloon = &hvb->balloon;

	if (balloon->highest_order && !hvb_can_spare(hvb, balloon->highest_order))
		balloon->highest_order = 0;
	return hvb_first_order(budget, balloon->highest_order);
}

/*
 * Take the largest block that is to be had, of at most @budget pages. An order
 * that failed is not tried again in this step.
 * Return: its pages, 0 if there is none.
 */
static u32 hvb_take_block(struct hvb_dev *hvb, u64 budget)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	unsigned int order = hvb_next_order(hvb, budget);
	struct page *page;

	while (!(page = alloc_pages(HVB_GFP, order))) {
		hvb->stats.block_failures[order]++;
		trace_balloon_order_down(order, balloon->wanted);
		if (!order)
			return 0;
		balloon->highest_order = --order;
	}

	hvb_mark_block(page, order, hvb_params.shrink);
	hvb_count_block(hvb, page, order, hvb_params.shrink, true);
	hvb_batch_add(balloon->batch, page_to_pfn(page), 1U << order);
	hvb->stats.blocks_taken[order]++;
	return 1U << order;
}

/* Return: whether the guest ran out of memory a moment ago. */
static bool hvb_in_trouble(const struct hvb_dev *hvb)
{
	return time_before64(get_jiffies_64(), READ_ONCE(hvb->oom_until));
}

static u64 hvb_inflate_budget(const struct hvb_dev *hvb)
{
	if (hvb_must_end(hvb) || hvb_in_trouble(hvb) || !hvb_can_spare(hvb, 0))
		return 0;

	return hvb_inflate_limit(max(si_mem_available(), 0L), hvb_floor(hvb),
				 min_t(u64, hvb->balloon.wanted, HVB_FLOOR_PAGES));
}

/*
 * Fill the batch. Return: whether the operation is over, because all was found
 * or because the guest has no more to give.
 */
static bool hvb_inflate_gather(struct hvb_dev *hvb)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	u64 budget = 0;
	u32 taken;

	hvb_batch_clear(balloon->batch);
	/* One order up per step: trying all of them again would cost too much. */
	if (balloon->highest_order < HVB_BLOCK_ORDER)
		balloon->highest_order++;

	while (balloon->wanted) {
		if (hvb_batch_full(balloon->batch) ||
		    balloon->batch->pages >= HVB_STEP_PAGES || hvb_message_waits(hvb))
			return false;

		if (!budget)
			budget = hvb_inflate_budget(hvb);
		if (!budget)
			return true;

		taken = hvb_take_block(hvb, budget);
		if (!taken)
			return true;
		budget -= taken;
		balloon->wanted -= taken;
		cond_resched();
	}
	return true;
}

/* Free what @range names; all of it bears our mark. */
static void hvb_release_range(struct hvb_dev *hvb, const struct hvb_range *range)
{
	const unsigned long end = range->start + range->count;
	unsigned long pfn = range->start;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		const unsigned long size = 1UL << hvb_mark_order(page);
		const unsigned long head = round_down(pfn, size);

		if (head < range->start || head + size > end) {
			hvb_split_block(&hvb->balloon, pfn_to_page(head));
			continue;
		}
		hvb_release_block(hvb, page);
		pfn += size;
		cond_resched();
	}
}

static int hvb_send_ranges(struct hvb_dev *hvb, const struct hvb_range *ranges,
			   u32 count, bool more)
{
	struct hvb_wire_balloon_response *response = hvb->balloon.response;
	u32 pages = 0, i;
	u16 size;
	int ret;

	size = hvb_encode_balloon(response, hvb_next_id(hvb), ranges, count, more);
	ret = hvb_send(hvb, response, size);
	if (ret)
		return ret;

	for (i = 0; i < count; i++)
		pages += ranges[i].count;
	hvb->stats.balloon_given += pages;
	return 0;
}

/*
 * Report the batch. What could not be reported stays the guest's.
 * Return: 0 or the error of the message that could not be sent.
 */
static int hvb_inflate_report(struct hvb_dev *hvb, bool last)
{
	struct hvb_batch *batch = hvb->balloon.batch;
	u32 done = 0, count, i;
	int ret = 0;

	hvb_batch_merge(batch);
	do {
		count = min_t(u32, batch->nr - done, HVB_RANGES_MAX);
		/* A message without ranges would tell the host that it is over. */
		if (!count && !last)
			break;
		ret = hvb_send_ranges(hvb, batch->ranges + done, count,
				      !last || done + count < batch->nr);
		if (ret)
			break;
		done += count;
	} while (done < batch->nr);

	for (i = done; i < batch->nr; i++) {
		hvb->balloon.wanted += batch->ranges[i].count;
		hvb_release_range(hvb, &batch->ranges[i]);
	}
	hvb_batch_clear(batch);
	return ret;
}

/* Return: why the guest gave less than it was asked for. */
static const char *hvb_shortage(const struct hvb_dev *hvb)
{
	if (hvb_in_trouble(hvb))
		return "it ran out of memory a moment ago";
	if (!hvb_can_spare(hvb, 0))
		return "its free memory is in small pieces, which it cannot do without";
	if (hvb_inflate_budget(hvb))
		return "no more of its free memory can be had";
	return "it keeps its floor";
}

/* Hosts repeat a request that was not met every few moments: say it once. */
static void hvb_say_shortage(struct hvb_dev *hvb)
{
	struct hvb_balloon *balloon = &hvb->balloon;

	if (balloon->wanted && !balloon->shortage_told && !hvb_must_end(hvb))
		dev_info(hvb_device(hvb),
			 "the guest gave the host %llu MiB less than it asked for: %s (floor %llu MiB)\n",
			 hvb_pages_to_mib(balloon->wanted), hvb_shortage(hvb),
			 hvb_pages_to_mib(hvb_floor(hvb)));
	balloon->shortage_told = balloon->wanted;
}

static void hvb_inflate_finished(struct hvb_dev *hvb)
{
	hvb->balloon.active = false;
	hvb->stats.balloon_refused += hvb->balloon.wanted;
	hvb_op_end(&hvb->record, HVB_OP_INFLATE, hvb->balloon.asked - hvb->balloon.wanted);
}

/**
 * hvb_inflate_refuse() - tell the host that it gets nothing
 * @hvb: the device
 * @num_pages: pages that it asked for, for the books
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
	struct hvb_balloon *balloon = &hvb->balloon;

	hvb->stats.balloon_requests++;
	hvb->stats.balloon_requested += num_pages;
	if (!HVB_CAN_BALLOON || hvb_refuses_all(hvb) || hvb->state != HVB_RUNNING) {
		hvb_inflate_refuse(hvb, num_pages);
		return;
	}

	balloon->asked = num_pages;
	balloon->wanted = num_pages;
	balloon->highest_order = HVB_BLOCK_ORDER;
	balloon->active = true;
	hvb_op_begin(&hvb->record, HVB_OP_INFLATE, num_pages);
}

/**
 * hvb_inflate_run() - take some pages and report them
 * @hvb: the device
 *
 * Ends a step early when the host has sent something: it may be giving memory
 * back.
 *
 * Context: the pump; may sleep.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_inflate_run(struct hvb_dev *hvb)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	bool over;

	if (!balloon->active)
		return HVB_NEVER;

	over = hvb_inflate_gather(hvb);
	if (hvb_inflate_report(hvb, over))
		over = true;
	if (!over)
		return 0;

	hvb_say_shortage(hvb);
	hvb_inflate_finished(hvb);
	return HVB_NEVER;
}

/**
 * hvb_inflate_end() - end a running operation short
 * @hvb: the device
 *
 * Context: the pump between two steps, or while it cannot run; may sleep.
 */
void hvb_inflate_end(struct hvb_dev *hvb)
{
	if (!hvb->balloon.active)
		return;

	hvb_send_ranges(hvb, NULL, 0, false);
	hvb_inflate_finished(hvb);
}

/* Return: whether each page of the range is one that we gave the host. */
static bool hvb_range_is_ours(const struct hvb_range *range)
{
	const u64 end = range->start + range->count;
	u64 pfn = range->start;

	while (pfn < end) {
		struct page *page = pfn_to_online_page(pfn);
		u64 size;

		if (!page || !hvb_mark_is(page, HVB_MARK_BALLOON))
			return false;
		size = 1ULL << hvb_mark_order(page);
		pfn = round_down(pfn, size) + size;
	}
	return true;
}

static void hvb_deflate_range(struct hvb_dev *hvb, const struct hvb_range *range)
{
	if (!hvb_range_is_ours(range)) {
		hvb->stats.foreign_ranges++;
		dev_warn_ratelimited(hvb_device(hvb),
				     "the host returns %u pages from page frame 0x%llx that it does not have: ignored\n",
				     range->count, range->start);
		return;
	}

	hvb->stats.returned += range->count;
	hvb_release_range(hvb, range);
}

/**
 * hvb_deflate_confirm() - tell the host that returned pages are in use again
 * @hvb: the device
 *
 * Context: the pump; may sleep.
 */
void hvb_deflate_confirm(struct hvb_dev *hvb)
{
	struct hvb_wire_unballoon_response response;

	hvb_send(hvb, &response, hvb_encode_unballoon(&response, hvb_next_id(hvb)));
}

/**
 * hvb_deflate() - take back what the host returns
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
	for (i = 0; i < msg->unballoon.count; i++) {
		const struct hvb_range range = hvb_decode_range(msg->unballoon.ranges[i]);

		hvb_deflate_range(hvb, &range);
	}

	hvb_op_end(&hvb->record, HVB_OP_DEFLATE, before - hvb->balloon.pages);
	hvb->balloon.shortage_told = false;
	hvb_hot_add_retry(hvb);
	if (!msg->unballoon.more)
		hvb_deflate_confirm(hvb);
}

/**
 * hvb_balloon_adopt() - take over a block that an earlier load left ballooned
 * @hvb: the device; its channel is closed
 * @page: the first page of the block, marked
 *
 * With the parameter reclaim the block is freed, else it counts as ballooned
 * until the host returns it.
 *
 * Context: process.
 */
void hvb_balloon_adopt(struct hvb_dev *hvb, struct page *page)
{
	struct hvb_balloon *balloon = &hvb->balloon;
	const unsigned long pages = 1UL << hvb_mark_order(page);

	balloon->adopted += pages;
	balloon->pages += pages;
	balloon->blocks[hvb_mark_order(page)]++;
	if (hvb_mark_hidden(page))
		balloon->hidden += pages;
	if (hvb_params.reclaim)
		hvb_release_block(hvb, page);
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
	struct hvb_balloon *balloon = &hvb->balloon;

	balloon->batch = kvmalloc(sizeof(*balloon->batch), GFP_KERNEL);
	balloon->response = kmalloc(HVB_MSG_MAX, GFP_KERNEL);
	if (balloon->batch && balloon->response)
		return 0;

	hvb_balloon_exit(hvb);
	return -ENOMEM;
}

/**
 * hvb_balloon_exit() - undo hvb_balloon_init()
 * @hvb: the device; its channel is closed
 *
 * What the host has stays out of use: nobody can know whether it still has it.
 *
 * Context: process.
 */
void hvb_balloon_exit(struct hvb_dev *hvb)
{
	kfree(hvb->balloon.response);
	kvfree(hvb->balloon.batch);
}
