/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the driver share. hv_balloon.c opens with an overview.
 */
#ifndef _HVB_HV_BALLOON_H
#define _HVB_HV_BALLOON_H

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "lib/batch.h"
#include "lib/limits.h"
#include "hypercall.h"
#include "lib/proto.h"
#include "record.h"
#include "lib/region.h"

struct dentry;
struct page;
struct seq_file;
struct zone;

/* The protocol counts in pages of 4 KiB, and names no NUMA node to add to. */
#define HVB_CAN_BALLOON	(PAGE_SIZE == HV_HYP_PAGE_SIZE)
#define HVB_CAN_HOT_ADD	(HVB_CAN_BALLOON && !IS_ENABLED(CONFIG_ARM64) && \
			 IS_ENABLED(CONFIG_MEMORY_HOTPLUG))

/* Page frames of the host have 40 bits; those of the guest must hold them. */
static_assert(BITS_PER_LONG == 64);
static_assert(HVB_HOST_PAGE_SHIFT == HV_HYP_PAGE_SHIFT);

/*
 * Memory that programs could have had: without the reserves, and without a
 * complaint if there is none. The pages cannot move.
 */
#define HVB_GFP		(GFP_HIGHUSER | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* No memory block has this as its first PFN. */
#define HVB_NO_BLOCK	U64_MAX

/* "Not before somebody asks for it", as the delay of a part of the pump. */
#define HVB_NEVER	MAX_SCHEDULE_TIMEOUT

/**
 * enum hvb_state - where the dialogue with the host stands
 * @HVB_CLOSED: no channel
 * @HVB_OPENED: the channel is open, nothing was said yet
 * @HVB_VERSION: a version was proposed, the host has not answered
 * @HVB_CAPABILITIES: the capabilities were sent, the host has not answered
 * @HVB_RUNNING: agreed; requests are served and reports are sent
 * @HVB_FAILED: the host refused or was silent; messages are dropped
 * @HVB_STATES: number of states
 */
enum hvb_state {
	HVB_CLOSED,
	HVB_OPENED,
	HVB_VERSION,
	HVB_CAPABILITIES,
	HVB_RUNNING,
	HVB_FAILED,
	HVB_STATES,
};

/**
 * struct hvb_params - the module parameters, as hv_balloon.c keeps them
 * @hot_add: serve hot-add requests
 * @report_delay: seconds from agreement with the host to the first report
 * @floor_mib: least floor in MiB, 0 for none
 * @max_range_mib: most MiB that a range in a message has, 0 for no such limit
 * @shrink: ballooned memory leaves the guest's total (fixed at load)
 * @reclaim: take back what an earlier load left ballooned (fixed at load)
 *
 * All but the fixed ones can be written through sysfs at any time: read once
 * per use, with READ_ONCE().
 */
struct hvb_params {
	bool hot_add;
	unsigned int report_delay;
	unsigned int floor_mib;
	unsigned int max_range_mib;
	bool shrink;
	bool reclaim;
};

extern struct hvb_params hvb_params;

/**
 * struct hvb_stats - counters since probe
 * @rejected: messages that failed a check of the codec, by reason
 * @unexpected: messages that had no place in the state
 * @reserved_bits: messages with a reserved bit set
 * @size_mismatches: messages with a size in the header that does not fit
 * @reports: status reports that were sent
 * @send_failures: messages that could not be sent
 * @balloon_requests: requests for pages
 * @balloon_requested: pages that the host asked for
 * @balloon_given: pages of these that it got
 * @balloon_refused: pages of these that it did not get
 * @returned: pages that the host gave back
 * @foreign_ranges: ranges that it wanted to give back and were not ours
 * @blocks_taken: blocks that were taken for the host, by order
 * @block_failures: how often none of that order was to be had
 * @blocks_cleared: blocks of HVB_CHUNK_ORDER that were emptied for that
 * @blocks_kept: blocks of HVB_CHUNK_ORDER that were emptied for the guest
 * @hot_add_requests: requests to add memory
 * @hot_add_requested: pages that the host offered
 * @hot_add_added: pages of these that were added
 * @hot_add_refused: pages of these that were not
 * @pages_looked_at: steps in the search for what an earlier load left
 *
 * Written by the pump only, except for @reports (report work).
 */
struct hvb_stats {
	u64 rejected[HVB_REJECTS];
	u64 unexpected;
	u64 reserved_bits;
	u64 size_mismatches;
	u64 reports;
	u64 send_failures;
	u64 balloon_requests;
	u64 balloon_requested;
	u64 balloon_given;
	u64 balloon_refused;
	u64 returned;
	u64 foreign_ranges;
	u64 blocks_taken[HVB_CHUNK_ORDER + 1];
	u64 block_failures[HVB_CHUNK_ORDER + 1];
	u64 blocks_cleared;
	u64 blocks_kept;
	u64 hot_add_requests;
	u64 hot_add_requested;
	u64 hot_add_added;
	u64 hot_add_refused;
	u64 pages_looked_at;
};

/* How many orders a mark can have (mark.h). */
#define HVB_MARK_ORDERS	32

/**
 * struct hvb_balloon - pages that the host has
 * @pages: all of them
 * @hidden: those among them that left the guest's total
 * @blocks: blocks that they are in, by order
 * @adopted: pages that an earlier load of the driver had left
 * @active: an inflate operation runs
 * @asked: pages that the host wants of this operation
 * @wanted: pages that this operation still has to find
 * @not_before: jiffies before which no page is looked for
 * @progress_mark: what @wanted should fall to, at least
 * @give_up: jiffies at which the operation ends if it has not until then
 * @highest_order: largest block worth trying for; falls when a try fails,
 *	rises by one with each step
 * @in_step: a step has begun, and goes on when a chunk has been made
 * @chunk_deadline: jiffies at which no chunk is waited for any more
 * @movable: memory that only programs can use may still be had in this step
 * @movable_order: the largest block of it worth trying for
 * @shortage_logged: the last operation ended short of pages, and the log says so
 * @batch: blocks taken, not reported yet
 * @response: the message under construction, HVB_MSG_MAX bytes
 *
 * Written by the pump only, but for what changes in @pages, @hidden and @blocks
 * when a memory block goes offline: the writer holds hvb->transfer_lock. They are
 * read anywhere.
 */
struct hvb_balloon {
	u64 pages;
	u64 hidden;
	u64 blocks[HVB_MARK_ORDERS];
	u64 adopted;
	bool active;
	u64 asked;
	u64 wanted;
	unsigned long not_before;
	u64 progress_mark;
	unsigned long give_up;
	unsigned int highest_order;
	bool in_step;
	unsigned long chunk_deadline;
	bool movable;
	unsigned int movable_order;
	bool shortage_logged;
	struct hvb_batch *batch;
	struct hvb_wire_balloon_response *response;
};

/* Pages of a chunk. */
#define HVB_CHUNK_PAGES		BIT(HVB_CHUNK_ORDER)

/* Passes through all memory for chunks; the guest, which may never need them, gets fewer. */
#define HVB_PASSES		3
#define HVB_PASSES_FOR_GUEST	(HVB_PASSES - 1)

/* Chunks that are made before the pump has collected the first of them. */
#define HVB_CHUNKS_AHEAD	8

/* How long an inflate waits for the next chunk: longer than one takes to make. */
#define HVB_CHUNK_WAIT		HZ

/**
 * struct hvb_chunk - 2 MiB of memory that belong to the driver
 * @page: the first page
 * @order: of the blocks that it consists of: HVB_CHUNK_ORDER, or 0
 */
struct hvb_chunk {
	struct page *page;
	unsigned int order;
};

/**
 * struct hvb_evacuate - makes chunks, in a work item of its own
 * @work: makes them; may wait for as long as a file system or a disk likes
 * @lock: protects all down to @range
 * @wanted: chunks to make for the host
 * @reserve: chunks to make for the guest, at most, after those
 * @exhausted: there were none to be made
 * @nr_made: chunks that wait for the pump
 * @made: they
 * @range: PFNs that are migrated from just now, empty if none are
 * @idle: woken when @range becomes empty
 * @pass: how often all memory was gone through; @work only, as what follows
 * @next: PFN up to which that is still to be done
 * @restart: jiffies from which on to begin with the first pass again
 */
struct hvb_evacuate {
	struct work_struct work;
	spinlock_t lock; /* protects all down to range */
	unsigned int wanted;
	unsigned int reserve;
	bool exhausted;
	unsigned int nr_made;
	struct hvb_chunk made[HVB_CHUNKS_AHEAD];
	struct hvb_extent range;
	wait_queue_head_t idle;
	unsigned int pass;
	u64 next;
	unsigned long restart;
};

/**
 * enum hvb_hot_add_state - where a request to add memory stands
 * @HVB_HOT_ADD_IDLE: there is none
 * @HVB_HOT_ADD_NEXT: the next block can be added
 * @HVB_HOT_ADD_ADDING: the add work adds a block
 * @HVB_HOT_ADD_ONLINING: a block was added and should come online first
 * @HVB_HOT_ADD_PARKED: there was no memory for a memory map; try again later
 * @HVB_HOT_ADD_STATES: number of states
 */
enum hvb_hot_add_state {
	HVB_HOT_ADD_IDLE,
	HVB_HOT_ADD_NEXT,
	HVB_HOT_ADD_ADDING,
	HVB_HOT_ADD_ONLINING,
	HVB_HOT_ADD_PARKED,
	HVB_HOT_ADD_STATES,
};

/**
 * struct hvb_add - adds a memory block, in a work item of its own
 * @work: calls add_memory(), which may wait for as long as memory hotplug in progress
 * @busy: it is queued or runs; set by the pump, cleared by @work
 * @answered: the host was told that the block is there; see hvb_add_abandon()
 * @block: first PFN of the block; this and the next two are written by the
 *	pump while @work is not busy
 * @start: first PFN of it that the host gives
 * @end: end PFN, exclusive
 * @result: 0 or a negative error number; holds when no longer @busy
 */
struct hvb_add {
	struct work_struct work;
	bool busy;
	bool answered;
	u64 block;
	u64 start;
	u64 end;
	int result;
};

/**
 * struct hvb_hot_add - memory that the host gave on top
 * @lock: protects @regions. Taken by the pump, by the online-page callback and
 *	by the memory notifier (both run under the hotplug lock, in the pump or
 *	in a task that onlines memory); never held over a call that onlines,
 *	adds or sleeps
 * @regions: which memory that is
 * @foreign_blocks: how many blocks of others were found to have a gap
 * @going_offline: PFNs that are about to go offline, empty if none are;
 *	protected by @lock, written by the task that takes them offline
 * @pending_block: block that was or is being added and is not online yet, HVB_NO_BLOCK
 *	if there is none to wait for; protected by @lock
 * @pending_done: woken when @pending_block has changed
 * @usable: the kernel lets us online memory in parts (the online-page callback
 *	is ours) and the guest can hot-add
 * @groups: memory group of each node, negative if it has none yet
 * @closing: the driver ends: no block that has a gap may come online any more
 * @comes_movable: the last block came online as memory for programs only
 * @add: adds blocks
 * @state: where the request stands. From here on: pump only
 * @next: next PFN to add
 * @end: end PFN of the request, exclusive
 * @offered: pages of the request
 * @added: pages added so far
 * @skipped: pages behind those that were left out, see hvb_hot_add_skip()
 * @not_before: jiffies before which nothing is tried
 * @give_up: jiffies at which the operation is answered as it stands
 * @short_of_memory: @give_up holds: a block could not be added for lack of
 *	memory
 * @nobody_onlines: a block stayed offline too long; wait for none until one
 *	is onlined
 * @check_offline: jiffies of the next look for blocks that stayed offline
 * @check_armed: @check_offline holds
 * @offline_warned: the log says that blocks stay offline
 * @max_pages: the most pages that the host will ever give, 0 if not known
 * @memory_nb: the memory notifier
 */
struct hvb_hot_add {
	spinlock_t lock; /* protects all down to pending_block */
	struct hvb_regions regions;
	unsigned int foreign_blocks;
	struct hvb_extent going_offline;
	u64 pending_block;
	wait_queue_head_t pending_done;
	bool usable;
	int *groups;
	bool closing;
	bool comes_movable;
	struct hvb_add add;
	enum hvb_hot_add_state state;
	u64 next;
	u64 end;
	u32 offered;
	u32 added;
	u32 skipped;
	unsigned long not_before;
	unsigned long give_up;
	bool short_of_memory;
	bool nobody_onlines;
	unsigned long check_offline;
	bool check_armed;
	bool offline_warned;
	u64 max_pages;
	struct notifier_block memory_nb;
};

/**
 * struct hvb_events - what programs are told of the guest's size
 * @work: tells
 * @lock: protects @step_kib and @reported_gain
 * @step_kib: the change in KiB that is an event, 0 for no events
 * @reported_gain: by how much hot-add and balloon had made the guest larger at the
 *	last event, in KiB
 * @count: events so far; written by @work only
 * @notified_ballooned: ballooned pages when programs that poll were woken last;
 *	@work only
 * @seen_ballooned: ballooned pages when the pump looked last; pump only
 * @seen_online: the same of hot-added pages that are online
 */
struct hvb_events {
	struct delayed_work work;
	spinlock_t lock; /* protects step_kib and reported_gain */
	u64 step_kib;
	s64 reported_gain;
	u64 count;
	u64 notified_ballooned;
	u64 seen_ballooned;
	u64 seen_online;
};

/**
 * struct hvb_reporting - free memory that the host may use meanwhile
 * @prdev: our end of the kernel's page reporting
 * @hint: the hint under construction, NULL if none is given
 * @work: unregisters @prdev after failures, and registers it again
 * @ending: the driver goes: @work must do nothing any more
 * @registered: @prdev is; written by @work, and when that cannot run
 * @since: jiffies at which it was registered
 * @pause: jiffies that the host is left alone
 * @on: hints are given
 * @large_only: the host takes none at less than 2 MiB
 * @in_a_row: the last so many failed
 * @pages: pages in hints that the host took
 * @failures: hints that it did not take
 *
 * The kernel makes one report at a time. From @pause on only that writes, but
 * for @on, which @work sets when there is none.
 */
struct hvb_reporting {
	struct page_reporting_dev_info prdev;
	struct hv_memory_hint *hint;
	struct delayed_work work;
	bool ending;
	bool registered;
	unsigned long since;
	unsigned long pause;
	bool on;
	bool large_only;
	unsigned int in_a_row;
	u64 pages;
	u64 failures;
};

/**
 * struct hvb_dev - the Dynamic Memory device
 * @hdev: the VMBus device
 * @wq: runs @pump, @report and the work of @events, which may overlap each other
 * @slow_wq: runs what may wait for as long as others like: the work of @evacuate
 *	and of @hot_add
 * @state: see there; changed by hvb_set_state() only
 * @version: protocol version agreed or proposed
 * @proposal: index of that version
 * @deadline: jiffies at which a silent host is given up, while negotiating
 * @negotiated: completed when @state became RUNNING or FAILED, and when the
 *	system is about to freeze
 * @error: why it FAILED, negative error number
 * @no_reports: the host wants no status reports
 * @hibernation: the guest can hibernate, so all requests are refused
 * @hibernation_logged: the log says so
 * @kick_lock: protects @stopping
 * @stopping: the channel is not open or is about to be closed: the pump must
 *	not be queued, and ends soon if it runs
 * @pausing: the system freezes or is frozen: operations rest; written by the PM
 *	notifier
 * @rested: the pump has seen @pausing; pump only
 * @oom_until: in jiffies64: the guest was out of memory, give nothing
 * @pump: the only reader of the channel and the only worker on requests
 * @report: sends the status report
 * @report_status: the figures sent last, for debugfs
 * @room: woken by the host when the ring may have room
 * @send_lock: messages are numbered and sent one at a time
 * @trans_id: number of the last message that was sent; protected by @send_lock
 * @transfer_lock: held while pages pass between guest and host, and while the books
 *	of hot-added memory grow. Taken by the pump and by the memory notifier,
 *	which runs under the hotplug lock: never held over a call that adds
 *	memory
 * @rx: receive buffer, HVB_RING_BYTES
 * @stats: counters
 * @balloon: pages that the host has
 * @evacuate: makes chunks for it
 * @hot_add: memory that the host gave on top
 * @reporting: free memory that the host may use meanwhile
 * @record: what is remembered for people who look for a fault
 * @events: what programs are told
 * @pm_nb: the power management notifier
 * @oom_nb: the out-of-memory notifier
 * @wait_log: logs @waits_for, if that takes long
 * @waits_for: what probe or remove waits for
 * @debugfs: our directory
 * @debugfs_legacy: the file that the driver in the kernel tree has
 *
 * The pump is a work item, so it never runs twice at once: what only it
 * touches needs no lock. No work item is freezable: what must not go on while the
 * system is frozen looks at @pausing. So a probe that begins meanwhile can agree with
 * the host, and nothing that is stuck keeps the system from freezing.
 */
struct hvb_dev {
	struct hv_device *hdev;
	struct workqueue_struct *wq;
	struct workqueue_struct *slow_wq;
	enum hvb_state state;
	u32 version;
	unsigned int proposal;
	unsigned long deadline;
	struct completion negotiated;
	int error;
	bool no_reports;
	bool hibernation;
	bool hibernation_logged;
	spinlock_t kick_lock; /* protects stopping */
	bool stopping;
	bool pausing;
	bool rested;
	u64 oom_until;
	struct delayed_work pump;
	struct delayed_work report;
	struct hvb_status report_status;
	wait_queue_head_t room;
	struct mutex send_lock; /* protects trans_id */
	u32 trans_id;
	struct mutex transfer_lock; /* see above */
	void *rx;
	struct hvb_stats stats;
	struct hvb_balloon balloon;
	struct hvb_evacuate evacuate;
	struct hvb_hot_add hot_add;
	struct hvb_reporting reporting;
	struct hvb_record record;
	struct hvb_events events;
	struct notifier_block pm_nb;
	struct notifier_block oom_nb;
	struct delayed_work wait_log;
	const char *waits_for;
	struct dentry *debugfs;
	struct dentry *debugfs_legacy;
};

static inline struct device *hvb_device(const struct hvb_dev *hvb)
{
	return &hvb->hdev->device;
}

/* The channel is about to be closed, or the host has gone. */
static inline bool hvb_must_end(const struct hvb_dev *hvb)
{
	return READ_ONCE(hvb->stopping) || READ_ONCE(hvb->hdev->channel->rescind);
}

/* Long operations must stop where they are: until the thaw, or for good. */
static inline bool hvb_must_rest(const struct hvb_dev *hvb)
{
	return READ_ONCE(hvb->pausing) || hvb_must_end(hvb);
}

/* Jiffies from now to @when, 0 if that has passed. */
static inline unsigned long hvb_jiffies_until(unsigned long when)
{
	const unsigned long now = jiffies;

	return time_after(when, now) ? when - now : 0;
}

static inline u64 hvb_pages_to_mib(u64 pages)
{
	return pages / HVB_PAGES_PER_MIB;
}

/* Pages of the protocol to KiB. */
static inline u64 hvb_pages_to_kib(u64 pages)
{
	return pages << (HV_HYP_PAGE_SHIFT - 10);
}

static inline u64 hvb_rejected_messages(const struct hvb_stats *stats)
{
	enum hvb_reject reason;
	u64 rejected = 0;

	for (reason = HVB_REJECT_SHORT; reason < HVB_REJECTS; reason++)
		rejected += READ_ONCE(stats->rejected[reason]);
	return rejected;
}

/* The folder of our files in sysfs. */
#define HVB_GROUP	"dynamic_memory"

/* device.c */
void hvb_device_init(struct hvb_dev *hvb);
void hvb_kick(struct hvb_dev *hvb, unsigned long delay);
void hvb_notify(struct hvb_dev *hvb, const char *name);
void hvb_wait_begin(struct hvb_dev *hvb, const char *what);
void hvb_wait_end(struct hvb_dev *hvb);

/* pump.c */
int hvb_pump_init(struct hvb_dev *hvb);
void hvb_pump_exit(struct hvb_dev *hvb);
int hvb_pump_start(struct hvb_dev *hvb);
void hvb_pump_stop(struct hvb_dev *hvb);

/* channel.c */
int hvb_channel_init(struct hvb_dev *hvb);
void hvb_channel_exit(struct hvb_dev *hvb);
int hvb_channel_open(struct hvb_dev *hvb);
void hvb_channel_close(struct hvb_dev *hvb);
u32 hvb_read(struct hvb_dev *hvb);
bool hvb_message_waits(struct hvb_dev *hvb);
int hvb_send(struct hvb_dev *hvb, void *msg, u16 size);
int hvb_send_now(struct hvb_dev *hvb, void *msg, u16 size);

/* negotiate.c */
const char *hvb_state_name(enum hvb_state state);
int hvb_wait_negotiated(struct hvb_dev *hvb);
bool hvb_refuses_all(struct hvb_dev *hvb);
unsigned long hvb_negotiate_run(struct hvb_dev *hvb);
void hvb_negotiate_version(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_negotiate_capabilities(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_set_state(struct hvb_dev *hvb, enum hvb_state state);

/* balloon.c */
int hvb_balloon_init(struct hvb_dev *hvb);
void hvb_balloon_exit(struct hvb_dev *hvb);
void hvb_inflate_begin(struct hvb_dev *hvb, u32 num_pages);
unsigned long hvb_inflate_run(struct hvb_dev *hvb);
void hvb_inflate_resume(struct hvb_dev *hvb);
void hvb_inflate_end(struct hvb_dev *hvb);
void hvb_inflate_refuse(struct hvb_dev *hvb, u32 num_pages);
void hvb_deflate(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_deflate_confirm(struct hvb_dev *hvb);

/* chunks.c */
void hvb_chunks_choose(struct hvb_dev *hvb);
bool hvb_chunks_can_spare(const struct hvb_dev *hvb);
u32 hvb_chunks_take(struct hvb_dev *hvb, u64 budget);
bool hvb_chunks_pending(struct hvb_dev *hvb);
bool hvb_chunks_are_ballooned(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_chunks_release(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_chunks_adopt(struct hvb_dev *hvb, struct page *page);
int hvb_chunks_adopt_offline(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_chunks_detach(struct hvb_dev *hvb, struct page *page);

/* candidates.c */
bool hvb_zone_can_spare(struct zone *zone);
bool hvb_worth_evacuating(struct hvb_dev *hvb, u64 pfn, unsigned int pass);
u64 hvb_free_in_blocks(const struct zone *zone, unsigned int order);

/* evacuate.c */
void hvb_evacuate_init(struct hvb_dev *hvb);
void hvb_evacuate_exit(struct hvb_dev *hvb);
void hvb_evacuate_request(struct hvb_dev *hvb, unsigned int nr);
bool hvb_evacuate_collect(struct hvb_dev *hvb, struct hvb_chunk *chunk);
bool hvb_evacuate_pending(struct hvb_dev *hvb);
void hvb_evacuate_retry(struct hvb_dev *hvb);
void hvb_evacuate_stop(struct hvb_dev *hvb);
void hvb_evacuate_reserve(struct hvb_dev *hvb);
void hvb_evacuate_resume(struct hvb_dev *hvb);
int hvb_evacuate_leave(struct hvb_dev *hvb, const struct hvb_extent *range);

/* adopt.c */
int hvb_adopt(struct hvb_dev *hvb);

#ifdef CONFIG_MEMORY_HOTPLUG

/* hot_add.c */
int hvb_hot_add_init(struct hvb_dev *hvb);
void hvb_hot_add_exit(struct hvb_dev *hvb);
void hvb_hot_add_begin(struct hvb_dev *hvb, const struct hvb_msg *msg);
unsigned long hvb_hot_add_run(struct hvb_dev *hvb);
void hvb_hot_add_end(struct hvb_dev *hvb);
void hvb_hot_add_refuse(struct hvb_dev *hvb, u32 pages, u32 result);
bool hvb_hot_add_possible(const struct hvb_dev *hvb);
void hvb_hot_add_retry(struct hvb_dev *hvb);
void hvb_hot_add_resume(struct hvb_dev *hvb);
void hvb_add_exit(struct hvb_dev *hvb);
unsigned long hvb_hot_add_await(struct hvb_hot_add *ha);

/* memblock.c */
int hvb_memblock_init(struct hvb_hot_add *ha);
void hvb_memblock_exit(struct hvb_hot_add *ha);
u64 hvb_kernel_pages(bool reserves);
int hvb_try_add_memory(struct hvb_dev *hvb, u64 block, bool whole);
void hvb_remove_partial_blocks(struct hvb_dev *hvb);

/* memory_notifier.c */
int hvb_memory_notifier_init(struct hvb_dev *hvb);
void hvb_memory_notifier_exit(struct hvb_dev *hvb);
void hvb_offline_watch(struct hvb_hot_add *ha);
unsigned long hvb_check_offline(struct hvb_dev *hvb);

/* hotplug_map.c */
int hvb_hotplug_map_reserve(struct hvb_dev *hvb, unsigned int gaps);
int hvb_hotplug_map_add_block(struct hvb_dev *hvb, u64 block, u64 start, u64 end);
void hvb_hotplug_map_drop_block(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_know(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_is_partial(struct hvb_hot_add *ha, u64 block);
bool hvb_hotplug_map_next_partial(struct hvb_hot_add *ha, u64 *block);
bool hvb_hotplug_map_claim(struct hvb_hot_add *ha, u64 pfn, u64 *end);
u64 hvb_hotplug_map_unmark(struct hvb_hot_add *ha, u64 *pfn, u64 end);
u32 hvb_hotplug_map_fill(struct hvb_hot_add *ha, u64 start, u64 *end, bool *online);
void hvb_hotplug_map_return(struct hvb_hot_add *ha, u64 start, u64 end);
bool hvb_hotplug_map_usable(struct hvb_hot_add *ha, u64 pfn, u64 *end);
void hvb_hotplug_map_take(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_hotplug_map_set_online(struct hvb_hot_add *ha, u64 start, u64 count, bool online);
int hvb_hotplug_map_adopt(struct hvb_dev *hvb, u64 start, u64 end, bool taken);
void hvb_hotplug_map_show(struct hvb_hot_add *ha, struct seq_file *file);
void hvb_hotplug_map_free(struct hvb_regions *regions);
u64 hvb_ballooned_span(struct hvb_hot_add *ha, u64 pfn, u64 end);
bool hvb_block_online(struct hvb_hot_add *ha, u64 block);
void hvb_hot_add_totals(struct hvb_dev *hvb, u64 *backed, u64 *online);
bool hvb_goes_offline(struct hvb_hot_add *ha, u64 pfn);
void hvb_set_going_offline(struct hvb_hot_add *ha, struct hvb_extent range);
void hvb_pending_block_begin(struct hvb_hot_add *ha, u64 block);
void hvb_pending_block_done(struct hvb_hot_add *ha, u64 block);

/* online.c */
int hvb_online_claim(struct hvb_dev *hvb);
void hvb_online_disclaim(void);
void hvb_online_init(struct hvb_dev *hvb);
void hvb_online_exit(struct hvb_dev *hvb);
int hvb_online_fill(struct hvb_dev *hvb, u64 start, u64 end, u32 *filled);
int hvb_online_take_back(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_online_filled(struct hvb_hot_add *ha, u64 pfn, u64 end);

/* offline.c */
int hvb_offline_begin(struct hvb_dev *hvb, u64 start, u64 count);
void hvb_offline_cancel(struct hvb_dev *hvb);
void hvb_offline_end(struct hvb_dev *hvb);

#else
#include "no_hot_add.h"
#endif /* CONFIG_MEMORY_HOTPLUG */

/* status.c */
u64 hvb_floor(const struct hvb_dev *hvb);
void hvb_measure(struct hvb_dev *hvb, struct hvb_demand *demand);
void hvb_report_start(struct hvb_dev *hvb);
void hvb_report_work(struct work_struct *work);

/* The first PFN of the memory block that @pfn is in. */
static inline u64 hvb_block_of(const struct hvb_hot_add *ha, u64 pfn)
{
	return round_down(pfn, ha->regions.block_pages);
}

/* reporting.c */
#ifdef CONFIG_PAGE_REPORTING
void hvb_reporting_init(struct hvb_dev *hvb);
void hvb_reporting_exit(struct hvb_dev *hvb);
#else
static inline void hvb_reporting_init(struct hvb_dev *hvb) { }
static inline void hvb_reporting_exit(struct hvb_dev *hvb) { }
#endif

/* events.c */
void hvb_events_init(struct hvb_dev *hvb);
void hvb_events_start(struct hvb_dev *hvb);
void hvb_events_stop(struct hvb_dev *hvb);
void hvb_events_run(struct hvb_dev *hvb);
void hvb_events_set_step(struct hvb_dev *hvb, u64 step_kib);

/* sysfs.c */
extern const struct attribute_group *hvb_groups[];

/* debugfs.c, debugfs_messages.c, debugfs_legacy.c */
#ifdef CONFIG_DEBUG_FS
int hvb_messages_show(struct seq_file *file, void *offset);
int hvb_legacy_show(struct seq_file *file, void *offset);
void hvb_debugfs_init(struct hvb_dev *hvb);
void hvb_debugfs_exit(struct hvb_dev *hvb);
#else
static inline void hvb_debugfs_init(struct hvb_dev *hvb) { }
static inline void hvb_debugfs_exit(struct hvb_dev *hvb) { }
#endif

#endif /* _HVB_HV_BALLOON_H */
