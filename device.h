/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Dynamic Memory device, and the helpers that all files share. hv_balloon.c opens
 * with an overview of the files.
 */
#ifndef _HVB_DEVICE_H
#define _HVB_DEVICE_H

#include <linux/atomic.h>
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

#include "alloc.h"
#include "balloon.h"
#include "demand.h"
#include "evacuate.h"
#include "events.h"
#include "hot_add.h"
#include "lib/limits.h"
#include "lib/proto.h"
#include "oom.h"
#include "params.h"
#include "record.h"
#include "reporting.h"
#include "stats.h"
#include "status.h"

struct dentry;

/* The protocol counts pages of 4 KiB, and hot-add names no NUMA node. */
#define HVB_CAN_BALLOON	(PAGE_SIZE == HV_HYP_PAGE_SIZE)
#define HVB_CAN_HOT_ADD	(HVB_CAN_BALLOON && !IS_ENABLED(CONFIG_ARM64) && \
			 IS_ENABLED(CONFIG_MEMORY_HOTPLUG))

/* PFNs of the protocol have 40 bits; an unsigned long must hold them. */
static_assert(BITS_PER_LONG == 64);
static_assert(HVB_HOST_PAGE_SHIFT == HV_HYP_PAGE_SHIFT);

/*
 * As an allocation of user memory: without the reserves, and without a warning on
 * failure. The pages cannot be migrated.
 */
#define HVB_GFP		(GFP_HIGHUSER | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* Pages of a chunk. */
#define HVB_CHUNK_PAGES		BIT(HVB_CHUNK_ORDER)

/* Delay of a step of the pump: until the next kick. */
#define HVB_NEVER	MAX_SCHEDULE_TIMEOUT

/* Sleep of a task that hits OOM, per call of the notifier. */
#define HVB_OOM_SLICE	(HZ / 20)

/* The directory of the driver in sysfs. */
#define HVB_GROUP	"dynamic_memory"

/**
 * enum hvb_state - where the dialogue with the host stands
 * @HVB_STATE_CLOSED: no channel
 * @HVB_STATE_OPENED: the channel is open, no message was sent yet
 * @HVB_STATE_VERSION: a version was proposed, the host has not answered
 * @HVB_STATE_CAPABILITIES: the capabilities were sent, the host has not answered
 * @HVB_STATE_RUNNING: agreed; requests are served and reports are sent
 * @HVB_STATE_FAILED: the host refused or was silent; messages are dropped
 * @HVB_STATES: number of states
 */
enum hvb_state {
	HVB_STATE_CLOSED,
	HVB_STATE_OPENED,
	HVB_STATE_VERSION,
	HVB_STATE_CAPABILITIES,
	HVB_STATE_RUNNING,
	HVB_STATE_FAILED,
	HVB_STATES,
};

/**
 * struct hvb_arrivals - memory that became usable, an upper bound: onlined and deflated
 */
struct hvb_arrivals {
	/** @pages: sum since probe */
	atomic64_t pages;

	/** @freed: the same of what the host never had: freed before a report */
	atomic64_t freed;

	/** @wait: woken when @pages or @freed grows */
	wait_queue_head_t wait;
};

/**
 * struct hvb_dev - the Dynamic Memory device
 *
 * The pump is a work item, so it never runs twice at once: what is "pump only" needs
 * no lock. Probe, remove, suspend and resume may touch it while the pump cannot run.
 * Only the work items of @events and @exit are freezable: operations that must stop
 * while the system is frozen check @pausing. So a probe during a freeze can complete
 * negotiation, and a work item that is stuck does not block the freeze.
 */
struct hvb_dev {
	/* Written by probe, constant afterwards. */

	/** @hdev: the VMBus device */
	struct hv_device *hdev;

	/**
	 * @wq: runs @pump and @report, which may run concurrently
	 */
	struct workqueue_struct *wq;

	/** @slow_wq: runs the work of @evacuate and of @hot_add, which wait without a bound */
	struct workqueue_struct *slow_wq;

	/**
	 * @hibernation: the guest can hibernate, so all requests are refused: on resume
	 * the host gives it exactly the memory that it was started with
	 */
	bool hibernation;

	/** @taken_over: this probe has taken over from the in-tree driver; takeover.c */
	bool taken_over;

	/** @pm_nb: the power management notifier */
	struct notifier_block pm_nb;

	/** @debugfs: the directory in debugfs */
	struct dentry *debugfs;

	/** @debugfs_legacy: the file of the in-tree driver */
	struct dentry *debugfs_legacy;

	/* The pump, and members that only it writes. */

	/** @pump: the only reader of the channel and the only worker on requests */
	struct delayed_work pump;

	/** @rx: receive buffer, HVB_RING_BYTES; pump only */
	void *rx;

	/** @state: changed by hvb_set_state() only; pump only, read anywhere */
	enum hvb_state state;

	/** @version: protocol version agreed or proposed; pump only, read anywhere */
	u32 version;

	/** @proposal: index of that version; pump only */
	unsigned int proposal;

	/** @deadline: jiffies at which negotiation with a silent host fails; pump only */
	unsigned long deadline;

	/** @error: why negotiation failed, negative error number; pump only */
	int error;

	/**
	 * @negotiated: completed when @state became RUNNING or FAILED, and when the
	 * system is about to freeze
	 */
	struct completion negotiated;

	/** @no_reports: the host wants no status reports; written by the pump, read anywhere */
	bool no_reports;

	/** @rested: the pump has seen @pausing; pump only */
	bool rested;

	/** @stats: counters; pump, with an exception */
	struct hvb_stats stats;

	/** @inflate: the operation in progress; pump only */
	struct hvb_inflate inflate;

	/** @alloc: which blocks to try for; pump only */
	struct hvb_alloc alloc;

	/* Written outside the pump, to stop it or its operations. */

	/** @kick_lock: protects @stopping against a kick of the pump */
	spinlock_t kick_lock;

	/**
	 * @stopping: the channel is not open or is about to be closed: the pump must
	 * not be queued, and ends soon if it runs. Written by hvb_pump_start() and
	 * hvb_pump_stop() under @kick_lock, read anywhere
	 */
	bool stopping;

	/**
	 * @pausing: the system freezes or is frozen: operations rest. Written by the
	 * PM notifier, read anywhere
	 */
	bool pausing;

	/* Sending. */

	/** @room: woken by the channel callback when the ring may have room */
	wait_queue_head_t room;

	/** @send_lock: messages are numbered and sent one at a time */
	struct mutex send_lock;

	/** @trans_id: number of the last message sent; under @send_lock */
	u32 trans_id;

	/* The parts, each documented where it is defined. */

	/**
	 * @transfer_lock: held while pages pass between guest and host, and while the
	 * hotplug map grows. Taken by the pump, by the work of @evacuate and by the
	 * memory notifier, which runs under the hotplug lock: never held over a call
	 * that adds memory
	 */
	struct mutex transfer_lock;

	/** @balloon: ballooned pages */
	struct hvb_balloon balloon;

	/** @evacuate: evacuates chunks for @balloon */
	struct hvb_evacuate evacuate;

	/** @hot_add: hot-added memory */
	struct hvb_hot_add hot_add;

	/** @demand: state of the demand */
	struct hvb_demand_state demand;

	/** @report: the status report */
	struct hvb_report report;

	/** @oom: OOM handling */
	struct hvb_oom oom;

	/** @arrivals: memory that became usable */
	struct hvb_arrivals arrivals;

	/** @reporting: free page reporting */
	struct hvb_reporting reporting;

	/** @record: last messages, latency of operations */
	struct hvb_record record;

	/** @events: memory events */
	struct hvb_events events;

	/* Written by probe and remove. */

	/** @wait_log: logs @waits_for if the wait is long */
	struct delayed_work wait_log;

	/** @waits_for: what probe or remove waits for */
	const char *waits_for;

	/** @exit: frees the device, see hvb_free_device() */
	struct work_struct exit;

	/** @exit_due: @exit is to be queued after the thaw */
	bool exit_due;

	/** @exited: completed by @exit; NULL if remove does not wait */
	struct completion *exited;
};

static inline struct device *hvb_device(const struct hvb_dev *hvb)
{
	return &hvb->hdev->device;
}

/* The channel is about to be closed, or was rescinded. */
static inline bool hvb_must_end(const struct hvb_dev *hvb)
{
	return READ_ONCE(hvb->stopping) || READ_ONCE(hvb->hdev->channel->rescind);
}

/* Long operations must stop, until the thaw or for good. */
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

/* Milliseconds since boot, as lib/ counts time. */
static inline u64 hvb_now_ms(void)
{
	return jiffies64_to_msecs(get_jiffies_64());
}

/* Pages that became usable since probe. */
static inline u64 hvb_arrived(const struct hvb_dev *hvb)
{
	return atomic64_read(&hvb->arrivals.pages);
}

/* Pages that were taken since probe and freed before a report. */
static inline u64 hvb_freed(const struct hvb_dev *hvb)
{
	return atomic64_read(&hvb->arrivals.freed);
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

/* KiB to pages of the protocol, rounded up. */
static inline u64 hvb_kib_to_pages(u64 kib)
{
	return DIV_ROUND_UP(kib, 1U << (HV_HYP_PAGE_SHIFT - 10));
}

void hvb_device_init(struct hvb_dev *hvb);
void hvb_queue(struct hvb_dev *hvb, struct delayed_work *work, unsigned long delay);
void hvb_kick(struct hvb_dev *hvb, unsigned long delay);
void hvb_memory_arrived(struct hvb_dev *hvb, u64 pages);
void hvb_memory_freed(struct hvb_dev *hvb, u64 pages);
void hvb_notify(struct hvb_dev *hvb, const char *name);
void hvb_wait_begin(struct hvb_dev *hvb, const char *what);
void hvb_wait_end(struct hvb_dev *hvb);

#ifndef CONFIG_MEMORY_HOTPLUG
#include "no_hot_add.h"
#endif

#endif /* _HVB_DEVICE_H */
