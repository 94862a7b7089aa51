// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes free chunks of 2 MiB by evacuation: their pages are migrated away.
 *
 * Compaction in the page allocator makes such chunks too, but it samples memory,
 * migrates the first pages that it meets, and is deferred after a failure: it can
 * fail while most of memory is movable. So it comes last, for what only it can do:
 * reclaim caches. Here all of memory is scanned, and each chunk tried that looks
 * movable.
 *
 * Migration and reclaim may wait for a file server or a disk without a bound. So all
 * of this is done in a work item of its own. The pump requests chunks, goes on, and
 * collects them; it is kicked for each. transfer_lock is held only while the work
 * scans for a candidate, so neither deflate nor memory offlining waits for a
 * migration.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>

#include "candidates.h"
#include "compat.h"
#include "device.h"
#include "evacuate.h"
#include "lib/limits.h"
#include "nodes.h"
#include "zones.h"

/*
 * Compaction and reclaim in earnest: without __GFP_RETRY_MAYFAIL the first attempt
 * skips pageblocks of unmovable pages.
 */
#define HVB_GFP_COMPACT		(HVB_GFP | __GFP_RETRY_MAYFAIL)

/* Time after the last success until the first pass is repeated. */
#define HVB_EVACUATE_PAUSE	(10 * HZ)

/* Chunks to scan before transfer_lock is released: less than a millisecond. */
#define HVB_SCAN_CHUNKS		64

/* The guest's reserve: one free chunk for each 8 ballooned ones, up to 128 MiB. */
#define HVB_RESERVE_SHARE	8
#define HVB_RESERVE_MAX		64

/* How long a freeze waits for a migration that has begun, and how often it checks. */
#define HVB_REST_LIMIT		(2 * HZ)
#define HVB_REST_POLL_MS	20

/* How long a memory block that is going offline waits for a migration in it. */
#define HVB_EVACUATE_WAIT	(2 * HZ)

static u64 hvb_end_of_memory(void)
{
	u64 end = 0;
	int nid;

	for_each_online_node(nid)
		end = max_t(u64, end, node_end_pfn(nid));
	return round_down(end, HVB_CHUNK_PAGES);
}

/*
 * Memory must not go offline during an evacuation, which only the memory notifier can
 * prevent. And the kernel isolates whole pageblocks, which can be far larger on other
 * architectures.
 */
static bool hvb_may_evacuate(const struct hvb_hot_add *ha)
{
	return ha->usable && pageblock_order <= HVB_CHUNK_ORDER;
}

/*
 * Pages with a reference each become a chunk as the allocator gives it, where
 * only the first one has any. A speculative reference may be held. Allocation profiling
 * has a tag for each page, and removes that of the first page only.
 * Return: the order of what they are: HVB_CHUNK_ORDER, or 0.
 */
static unsigned int hvb_join_pages(struct page *page)
{
	unsigned long i;

	if (IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING))
		return 0;

	for (i = 1; i < HVB_CHUNK_PAGES; i++)
		if (!page_ref_freeze(page + i, 1))
			break;
	if (i == HVB_CHUNK_PAGES)
		return HVB_CHUNK_ORDER;

	while (--i)
		page_ref_unfreeze(page + i, 1);
	return 0;
}

/**
 * hvb_free_blocks() - give neighbouring blocks back to the page allocator
 * @page: the first page
 * @pages: all of them
 * @order: of each block
 *
 * Context: process.
 */
void hvb_free_blocks(struct page *page, unsigned long pages, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < pages; i += 1UL << order)
		__free_pages(page + i, order);
}

static void hvb_free_chunk(const struct hvb_chunk *chunk)
{
	hvb_free_blocks(chunk->page, HVB_CHUNK_PAGES, chunk->order);
}

/* Memory that is being evacuated must not be removed: see hvb_evacuate_wait(). */
static void hvb_set_evacuating(struct hvb_evacuate *evac, u64 pfn, u64 end)
{
	spin_lock(&evac->lock);
	evac->range = (struct hvb_extent) { pfn, end };
	spin_unlock(&evac->lock);
}

/*
 * From the end of memory down, as kcompactd begins at the start: where both evacuate
 * the same chunk neither gets it.
 */
static void hvb_evacuate_begin_pass(struct hvb_evacuate *evac, unsigned int pass)
{
	evac->pass = pass;
	evac->next = hvb_end_of_memory();
}

/*
 * Scan some chunks. Return: the first that is worth evacuating, noted as being
 * evacuated; 0 if there is none among them.
 */
static u64 hvb_evacuate_scan(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	unsigned int i;

	lockdep_assert_held(&hvb->transfer_lock);
	/* Not while stopping: hvb_offline_begin() notes no block as going offline then. */
	for (i = 0; i < HVB_SCAN_CHUNKS && evac->next && !hvb_must_rest(hvb); i++) {
		const u64 pfn = evac->next - HVB_CHUNK_PAGES;

		evac->next = pfn;
		if (hvb_worth_evacuating(hvb, pfn, evac->pass)) {
			hvb_set_evacuating(evac, pfn, pfn + HVB_CHUNK_PAGES);
			return pfn;
		}
	}
	return 0;
}

/*
 * PF_MEMALLOC makes migration skip pages that were locked after the scan instead of
 * waiting for them. It also permits the use of reserves, for which
 * hvb_zone_can_spare() leaves no need.
 */
static bool hvb_evacuate_range(struct hvb_evacuate *evac, u64 pfn)
{
	const unsigned int flags = memalloc_noreclaim_save();
	const int ret = hvb_compat_alloc_contig(pfn, pfn + HVB_CHUNK_PAGES);

	memalloc_noreclaim_restore(flags);
	hvb_set_evacuating(evac, 0, 0);
	wake_up_all(&evac->idle);
	return !ret;
}

/* Return: whether chunks are still wanted, for host or guest. */
static bool hvb_evacuate_is_wanted(const struct hvb_dev *hvb)
{
	const struct hvb_evacuate *evac = &hvb->evacuate;

	return !hvb_must_rest(hvb) && (READ_ONCE(evac->wanted) || READ_ONCE(evac->reserve));
}

/* Return: the next chunk evacuated in this pass, NULL if there is none. */
static struct page *hvb_evacuate_next(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	u64 pfn;

	while (evac->next && hvb_evacuate_is_wanted(hvb)) {
		mutex_lock(&hvb->transfer_lock);
		pfn = hvb_evacuate_scan(hvb);
		mutex_unlock(&hvb->transfer_lock);
		if (pfn && hvb_evacuate_range(evac, pfn))
			return pfn_to_page(pfn);
		cond_resched();
	}
	return NULL;
}

/*
 * Evacuate the next chunk that can be, in one of the first @passes passes.
 * Return: whether there was one.
 */
static bool hvb_evacuate_chunk(struct hvb_dev *hvb, unsigned int passes,
			       struct hvb_chunk *chunk)
{
	struct hvb_evacuate *evac = &hvb->evacuate;

	if (!hvb_may_evacuate(&hvb->hot_add))
		return false;
	if (!time_before(jiffies, evac->restart))
		hvb_evacuate_begin_pass(evac, 0);

	while (evac->pass < passes && hvb_evacuate_is_wanted(hvb)) {
		evac->restart = jiffies + HVB_EVACUATE_PAUSE;
		chunk->page = hvb_evacuate_next(hvb);
		if (chunk->page) {
			chunk->order = hvb_join_pages(chunk->page);
			return true;
		}
		if (!evac->next)
			hvb_evacuate_begin_pass(evac, evac->pass + 1);
	}
	return false;
}

/*
 * Evacuation first, for each chunk: memory is freed, and kcompactd may make
 * chunks on another CPU, at the same time.
 */
static bool hvb_find_chunk(struct hvb_dev *hvb, struct hvb_chunk *chunk)
{
	int nid;

	if (hvb_evacuate_chunk(hvb, HVB_PASSES, chunk)) {
		hvb->evacuate.for_host++;
		return true;
	}
	if (!hvb_evacuate_is_wanted(hvb) || !hvb_worth_reclaiming())
		return false;

	/* Not of another node, which would lose its cache below its share of the floor. */
	nid = hvb_richest_node(hvb);
	if (nid != NUMA_NO_NODE && !hvb_node_can_spare(hvb, nid))
		return false;

	chunk->order = HVB_CHUNK_ORDER;
	chunk->page = alloc_pages_node(nid, HVB_GFP_COMPACT | __GFP_THISNODE, HVB_CHUNK_ORDER);
	return chunk->page;
}

/* Return: whether the chunk is still wanted; then it waits for the pump. */
static bool hvb_queue_made(struct hvb_evacuate *evac, const struct hvb_chunk *chunk)
{
	bool wanted;

	spin_lock(&evac->lock);
	wanted = evac->wanted;
	if (wanted) {
		evac->wanted--;
		evac->made[evac->nr_made++] = *chunk;
	}
	spin_unlock(&evac->lock);
	return wanted;
}

static void hvb_make_for_host(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	struct hvb_chunk chunk;

	if (hvb_find_chunk(hvb, &chunk)) {
		if (!hvb_queue_made(evac, &chunk))
			hvb_free_chunk(&chunk);
	} else if (!hvb_must_rest(hvb)) {
		spin_lock(&evac->lock);
		evac->exhausted = evac->wanted;
		evac->wanted = 0;
		spin_unlock(&evac->lock);
	}
	hvb_kick(hvb, 0);
}

static unsigned long hvb_chunks_to_reserve(const struct hvb_balloon *balloon)
{
	return min_t(u64, READ_ONCE(balloon->pages) / HVB_CHUNK_PAGES / HVB_RESERVE_SHARE,
		     HVB_RESERVE_MAX);
}

/*
 * The balloon takes chunks of 2 MiB first, and leaves free memory in single pages.
 * Where compaction fails on these (see above), an order-1 allocation invokes the OOM
 * killer.
 */
static void hvb_make_for_guest(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	struct hvb_chunk chunk;
	bool made;

	made = hvb_free_chunks() < hvb_chunks_to_reserve(&hvb->balloon) &&
	       hvb_evacuate_chunk(hvb, HVB_PASSES_FOR_GUEST, &chunk);
	if (made) {
		hvb->evacuate.for_guest++;
		hvb_free_chunk(&chunk);
	}
	if (!made && hvb_must_rest(hvb))
		return;

	spin_lock(&evac->lock);
	evac->reserve = made && evac->reserve ? evac->reserve - 1 : 0;
	spin_unlock(&evac->lock);
}

static void hvb_evacuate_work(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(work, struct hvb_dev, evacuate.work);

	while (hvb_evacuate_is_wanted(hvb)) {
		if (READ_ONCE(hvb->evacuate.wanted))
			hvb_make_for_host(hvb);
		else
			hvb_make_for_guest(hvb);
		cond_resched();
	}
}

/**
 * hvb_evacuate_request() - request chunks, unless none can be made
 * @hvb: the device
 * @nr: how many, including those that were made and not collected
 *
 * Context: the pump. It is kicked for each, and when there are no more.
 */
void hvb_evacuate_request(struct hvb_dev *hvb, u64 nr)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	bool ask;

	nr = min_t(u64, nr, HVB_CHUNKS_AHEAD);
	spin_lock(&evac->lock);
	ask = !evac->exhausted && nr > evac->nr_made;
	if (ask) {
		evac->wanted = nr - evac->nr_made;
		evac->reserve = 0;
	}
	spin_unlock(&evac->lock);
	if (ask)
		queue_work(hvb->slow_wq, &evac->work);
}

/**
 * hvb_evacuate_collect() - take a chunk that was made
 * @hvb: the device
 * @chunk: set to it
 *
 * Context: the pump.
 * Return: whether there was one.
 */
bool hvb_evacuate_collect(struct hvb_dev *hvb, struct hvb_chunk *chunk)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	bool found;

	spin_lock(&evac->lock);
	found = evac->nr_made;
	if (found)
		*chunk = evac->made[--evac->nr_made];
	spin_unlock(&evac->lock);
	return found;
}

/**
 * hvb_evacuate_pending() - whether requested chunks may still come
 * @hvb: the device
 *
 * Context: the pump.
 * Return: whether they may.
 */
bool hvb_evacuate_pending(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	bool pending;

	spin_lock(&evac->lock);
	pending = evac->wanted || evac->nr_made;
	spin_unlock(&evac->lock);
	return pending;
}

/**
 * hvb_evacuate_retry() - allow requests again after none could be made
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_evacuate_retry(struct hvb_dev *hvb)
{
	spin_lock(&hvb->evacuate.lock);
	hvb->evacuate.exhausted = false;
	spin_unlock(&hvb->evacuate.lock);
}

/**
 * hvb_evacuate_stop() - no more chunks are wanted until hvb_evacuate_retry()
 * @hvb: the device
 *
 * Does not wait for one that is being made: it is freed when it is done.
 *
 * Context: the pump, or while it cannot run.
 */
void hvb_evacuate_stop(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;
	struct hvb_chunk chunk;

	spin_lock(&evac->lock);
	evac->wanted = 0;
	evac->reserve = 0;
	evac->exhausted = true;
	spin_unlock(&evac->lock);
	while (hvb_evacuate_collect(hvb, &chunk))
		hvb_free_chunk(&chunk);
}

/**
 * hvb_evacuate_reserve() - fill the guest's reserve of free chunks
 * @hvb: the device; its balloon has grown
 *
 * Context: the pump.
 */
void hvb_evacuate_reserve(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;

	spin_lock(&evac->lock);
	evac->reserve = hvb_chunks_to_reserve(&hvb->balloon);
	spin_unlock(&evac->lock);
	queue_work(hvb->slow_wq, &evac->work);
}

/**
 * hvb_evacuate_rest() - wait a limited time for a migration or reclaim to end
 * @hvb: the device, which rests
 *
 * File systems should not be written to while the image of a hibernation is made. A
 * migration that hangs does not write, and does not block the freeze.
 *
 * Context: the PM notifier; sleeps for two seconds at most.
 */
void hvb_evacuate_rest(struct hvb_dev *hvb)
{
	const unsigned long give_up = jiffies + HVB_REST_LIMIT;

	while (work_busy(&hvb->evacuate.work) && time_before(jiffies, give_up))
		msleep(HVB_REST_POLL_MS);
}

/**
 * hvb_evacuate_resume() - continue after the system was frozen
 * @hvb: the device
 *
 * Context: the pump.
 */
void hvb_evacuate_resume(struct hvb_dev *hvb)
{
	queue_work(hvb->slow_wq, &hvb->evacuate.work);
}

static bool hvb_evacuate_overlaps(struct hvb_evacuate *evac, const struct hvb_extent *range)
{
	bool overlap;

	spin_lock(&evac->lock);
	overlap = evac->range.start < range->end && evac->range.end > range->start;
	spin_unlock(&evac->lock);
	return overlap;
}

/**
 * hvb_evacuate_wait() - wait until nothing is migrated from memory that goes offline
 * @hvb: the device
 * @range: the memory, noted as going offline
 *
 * The kernel has isolated the range before it calls the notifier, and no evacuation
 * begins in it now. One that had isolated its chunk earlier made that fail; one that was
 * about to fails.
 *
 * Context: process, may sleep for two seconds.
 * Return: 0 or -EBUSY.
 */
int hvb_evacuate_wait(struct hvb_dev *hvb, const struct hvb_extent *range)
{
	struct hvb_evacuate *evac = &hvb->evacuate;

	return wait_event_timeout(evac->idle, !hvb_evacuate_overlaps(evac, range),
				  HVB_EVACUATE_WAIT) ? 0 : -EBUSY;
}

/**
 * hvb_evacuate_init() - get ready to make chunks
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_evacuate_init(struct hvb_dev *hvb)
{
	struct hvb_evacuate *evac = &hvb->evacuate;

	INIT_WORK(&evac->work, hvb_evacuate_work);
	spin_lock_init(&evac->lock);
	init_waitqueue_head(&evac->idle);
	evac->restart = jiffies;
}

/**
 * hvb_evacuate_exit() - wait until no chunk is made any more
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep for as long as a migration that has begun.
 */
void hvb_evacuate_exit(struct hvb_dev *hvb)
{
	hvb_evacuate_stop(hvb);
	cancel_work_sync(&hvb->evacuate.work);
}
