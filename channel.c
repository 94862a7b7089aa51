// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel to the host: open, receive, send, close.
 *
 * The channel callback runs in softirq context. It reads nothing: it queues
 * the pump and wakes a sender that waits for room. The pump is the one work
 * item that reads the ring and works on requests, in process context. The ring
 * itself is the queue; a busy guest pushes back on the host by not reading.
 *
 * Long work is done in steps, one per turn of the pump, and the ring is read
 * between them. A part that has to wait says how long, and the pump sleeps
 * until then or until it is kicked. What may wait without a bound runs in work
 * items of its own, which kick the pump when they have something (evacuate.c,
 * hot_add.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hyperv.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "hv_balloon.h"

/*
 * 16 KiB of data each way, three full messages and some. The receive buffer
 * and the packet limit are as large, so that whatever fits the ring is read
 * whole and consumed, and then rejected if it is too long.
 */
#define HVB_RING_BYTES		VMBUS_RING_SIZE(16 * 1024)

/* What VMBus puts around a message: descriptor and trailer, in bytes. */
#define HVB_PACKET_OVERHEAD	(sizeof(struct vmpacket_descriptor) + sizeof(u64))

/* A host that reads nothing for so long has gone. */
#define HVB_SEND_TIMEOUT	(60 * HZ)

/* How often a sender looks for room if the host does not wake it. */
#define HVB_ROOM_POLL		(HZ / 10)

/* When to look again at a ring that still holds something. */
#define HVB_RECHECK		msecs_to_jiffies(10)

/**
 * hvb_kick() - let the pump run
 * @hvb: the device
 * @delay: jiffies from now; an earlier time that is set already is dropped
 *
 * Does nothing once the driver is stopping.
 *
 * Context: any.
 */
void hvb_kick(struct hvb_dev *hvb, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&hvb->kick_lock, flags);
	if (!hvb->stopping)
		mod_delayed_work(hvb->wq, &hvb->pump, delay);
	spin_unlock_irqrestore(&hvb->kick_lock, flags);
}

static void hvb_set_stopping(struct hvb_dev *hvb, bool stopping)
{
	unsigned long flags;

	spin_lock_irqsave(&hvb->kick_lock, flags);
	WRITE_ONCE(hvb->stopping, stopping);
	spin_unlock_irqrestore(&hvb->kick_lock, flags);
}

static void hvb_channel_callback(void *context)
{
	struct hvb_dev *hvb = context;

	wake_up(&hvb->room);
	hvb_kick(hvb, 0);
}

/**
 * hvb_message_waits() - has the host sent something that was not read yet
 * @hvb: the device
 *
 * Context: any, while the channel is open.
 * Return: whether it has.
 */
bool hvb_message_waits(struct hvb_dev *hvb)
{
	return hv_get_bytes_to_read(&hvb->hdev->channel->inbound) > HVB_PACKET_OVERHEAD;
}

/**
 * hvb_send_now() - send a message if the ring has room
 * @hvb: the device
 * @msg: an encoded message
 * @size: its bytes
 *
 * The message gets its number here, under a lock, so that numbers rise in the
 * order in which messages are sent, however long one had to wait for room.
 *
 * Context: process, may sleep.
 * Return: 0; -EAGAIN if the ring is full; -ENODEV if the channel is gone;
 * other errors of newer kernels if the ring is broken.
 */
int hvb_send_now(struct hvb_dev *hvb, void *msg, u16 size)
{
	int ret;

	mutex_lock(&hvb->send_lock);
	hvb_encode_id(msg, hvb->trans_id + 1);
	ret = vmbus_sendpacket(hvb->hdev->channel, msg, size, 0, VM_PKT_DATA_INBAND, 0);
	if (!ret) {
		hvb->trans_id++;
		hvb_record_out(&hvb->record, msg, size);
	}
	mutex_unlock(&hvb->send_lock);
	return ret;
}

static bool hvb_has_room(struct hvb_dev *hvb, u16 size)
{
	return hv_get_bytes_to_write(&hvb->hdev->channel->outbound) >
	       ALIGN(size, sizeof(u64)) + HVB_PACKET_OVERHEAD;
}

/* Only the pump waits, so pending_send_size has one writer. It may wait over a freeze. */
static void hvb_wait_for_room(struct hvb_dev *hvb, u16 size)
{
	struct vmbus_channel *channel = hvb->hdev->channel;

	set_channel_pending_send_size(channel, ALIGN(size, sizeof(u64)) +
				      HVB_PACKET_OVERHEAD);
	wait_event_timeout(hvb->room, hvb_has_room(hvb, size) || hvb_must_end(hvb),
			   HVB_ROOM_POLL);
	set_channel_pending_send_size(channel, 0);
}

/**
 * hvb_send() - send a message, wait for room if need be
 * @hvb: the device
 * @msg: an encoded message
 * @size: its bytes
 *
 * Context: the pump, or after it was stopped; may sleep for up to a minute.
 * Return: 0; -ETIMEDOUT if the host reads nothing; -ESHUTDOWN if the ring is
 * full and the driver stops; else as hvb_send_now().
 */
int hvb_send(struct hvb_dev *hvb, void *msg, u16 size)
{
	const unsigned long give_up = jiffies + HVB_SEND_TIMEOUT;
	int ret;

	while ((ret = hvb_send_now(hvb, msg, size)) == -EAGAIN) {
		if (hvb_must_end(hvb))
			ret = -ESHUTDOWN;
		else if (time_after(jiffies, give_up))
			ret = -ETIMEDOUT;
		if (ret != -EAGAIN)
			break;
		hvb_wait_for_room(hvb, size);
	}

	if (ret) {
		hvb->stats.send_failures++;
		dev_warn_ratelimited(hvb_device(hvb),
				     "cannot send a message to the host (error %d)%s\n", ret,
				     ret == -ETIMEDOUT ? ": it reads none" : "");
	}
	return ret;
}

/* The host waits for an answer, even to what could not be read. */
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
		/* The host takes the first answer for that to its first request. */
		hvb_hot_add_end(hvb);
		hvb_hot_add_refuse(hvb, 0, HVB_HOT_ADD_TRANSIENT);
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
	if (hvb->state == HVB_RUNNING)
		hvb_answer_rejected(hvb, msg);
}

/* Once, however often the host says it. Tools look for these words in the log. */
static void hvb_info(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	if (!msg->info.has_max_pages || msg->info.max_pages == hvb->hot_add.max_pages)
		return;

	hvb->hot_add.max_pages = msg->info.max_pages;
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
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		hvb_inflate_end(hvb);
		hvb_hot_add_end(hvb);
		hvb_hot_add_begin(hvb, msg);
		break;
	case HVB_MSG_INFO:
		hvb_info(hvb, msg);
		break;
	default:
		break;
	}
}

/* Take one message off the ring. Return: whether there was one. */
static bool hvb_receive(struct hvb_dev *hvb)
{
	enum hvb_reject reason;
	struct hvb_msg msg;
	u64 request_id;
	u32 len;

	if (vmbus_recvpacket(hvb->hdev->channel, hvb->rx, HVB_RING_BYTES, &len,
			     &request_id) || !len)
		return false;

	/* Too late to agree on anything; the channel is closed at unbind. */
	if (hvb->state == HVB_FAILED)
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

/* Requests wait in the ring for the thaw. What the host says before them does not. */
static bool hvb_may_receive(const struct hvb_dev *hvb)
{
	if (READ_ONCE(hvb->stopping))
		return false;
	return hvb->state != HVB_RUNNING || !READ_ONCE(hvb->pausing);
}

/* The first turn after the thaw: no deadline has passed meanwhile. */
static void hvb_resume_operations(struct hvb_dev *hvb)
{
	if (!hvb->rested)
		return;

	hvb->rested = false;
	hvb_inflate_resume(hvb);
	hvb_hot_add_resume(hvb);
	hvb_evacuate_resume(hvb);
}

/* One turn of everything that may be going on. Return: jiffies to the next. */
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

	/* Does not disturb a kick that came meanwhile. */
	if (delay != HVB_NEVER && !READ_ONCE(hvb->stopping))
		queue_delayed_work(hvb->wq, &hvb->pump, delay);
}

/**
 * hvb_channel_init() - allocate what the channel needs
 * @hvb: the device
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvb_channel_init(struct hvb_dev *hvb)
{
	spin_lock_init(&hvb->kick_lock);
	mutex_init(&hvb->send_lock);
	init_waitqueue_head(&hvb->room);
	init_completion(&hvb->negotiated);
	INIT_DELAYED_WORK(&hvb->pump, hvb_pump);
	INIT_DELAYED_WORK(&hvb->report, hvb_report_work);
	hvb->stopping = true;

	hvb->rx = kvmalloc(HVB_RING_BYTES, GFP_KERNEL);
	if (!hvb->rx)
		return -ENOMEM;

	/*
	 * Not ordered: the report must go out while the pump is busy. With a rescuer,
	 * as the pump is the way out of a shortage of memory.
	 */
	hvb->wq = alloc_workqueue("hv_balloon", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!hvb->wq)
		goto free_rx;

	/* Without: to isolate pages the kernel waits for work that has no rescuer. */
	hvb->slow_wq = alloc_workqueue("hv_balloon_slow", WQ_UNBOUND, 0);
	if (!hvb->slow_wq)
		goto destroy_wq;
	return 0;

destroy_wq:
	destroy_workqueue(hvb->wq);
free_rx:
	kvfree(hvb->rx);
	return -ENOMEM;
}

/**
 * hvb_channel_exit() - undo hvb_channel_init()
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep.
 */
void hvb_channel_exit(struct hvb_dev *hvb)
{
	destroy_workqueue(hvb->slow_wq);
	destroy_workqueue(hvb->wq);
	kvfree(hvb->rx);
}

/* The driver that opens the channel next may rely on the way it was found in. */
static void hvb_channel_reset(struct vmbus_channel *channel)
{
	set_channel_read_mode(channel, HV_CALL_BATCHED);
}

/**
 * hvb_channel_open() - open the channel and let the pump negotiate
 * @hvb: the device
 *
 * Until the channel is open, and for good if it cannot be opened, the pump does
 * not run, whoever kicks it.
 *
 * Context: process, may sleep. Fit for resume(), which runs before tasks and
 * work items are thawed: it waits for nothing that they would have to do.
 * Return: 0 or the error of vmbus_open().
 */
int hvb_channel_open(struct hvb_dev *hvb)
{
	struct vmbus_channel *channel = hvb->hdev->channel;
	int ret;

	reinit_completion(&hvb->negotiated);
	channel->max_pkt_size = HVB_RING_BYTES;
	/* Leave the interrupt on: the pump drains the ring, not the callback. */
	set_channel_read_mode(channel, HV_CALL_DIRECT);
	ret = vmbus_open(channel, HVB_RING_BYTES, HVB_RING_BYTES, NULL, 0,
			 hvb_channel_callback, hvb);
	if (ret) {
		dev_err(hvb_device(hvb), "cannot open the channel to the host (error %d)\n", ret);
		hvb_channel_reset(channel);
		return ret;
	}

	hvb_set_state(hvb, HVB_OPENED);
	hvb_set_stopping(hvb, false);
	hvb_events_start(hvb);
	hvb_kick(hvb, 0);
	return 0;
}

/**
 * hvb_channel_close() - end all work and close the channel
 * @hvb: the device
 *
 * An operation in progress is answered as it stands. The one way to stop the
 * driver: remove, suspend and a failed probe share it.
 *
 * Context: process, may sleep. Not from the pump.
 */
void hvb_channel_close(struct hvb_dev *hvb)
{
	/* A resume that failed has left nothing to close. */
	if (hvb->state == HVB_CLOSED)
		return;

	/* From here on the callback and the parts of the pump queue nothing. */
	hvb_set_stopping(hvb, true);
	wake_up(&hvb->room);
	cancel_delayed_work_sync(&hvb->pump);
	cancel_delayed_work_sync(&hvb->report);
	hvb_events_stop(hvb);

	hvb_inflate_end(hvb);
	hvb_hot_add_end(hvb);
	vmbus_close(hvb->hdev->channel);
	hvb_channel_reset(hvb->hdev->channel);
	hvb_set_state(hvb, HVB_CLOSED);
}
