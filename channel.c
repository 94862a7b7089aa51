// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel to the host: open, receive, send, close. Transport only.
 *
 * The channel callback runs in softirq context. It reads nothing: it queues the
 * pump and wakes a sender that waits for room. The ring is the queue; a busy guest
 * throttles the host by not reading.
 */
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "channel.h"
#include "device.h"
#include "lib/proto.h"
#include "record.h"

/*
 * 16 KiB of data each way, three full messages and some. The receive buffer
 * and the packet limit are as large, so that whatever fits the ring is read
 * whole and consumed, and then rejected if it is too long.
 */
#define HVB_RING_BYTES		VMBUS_RING_SIZE(16 * 1024)

/* What VMBus puts around a message: descriptor and trailer, in bytes. */
#define HVB_PACKET_OVERHEAD	(sizeof(struct vmpacket_descriptor) + sizeof(u64))

/* A host that does not drain the ring for this long has gone. */
#define HVB_SEND_TIMEOUT	(60 * HZ)

/* Interval at which a sender checks for room if the host does not signal. */
#define HVB_ROOM_POLL		(HZ / 10)

/**
 * hvb_message_waits() - whether there is a message that was not read yet
 * @hvb: the device
 *
 * Context: any, while the channel is open.
 * Return: true if so.
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
 * order in which messages are sent, whatever the wait for room.
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
				     ret == -ETIMEDOUT ?
				     ": the host is not draining the ring" : "");
	}
	return ret;
}

/**
 * hvb_read() - take one message off the ring
 * @hvb: the device; the message is in its receive buffer then
 *
 * Context: the pump.
 * Return: bytes of the message, 0 if there is none.
 */
u32 hvb_read(struct hvb_dev *hvb)
{
	u64 request_id;
	u32 len;

	return vmbus_recvpacket(hvb->hdev->channel, hvb->rx, HVB_RING_BYTES, &len,
				&request_id) ? 0 : len;
}

static void hvb_channel_callback(void *context)
{
	struct hvb_dev *hvb = context;

	wake_up(&hvb->room);
	hvb_kick(hvb, 0);
}

/* Restore the default read mode: the next driver of the channel relies on it. */
static void hvb_channel_reset(struct vmbus_channel *channel)
{
	set_channel_read_mode(channel, HV_CALL_BATCHED);
}

/**
 * hvb_channel_open() - open the channel
 * @hvb: the device
 *
 * Context: process, may sleep. Fit for resume(), which runs before tasks and
 * work items are thawed: it depends on neither.
 * Return: 0 or the error of vmbus_open().
 */
int hvb_channel_open(struct hvb_dev *hvb)
{
	struct vmbus_channel *channel = hvb->hdev->channel;
	int ret;

	channel->max_pkt_size = HVB_RING_BYTES;
	/* Leave the interrupt on: the pump drains the ring, not the callback. */
	set_channel_read_mode(channel, HV_CALL_DIRECT);
	ret = vmbus_open(channel, HVB_RING_BYTES, HVB_RING_BYTES, NULL, 0,
			 hvb_channel_callback, hvb);
	if (ret) {
		dev_err(hvb_device(hvb), "cannot open the channel to the host (error %d)\n", ret);
		/* vmbus_open() leaves the callback. */
		vmbus_close(channel);
		hvb_channel_reset(channel);
	}
	return ret;
}

/**
 * hvb_channel_close() - close the channel
 * @hvb: the device; all senders and the reader have stopped
 *
 * Context: process, may sleep.
 */
void hvb_channel_close(struct hvb_dev *hvb)
{
	vmbus_close(hvb->hdev->channel);
	hvb_channel_reset(hvb->hdev->channel);
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
	mutex_init(&hvb->send_lock);
	init_waitqueue_head(&hvb->room);
	hvb->rx = kvmalloc(HVB_RING_BYTES, GFP_KERNEL);
	return hvb->rx ? 0 : -ENOMEM;
}

/**
 * hvb_channel_exit() - undo hvb_channel_init()
 * @hvb: the device; its channel is closed
 *
 * Context: process, may sleep.
 */
void hvb_channel_exit(struct hvb_dev *hvb)
{
	kvfree(hvb->rx);
}
