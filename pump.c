// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pump: the one work item that reads the ring and works on requests, in process
 * context.
 *
 * Long operations run in steps, one per turn of the pump, and the ring is read between
 * them. A part that has to wait returns for how long, and the pump sleeps until then
 * or until it is kicked. Unbounded waits run in work items of their own, which kick
 * the pump when they are done (evacuate.c, hot_add.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "balloon.h"
#include "channel.h"
#include "device.h"
#include "evacuate.h"
#include "events.h"
#include "hot_add.h"
#include "lib/proto.h"
#include "negotiate.h"
#include "pump.h"
#include "record.h"
#include "status.h"

/* When to read a ring again that is not empty. */
#define HVB_RECHECK		msecs_to_jiffies(10)

static void hvb_set_stopping(struct hvb_dev *hvb, bool stopping)
{
	unsigned long flags;

	spin_lock_irqsave(&hvb->kick_lock, flags);
	WRITE_ONCE(hvb->stopping, stopping);
	spin_unlock_irqrestore(&hvb->kick_lock, flags);
}

/* The host waits for an answer, even to a message that was rejected. */
static void hvb_answer_rejected(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	switch (msg->type) {
	case HVB_MSG_BALLOON_REQUEST:
		hvb_inflate_end(hvb);
		hvb_inflate_refuse(hvb, 0);
		break;
	case HVB_MSG_UNBALLOON_REQUEST:
		if (!msg->unballoon.more)
			hvb_deflate_confirm(hvb);
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		/* The host takes the first answer as that to its first request. */
		hvb_hot_add_end(hvb);
		hvb_hot_add_refuse(hvb, 0, HVB_RESULT_TRANSIENT);
		break;
	default:
		break;
	}
}

static void hvb_reject(struct hvb_dev *hvb, enum hvb_reject reason,
		       const struct hvb_msg *msg, u32 len)
{
	hvb->stats.rejected[reason]++;
	dev_warn_ratelimited(hvb_device(hvb),
			     "rejected a message of the host: %s (type %u, %s, %u bytes)\n",
			     hvb_reject_name(reason), msg->type,
			     hvb_msg_name(msg->type), len);
	if (hvb->state == HVB_STATE_RUNNING)
		hvb_answer_rejected(hvb, msg);
}

/* Logged on change only. The text is an interface: tools look for it. */
static void hvb_handle_info(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	if (!msg->info.has_max_pages || msg->info.max_pages == hvb->hot_add.max_pages)
		return;

	WRITE_ONCE(hvb->hot_add.max_pages, msg->info.max_pages);
	pr_info_ratelimited("Max. dynamic memory size: %llu MB\n",
			    hvb_pages_to_mib(msg->info.max_pages));
}

static void hvb_dispatch(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	switch (msg->type) {
	case HVB_MSG_VERSION_RESPONSE:
		hvb_negotiate_version(hvb, msg);
		break;
	case HVB_MSG_CAPABILITIES_RESPONSE:
		hvb_negotiate_capabilities(hvb, msg);
		break;
	case HVB_MSG_BALLOON_REQUEST:
		hvb_inflate_end(hvb);
		hvb_inflate_begin(hvb, msg->balloon.num_pages);
		break;
	case HVB_MSG_UNBALLOON_REQUEST:
		hvb_inflate_end(hvb);
		hvb_deflate(hvb, msg);
		hvb_hot_add_retry(hvb);
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		hvb_inflate_end(hvb);
		hvb_hot_add_end(hvb);
		hvb_hot_add_begin(hvb, msg);
		break;
	case HVB_MSG_INFO:
		hvb_handle_info(hvb, msg);
		break;
	default:
		break;
	}
}

/* Take one message off the ring. Return: whether there was one. */
static bool hvb_receive(struct hvb_dev *hvb)
{
	const u32 len = hvb_read(hvb);
	enum hvb_reject reason;
	struct hvb_msg msg;

	if (!len)
		return false;

	/* Too late to negotiate; the channel is closed at unbind. */
	if (hvb->state == HVB_STATE_FAILED)
		return true;

	reason = hvb_decode(hvb->rx, len, &msg);
	hvb_record_in(&hvb->record, hvb->rx, len, reason);
	if (reason != HVB_ACCEPTED) {
		hvb_reject(hvb, reason, &msg, len);
		return true;
	}

	if (msg.reserved_bits)
		hvb->stats.reserved_bits++;
	if (msg.size_mismatch)
		hvb->stats.size_mismatches++;
	hvb_dispatch(hvb, &msg);
	return true;
}

/* Requests wait in the ring for the thaw; messages of the negotiation do not. */
static bool hvb_may_receive(const struct hvb_dev *hvb)
{
	if (READ_ONCE(hvb->stopping))
		return false;
	return hvb->state != HVB_STATE_RUNNING || !READ_ONCE(hvb->pausing);
}

/* The first turn after the thaw: restart the deadlines. */
static void hvb_resume_operations(struct hvb_dev *hvb)
{
	if (!hvb->rested)
		return;

	hvb->rested = false;
	hvb_inflate_resume(hvb);
	hvb_hot_add_resume(hvb);
	hvb_evacuate_resume(hvb);
}

/* One turn of all parts. Return: jiffies to the next. */
static unsigned long hvb_turn(struct hvb_dev *hvb)
{
	unsigned long delay;

	while (hvb_may_receive(hvb) && hvb_receive(hvb))
		cond_resched();

	delay = hvb_negotiate_run(hvb);
	if (READ_ONCE(hvb->pausing)) {
		hvb->rested = true;
		return delay;
	}

	hvb_resume_operations(hvb);
	delay = min(delay, hvb_inflate_run(hvb));
	delay = min(delay, hvb_hot_add_run(hvb));
	hvb_events_run(hvb);
	return delay;
}

static void hvb_pump(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(to_delayed_work(work), struct hvb_dev, pump);
	unsigned long delay;

	do {
		delay = hvb_turn(hvb);
		cond_resched();
	} while (!delay && !READ_ONCE(hvb->stopping));

	if (hvb_may_receive(hvb) && hvb_message_waits(hvb))
		delay = min(delay, HVB_RECHECK);

	/* No effect if the pump was kicked since. */
	if (delay != HVB_NEVER && !READ_ONCE(hvb->stopping))
		queue_delayed_work(hvb->wq, &hvb->pump, delay);
}

/**
 * hvb_pump_start() - open the channel and let the pump negotiate
 * @hvb: the device
 *
 * A kick has no effect until the channel is open, or if it cannot be opened.
 *
 * Context: process, may sleep. Fit for resume(), which runs before tasks and
 * work items are thawed: it depends on neither.
 * Return: 0 or the error of hvb_channel_open().
 */
int hvb_pump_start(struct hvb_dev *hvb)
{
	int ret;

	reinit_completion(&hvb->negotiated);
	ret = hvb_channel_open(hvb);
	if (ret)
		return ret;

	hvb_set_state(hvb, HVB_STATE_OPENED);
	hvb_set_stopping(hvb, false);
	hvb_events_start(hvb);
	hvb_kick(hvb, 0);
	return 0;
}

/**
 * hvb_pump_stop() - end all work and close the channel
 * @hvb: the device
 *
 * An operation in progress is answered as it stands. The one way to stop the
 * driver: remove, suspend and a failed probe share it.
 *
 * Context: process, may sleep. Not from the pump.
 */
void hvb_pump_stop(struct hvb_dev *hvb)
{
	/* A resume that failed has left nothing to close. */
	if (hvb->state == HVB_STATE_CLOSED)
		return;

	/* From here on neither the callback nor the pump queues work. */
	hvb_set_stopping(hvb, true);
	wake_up(&hvb->room);
	hvb_wait_begin(hvb, "the pump, and readers of /proc/kcore");
	cancel_delayed_work_sync(&hvb->pump);
	hvb_wait_end(hvb);
	hvb_status_stop(hvb);
	hvb_wait_begin(hvb, "memory for an event");
	hvb_events_stop(hvb);
	hvb_wait_end(hvb);

	hvb_inflate_end(hvb);
	hvb_hot_add_end(hvb);
	hvb_channel_close(hvb);
	hvb_set_state(hvb, HVB_STATE_CLOSED);
}

/**
 * hvb_pump_init() - make the work queues
 * @hvb: the device
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_pump_init(struct hvb_dev *hvb)
{
	init_completion(&hvb->negotiated);
	INIT_DELAYED_WORK(&hvb->pump, hvb_pump);

	/*
	 * Not ordered: the report must be sent while the pump is busy. With a rescuer:
	 * the pump resolves shortages of memory.
	 */
	hvb->wq = alloc_workqueue("hv_balloon", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!hvb->wq)
		return -ENOMEM;

	/* Without: page isolation flushes work items that have no rescuer. */
	hvb->slow_wq = alloc_workqueue("hv_balloon_slow", WQ_UNBOUND, 0);
	if (hvb->slow_wq)
		return 0;

	destroy_workqueue(hvb->wq);
	return -ENOMEM;
}

/**
 * hvb_pump_exit() - undo hvb_pump_init()
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep.
 */
void hvb_pump_exit(struct hvb_dev *hvb)
{
	destroy_workqueue(hvb->slow_wq);
	destroy_workqueue(hvb->wq);
}
