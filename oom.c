// SPDX-License-Identifier: GPL-2.0-only
/*
 * OOM handling: report an emergency demand at once, and defer the OOM killer while
 * the host may give memory.
 *
 * The notifier runs under oom_lock, which OOM handling of a cgroup takes as well. So it
 * sleeps for one slice only and claims that a page was freed: the kernel retries the
 * allocation, and calls again if that fails.
 */
#include <linux/jiffies.h>
#include <linux/oom.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "demand.h"
#include "device.h"
#include "hot_add.h"
#include "lib/limits.h"
#include "oom.h"
#include "params.h"
#include "pending.h"
#include "status.h"
#include "zones.h"

/* After an OOM: no inflate, and an emergency demand, for this time. */
#define HVB_OOM_PAUSE		(10 * HZ)

/* After a wait without success, the next one is allowed after this time. */
#define HVB_OOM_RETRY		(60 * HZ)

/* The host reacts if it gave this much: reset the deadline. 16 MiB. */
#define HVB_OOM_ENOUGH		(16 * HVB_PAGES_PER_MIB)

/*
 * If more than 1/64 of what is assigned and 32 MiB is available, the guest as a whole is not
 * short of memory: the task may be bound to a node that is. What counts as available need not
 * be (cache below memory.min, pinned dentries, ZONE_MOVABLE): the guest is short as well if
 * less than 1 MiB above the minimum is free in kernel zones.
 */
#define HVB_OOM_SHORT_SHARE	64
#define HVB_OOM_SHORT_PAGES	(32 * HVB_PAGES_PER_MIB)
#define HVB_OOM_SHORT_FREE	HVB_PAGES_PER_MIB

static bool hvb_is_short(const struct hvb_dev *hvb)
{
	const u64 available = hvb_host_pages(hvb_available_clean(), PAGE_SHIFT);
	const u64 free = hvb_host_pages(hvb_kernel_pages(false), PAGE_SHIFT);

	return available < hvb_assigned(hvb) / HVB_OOM_SHORT_SHARE + HVB_OOM_SHORT_PAGES ||
	       free < HVB_OOM_SHORT_FREE;
}

/* Return: whether the host has memory for the guest, as far as the guest knows. */
static bool hvb_host_has_more(const struct hvb_dev *hvb)
{
	return READ_ONCE(hvb->balloon.pages) ||
	       (hvb_hot_add_possible(hvb) && !hvb_hot_add_is_at_maximum(hvb));
}

/* Return: whether the current task runs a work item on which the wait depends. */
static bool hvb_oom_in_own_work(struct hvb_dev *hvb)
{
	const struct work_struct *work = current_work();

	return work && (work == &hvb->pump.work || work == &hvb->report.work.work ||
			work == &hvb->hot_add.add.work);
}

/*
 * Return: whether the current task may wait for the driver. Not one that exits: the kernel
 * grants it the reserves.
 */
static bool hvb_oom_task_may_wait(struct hvb_dev *hvb)
{
	return !fatal_signal_pending(current) && !(current->flags & PF_EXITING) &&
	       !hvb_oom_in_own_work(hvb);
}

/* Return: whether to defer the OOM killer until the host gives memory. */
static bool hvb_oom_may_wait(struct hvb_dev *hvb)
{
	if (READ_ONCE(hvb->state) != HVB_STATE_RUNNING || READ_ONCE(hvb->no_reports) ||
	    hvb_must_rest(hvb))
		return false;
	return hvb_oom_task_may_wait(hvb) && hvb_is_short(hvb) && hvb_host_has_more(hvb);
}

/* Return: whether the deadline of the host, @limit seconds, has not passed. */
static bool hvb_oom_in_time(struct hvb_dev *hvb, u64 arrived, unsigned int limit)
{
	const u64 now = get_jiffies_64();
	struct hvb_oom *oom = &hvb->oom;
	bool in_time;

	spin_lock(&oom->lock);
	if (arrived - oom->arrived >= HVB_OOM_ENOUGH ||
	    time_after64(now, oom->deadline + HVB_OOM_RETRY)) {
		oom->arrived = arrived;
		oom->deadline = now + (u64)limit * HZ;
	}
	in_time = time_before64(now, oom->deadline);
	spin_unlock(&oom->lock);
	return in_time;
}

/*
 * Wait for the pump to free what was not reported. Return: pages that were freed since
 * there were @freed.
 */
static unsigned long hvb_oom_await_pump(struct hvb_dev *hvb, u64 freed)
{
	if (READ_ONCE(hvb->inflate.active) && !hvb_must_rest(hvb) && hvb_oom_task_may_wait(hvb))
		wait_event_killable_timeout(hvb->arrivals.wait,
					    hvb_freed(hvb) != freed ||
					    !READ_ONCE(hvb->inflate.active) || hvb_must_rest(hvb),
					    HVB_OOM_SLICE);
	return hvb_freed(hvb) - freed;
}

/* Return: number of pages to claim as freed. */
static unsigned long hvb_oom_wait(struct hvb_dev *hvb)
{
	const unsigned int limit = READ_ONCE(hvb_params.oom_wait);
	const u64 arrived = hvb_arrived(hvb);

	if (!limit || !hvb_oom_may_wait(hvb) || !hvb_oom_in_time(hvb, arrived, limit))
		return 0;

	if (__ratelimit(&hvb->oom.log_limit))
		dev_info(hvb_device(hvb), "out of memory: waiting up to %u s for memory of the host\n",
			 limit);
	wait_event_killable_timeout(hvb->arrivals.wait,
				    hvb_arrived(hvb) != arrived || hvb_must_rest(hvb),
				    HVB_OOM_SLICE);
	return max_t(u64, hvb_arrived(hvb) - arrived, 1);
}

/*
 * Frees no ballooned page, as the host has these. Inflating pauses, and the pump frees
 * what was not reported yet.
 */
static int hvb_oom_event(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, oom.nb);
	const u64 end = get_jiffies_64() + HVB_OOM_PAUSE;
	const u64 before = hvb_freed(hvb);
	unsigned long *pages = freed;

	WRITE_ONCE(hvb->oom.pause_end, end);
	if (hvb_is_short(hvb)) {
		hvb_demand_emergency(hvb, end);
		hvb_status_soon(hvb);
	}
	hvb_kick(hvb, 0);
	*pages += hvb_pending_await(&hvb->hot_add) ?: hvb_oom_await_pump(hvb, before) ?:
		  hvb_oom_wait(hvb);
	return NOTIFY_OK;
}

/**
 * hvb_recent_oom() - whether the guest hit OOM within HVB_OOM_PAUSE
 * @hvb: the device
 *
 * Context: any.
 * Return: whether it did.
 */
bool hvb_recent_oom(const struct hvb_dev *hvb)
{
	return time_before64(get_jiffies_64(), READ_ONCE(hvb->oom.pause_end));
}

/**
 * hvb_oom_init() - register the OOM notifier
 * @hvb: the device
 *
 * Context: process, may sleep.
 * Return: 0 or the error of the notifier.
 */
int hvb_oom_init(struct hvb_dev *hvb)
{
	struct hvb_oom *oom = &hvb->oom;
	const u64 now = get_jiffies_64();

	spin_lock_init(&oom->lock);
	oom->pause_end = now;
	ratelimit_state_init(&oom->log_limit, HVB_OOM_RETRY, 1);
	ratelimit_set_flags(&oom->log_limit, RATELIMIT_MSG_ON_RELEASE);
	/* Long past, so that the first OOM sets a deadline. */
	oom->deadline = now - HVB_OOM_RETRY - 1;
	oom->nb.notifier_call = hvb_oom_event;
	return register_oom_notifier(&oom->nb);
}

/**
 * hvb_oom_exit() - undo hvb_oom_init()
 * @hvb: the device
 *
 * Context: process; may sleep, for a slice if a task waits in the notifier.
 */
void hvb_oom_exit(struct hvb_dev *hvb)
{
	unregister_oom_notifier(&hvb->oom.nb);
}
