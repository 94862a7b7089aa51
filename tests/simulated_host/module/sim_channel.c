// SPDX-License-Identifier: GPL-2.0-only
/* The channel of the simulated host: what a driver calls, and the host's end of it. */
#include <linux/hyperv.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

#include "sim.h"

DEFINE_MUTEX(sim_lock);		/* protects what is offered, and the state of channels */
DECLARE_WAIT_QUEUE_HEAD(sim_to_host);

static bool sim_fail_open, sim_hold_interrupts;		/* protected by sim_lock */
static atomic_t sim_opens, sim_closes, sim_interrupts;

/* Softirq context, as the tasklet of a channel. */
void sim_interrupt(unsigned long data)
{
	struct vmbus_channel *channel = (void *)data;
	void (*callback)(void *context) = READ_ONCE(channel->onchannel_callback);

	if (!callback)
		return;

	callback(channel->channel_callback_context);
	if (channel->callback_mode == HV_CALL_BATCHED &&
	    hv_get_bytes_to_read(&channel->inbound))
		tasklet_schedule(&channel->callback_event);
}

static void sim_signal_driver(struct vmbus_channel *channel)
{
	if (sim_hold_interrupts)
		return;

	atomic_inc(&sim_interrupts);
	tasklet_schedule(&channel->callback_event);
}

int vmbus_open(struct vmbus_channel *channel, u32 send_size, u32 recv_size,
	       void *userdata, u32 userdatalen,
	       void (*callback)(void *context), void *context)
{
	int ret;

	if (channel->rescind)
		return -ENODEV;

	mutex_lock(&sim_lock);
	ret = sim_fail_open ? -ENOMEM : sim_ring_init(&channel->outbound, send_size);
	sim_fail_open = false;
	if (ret)
		goto unlock;

	ret = sim_ring_init(&channel->inbound, recv_size);
	if (ret) {
		sim_ring_free(&channel->outbound);
		goto unlock;
	}

	channel->channel_callback_context = context;
	WRITE_ONCE(channel->onchannel_callback, callback);
	channel->state = CHANNEL_OPENED_STATE;
	atomic_inc(&sim_opens);
unlock:
	mutex_unlock(&sim_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(vmbus_open);

void vmbus_close(struct vmbus_channel *channel)
{
	mutex_lock(&sim_lock);
	tasklet_disable(&channel->callback_event);
	WRITE_ONCE(channel->onchannel_callback, NULL);
	tasklet_enable(&channel->callback_event);
	if (channel->state != CHANNEL_OPENED_STATE)
		goto unlock;

	if (channel == sim_open_channel())
		sim_memory_forget();
	channel->state = CHANNEL_OPEN_STATE;
	sim_ring_free(&channel->outbound);
	sim_ring_free(&channel->inbound);
	atomic_inc(&sim_closes);
unlock:
	mutex_unlock(&sim_lock);
	wake_up(&sim_to_host);
}
EXPORT_SYMBOL_GPL(vmbus_close);

int vmbus_sendpacket(struct vmbus_channel *channel, void *buffer, u32 bufferlen,
		     u64 requestid, enum vmbus_packet_type type, u32 flags)
{
	int ret;

	if (channel->rescind)
		return -ENODEV;
	if (sim_is_busy())
		return -EAGAIN;

	ret = sim_ring_put(&channel->outbound, buffer, bufferlen);
	if (!ret)
		wake_up(&sim_to_host);
	sim_freeze_sent(buffer);
	return ret;
}
EXPORT_SYMBOL(vmbus_sendpacket);

int vmbus_recvpacket(struct vmbus_channel *channel, void *buffer, u32 bufferlen,
		     u32 *actual_len, u64 *requestid)
{
	*requestid = 0;
	return sim_ring_get(&channel->inbound, buffer, bufferlen, actual_len);
}
EXPORT_SYMBOL(vmbus_recvpacket);

/* Return: the channel of the first device if it is open, else NULL. Context: sim_lock held. */
struct vmbus_channel *sim_open_channel(void)
{
	struct sim_device *sim = sim_offered[SIM_FIRST];

	return sim && sim->channel.state == CHANNEL_OPENED_STATE ? &sim->channel : NULL;
}

int sim_set_interrupts(int hold)
{
	struct vmbus_channel *channel;

	mutex_lock(&sim_lock);
	sim_hold_interrupts = hold;
	channel = sim_open_channel();
	if (!hold && channel)
		sim_signal_driver(channel);
	mutex_unlock(&sim_lock);
	return 0;
}

int sim_let_open_fail(int unused)
{
	mutex_lock(&sim_lock);
	sim_fail_open = true;
	mutex_unlock(&sim_lock);
	return 0;
}

/* Move one message between user space and a ring, while the channel is open. */
int sim_exchange(bool to_driver, void *message, u32 size, u32 *len)
{
	struct vmbus_channel *channel;
	int ret = -ENOTCONN;

	mutex_lock(&sim_lock);
	channel = sim_open_channel();
	if (!channel)
		goto unlock;

	if (!to_driver) {
		ret = sim_ring_get(&channel->outbound, message, size, len);
		if (!ret && *len)
			sim_memory_read(message, *len);
		/* There may be room again; the driver may be waiting for it. */
		if (!ret && *len && channel->outbound.ring_buffer->pending_send_sz)
			sim_signal_driver(channel);
	} else {
		/* While the driver cannot have it: it looks the same when it is sent again. */
		sim_memory_sends(message, size);
		ret = sim_ring_put(&channel->inbound, message, size);
		if (!ret)
			sim_signal_driver(channel);
	}
unlock:
	mutex_unlock(&sim_lock);
	return ret;
}

void sim_show_channel(struct seq_file *file)
{
	seq_printf(file, "opens: %d\ncloses: %d\ninterrupts: %d\n", atomic_read(&sim_opens),
		   atomic_read(&sim_closes), atomic_read(&sim_interrupts));
	mutex_lock(&sim_lock);
	seq_printf(file, "callback_mode: %d\n", sim_offered[SIM_FIRST] ?
		   (int)sim_offered[SIM_FIRST]->channel.callback_mode : -1);
	mutex_unlock(&sim_lock);
}
