/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Dynamic Memory device, and what all files need of it. hv_balloon.c opens with an
 * overview of these.
 */
#ifndef _HVB_DEVICE_H
#define _HVB_DEVICE_H

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "balloon.h"
#include "evacuate.h"
#include "events.h"
#include "hot_add.h"
#include "lib/limits.h"
#include "lib/proto.h"
#include "params.h"
#include "record.h"
#include "reporting.h"

struct dentry;

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

/* Pages of a chunk. */
#define HVB_CHUNK_PAGES		BIT(HVB_CHUNK_ORDER)

/* "Not before somebody asks for it", as the delay of a part of the pump. */
#define HVB_NEVER	MAX_SCHEDULE_TIMEOUT

/* The folder of our files in sysfs. */
#define HVB_GROUP	"dynamic_memory"

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
 * @transfer_lock: held while pages pass between guest and host, and while the hotplug
 *	map grows. Taken by the pump and by the memory notifier,
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

void hvb_device_init(struct hvb_dev *hvb);
void hvb_kick(struct hvb_dev *hvb, unsigned long delay);
void hvb_notify(struct hvb_dev *hvb, const char *name);
void hvb_wait_begin(struct hvb_dev *hvb, const char *what);
void hvb_wait_end(struct hvb_dev *hvb);

#ifndef CONFIG_MEMORY_HOTPLUG
#include "no_hot_add.h"
#endif

#endif /* _HVB_DEVICE_H */
