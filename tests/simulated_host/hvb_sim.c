// SPDX-License-Identifier: GPL-2.0-only
/*
 * A simulated Dynamic Memory host, for tests only.
 *
 * Stands in for hv_vmbus toward a Dynamic Memory driver, in a guest without
 * Hyper-V: exports the calls that such a driver makes, offers one device, and
 * hands each message to a program in user space, which plays the host.
 *
 *	/dev/hvb_sim	read: a message of the driver; write: a message to it.
 *			One message each, without the headers of VMBus. read()
 *			waits; what was read is off the ring.
 *	/sys/class/misc/hvb_sim/control
 *			write "offer": the device appears; "rescind": it goes;
 *			"offer-second", "rescind-second": a second one, to which
 *			nobody listens;
 *			"fail-open": the channel cannot be opened the next time;
 *			"hints", "fail-hints", "no-hints": the host takes hints at
 *			free memory, says that it does and fails, takes none;
 *			"refuse-small-hints": it takes those of 2 MiB and more;
 *			"discard-hints": it takes them, and makes the memory zeroes;
 *			"try-reporting": fails if a driver is registered for them;
 *			"hold-offline": a memory block that is on its way offline
 *			waits, until "let-offline" or "refuse-offline";
 *			"hold-online", "let-online", "refuse-online": likewise;
 *			"slow-online": it takes half a second;
 *			"hold-interrupts", "let-interrupts": the driver does not
 *			hear of messages, and then, by one interrupt, of all.
 *	/sys/kernel/debug/hvb_sim/status
 *			opens, closes, interrupts, suspends and resumes so far;
 *			pages in hints, ranges of small pages in hints that were
 *			taken, hints that were refused, that failed and that were
 *			wrong; blocks that wait on their way offline and online;
 *			callback_mode: enum hv_callback_mode of the channel, -1
 *			if there is none.
 *
 * The rings are real: a host program that does not read fills them, and the
 * driver meets -EAGAIN. The callback of the driver runs in a tasklet, as on
 * VMBus. So is the driver suspended and resumed: when the guest hibernates, not
 * when it suspends to idle.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hyperv.h>
#include <linux/interrupt.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/pm.h>
#include <linux/poll.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <asm/mshyperv.h>

#include "hvb_sim.h"
#include "sim_compat.h"

#define SIM_TRAILER	sizeof(u64)
#define SIM_MESSAGE_MAX	(64 * 1024)
#define SIM_SLOW_MS	500

/**
 * struct sim_device - what is offered to the driver
 * @hdev: the VMBus device
 * @channel: its only channel
 */
struct sim_device {
	struct hv_device hdev;
	struct vmbus_channel channel;
};

/* The device that a script plays the host for, and one that gets no answer. */
enum { SIM_FIRST, SIM_SECOND, SIM_DEVICES };

static const char * const sim_names[] = { "dynamic-memory", "dynamic-memory-2" };

static DEFINE_MUTEX(sim_lock);		/* protects all down to sim_hold_interrupts */
static struct sim_device *sim_offered[SIM_DEVICES];
static bool sim_fail_open;
static bool sim_hold_interrupts;
static struct device *sim_root;
static DECLARE_WAIT_QUEUE_HEAD(sim_to_host);
static atomic_t sim_opens, sim_closes, sim_interrupts, sim_suspends, sim_resumes;
static enum {
	SIM_NO_HINTS, SIM_TAKES_HINTS, SIM_FAILS_HINTS, SIM_REFUSES_SMALL, SIM_DISCARDS
} sim_hints;
static atomic_long_t sim_hinted;
static atomic_t sim_small_hints, sim_refused_hints, sim_failed_hints, sim_wrong_hints;

/**
 * struct sim_gate - where memory blocks are held up
 * @what: happens to a block: it passes, is turned away, waits, or takes its time
 * @waits: blocks that do
 */
struct sim_gate {
	enum { SIM_LET, SIM_REFUSE, SIM_HOLD, SIM_SLOW } what;
	atomic_t waits;
};

static struct sim_gate sim_offline, sim_online;
static DECLARE_WAIT_QUEUE_HEAD(sim_gate_change);

/* A ring is vmalloc()ed: the header that both sides share, then the data. */
static int sim_ring_init(struct hv_ring_buffer_info *ring, u32 size)
{
	memset(ring, 0, sizeof(*ring));
	/* Scripts let it fail; vmalloc() would say so with a stack trace. */
	ring->ring_buffer = __vmalloc(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	if (!ring->ring_buffer)
		return -ENOMEM;

	spin_lock_init(&ring->ring_lock);
	ring->ring_size = size;
	ring->ring_datasize = size - sizeof(struct hv_ring_buffer);
	return 0;
}

static void sim_ring_free(struct hv_ring_buffer_info *ring)
{
	vfree(ring->ring_buffer);
	ring->ring_buffer = NULL;
}

static u32 sim_copy(struct hv_ring_buffer_info *ring, u32 at, void *data, u32 len, bool in)
{
	u8 *bytes = ring->ring_buffer->buffer, *other = data;
	u32 i;

	for (i = 0; i < len; i++, at = (at + 1) % ring->ring_datasize) {
		if (in)
			bytes[at] = other[i];
		else
			other[i] = bytes[at];
	}
	return at;
}

static int sim_ring_put(struct hv_ring_buffer_info *ring, const void *data, u32 len)
{
	const u32 padded = ALIGN(len, 8);
	struct vmpacket_descriptor head = {
		.type = VM_PKT_DATA_INBAND,
		.offset8 = sizeof(head) / 8,
		.len8 = (sizeof(head) + padded) / 8,
	};
	const u64 zero = 0;
	unsigned long flags;
	int ret = -EAGAIN;
	u32 at;

	spin_lock_irqsave(&ring->ring_lock, flags);
	if (hv_get_bytes_to_write(ring) > sizeof(head) + padded + SIM_TRAILER) {
		at = ring->ring_buffer->write_index;
		at = sim_copy(ring, at, &head, sizeof(head), true);
		at = sim_copy(ring, at, (void *)data, len, true);
		at = sim_copy(ring, at, (void *)&zero, padded - len, true);
		at = sim_copy(ring, at, (void *)&zero, SIM_TRAILER, true);
		/* The reader must not see the index before the bytes. */
		smp_store_release(&ring->ring_buffer->write_index, at);
		ret = 0;
	}
	spin_unlock_irqrestore(&ring->ring_lock, flags);
	return ret;
}

/* As on VMBus: 0 with *@len 0 if there is none; not consumed if it is too long. */
static int sim_ring_get(struct hv_ring_buffer_info *ring, void *data, u32 max, u32 *len)
{
	struct vmpacket_descriptor head;
	unsigned long flags;
	int ret = 0;
	u32 at;

	*len = 0;
	spin_lock_irqsave(&ring->ring_lock, flags);
	if (hv_get_bytes_to_read(ring) < sizeof(head))
		goto unlock;

	at = sim_copy(ring, ring->ring_buffer->read_index, &head, sizeof(head), false);
	*len = head.len8 * 8 - sizeof(head);
	if (*len > max) {
		ret = -ENOBUFS;
		goto unlock;
	}
	at = sim_copy(ring, at, data, *len, false);
	/* The writer must not see the room before the bytes were copied. */
	smp_store_release(&ring->ring_buffer->read_index,
			  (at + SIM_TRAILER) % ring->ring_datasize);
unlock:
	spin_unlock_irqrestore(&ring->ring_lock, flags);
	return ret;
}

/* What the driver's hypercall.c calls here. */
bool sim_takes_hints(void)
{
	return READ_ONCE(sim_hints) != SIM_NO_HINTS;
}
EXPORT_SYMBOL_GPL(sim_takes_hints);

static u64 sim_range_start(const union hv_gpa_page_range *range)
{
	return range->page.largepage ? range->base_large_pfn * (SZ_2M / HV_HYP_PAGE_SIZE) :
				       range->page.basepfn;
}

/* The pages of a range that are memory which the kernel has taken out of use. */
static long sim_hinted_pages(const union hv_gpa_page_range *range)
{
	const u64 size = range->page.largepage ? SZ_2M / HV_HYP_PAGE_SIZE : 1;
	const u64 start = sim_range_start(range);
	const u64 count = (range->page.additional_pages + 1) * size;
	u64 pfn;

	for (pfn = start; pfn < start + count; pfn++)
		if (!pfn_to_online_page(pfn) || page_count(pfn_to_page(pfn)) ||
		    PageOffline(pfn_to_page(pfn)))
			return -1;
	return count;
}

static void sim_take_range(const union hv_gpa_page_range *range, bool right_kind)
{
	const long pages = right_kind ? sim_hinted_pages(range) : -1;

	if (pages < 0) {
		atomic_inc(&sim_wrong_hints);
		return;
	}

	if (!range->page.largepage)
		atomic_inc(&sim_small_hints);
	if (READ_ONCE(sim_hints) == SIM_DISCARDS)
		memset(pfn_to_kaddr(sim_range_start(range)), 0, pages * HV_HYP_PAGE_SIZE);
	atomic_long_add(pages, &sim_hinted);
}

static bool sim_refuses(const struct hv_memory_hint *hint, u16 nr)
{
	u16 i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(sim_hints) == SIM_REFUSES_SMALL && !hint->ranges[i].page.largepage)
			return true;
	return false;
}

u64 sim_hint(const struct hv_memory_hint *hint, u16 nr)
{
	u16 i;

	if (READ_ONCE(sim_hints) == SIM_FAILS_HINTS) {
		atomic_inc(&sim_failed_hints);
		return HV_STATUS_INSUFFICIENT_MEMORY;
	}

	if (sim_refuses(hint, nr)) {
		atomic_inc(&sim_refused_hints);
		return HV_STATUS_INVALID_PARAMETER;
	}

	for (i = 0; i < nr; i++)
		sim_take_range(&hint->ranges[i],
			       hint->type == HV_EXT_MEMORY_HEAT_HINT_TYPE_COLD_DISCARD);
	return HV_STATUS_SUCCESS;
}
EXPORT_SYMBOL_GPL(sim_hint);

/* Softirq context, as the tasklet of a channel. */
static void sim_interrupt(unsigned long data)
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
	channel->state = CHANNEL_OPEN_STATE;
	sim_ring_free(&channel->outbound);
	sim_ring_free(&channel->inbound);
	atomic_inc(&sim_closes);
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

	ret = sim_ring_put(&channel->outbound, buffer, bufferlen);
	if (!ret)
		wake_up(&sim_to_host);
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

static int sim_match(struct device *dev, SIM_MATCH_DRIVER *driver)
{
	return 1;
}

static int sim_probe(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	return driver->probe(container_of(dev, struct hv_device, device), driver->id_table);
}

static void sim_remove(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	driver->remove(container_of(dev, struct hv_device, device));
}

/* The device may have no driver: nothing to do then, as on VMBus. */
static int sim_suspend(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	if (!dev->driver)
		return 0;

	atomic_inc(&sim_suspends);
	return driver->suspend(container_of(dev, struct hv_device, device));
}

static int sim_resume(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	if (!dev->driver)
		return 0;

	atomic_inc(&sim_resumes);
	return driver->resume(container_of(dev, struct hv_device, device));
}

static const struct dev_pm_ops sim_pm = {
	.freeze_noirq = sim_suspend,
	.thaw_noirq = sim_resume,
	.poweroff_noirq = sim_suspend,
	.restore_noirq = sim_resume,
};

static struct bus_type sim_bus = {
	.name = "vmbus",
	.match = sim_match,
	.probe = sim_probe,
	.remove = sim_remove,
	.pm = &sim_pm,
};

int __vmbus_driver_register(struct hv_driver *hv_driver, struct module *owner,
			    const char *mod_name)
{
	hv_driver->driver.name = hv_driver->name;
	hv_driver->driver.owner = owner;
	hv_driver->driver.mod_name = mod_name;
	hv_driver->driver.bus = &sim_bus;
	return driver_register(&hv_driver->driver);
}
EXPORT_SYMBOL_GPL(__vmbus_driver_register);

void vmbus_driver_unregister(struct hv_driver *hv_driver)
{
	driver_unregister(&hv_driver->driver);
}
EXPORT_SYMBOL_GPL(vmbus_driver_unregister);

/* As on VMBus: by it programs know what kind of device this is. */
static ssize_t class_id_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const struct hv_vmbus_device_id class = { HV_DM_GUID };

	return sysfs_emit(buf, "{%pUl}\n", &class.guid);
}
static DEVICE_ATTR_RO(class_id);

static struct attribute *sim_attrs[] = {
	&dev_attr_class_id.attr,
	NULL,
};
ATTRIBUTE_GROUPS(sim);

static void sim_release(struct device *dev)
{
	kfree(container_of(dev, struct sim_device, hdev.device));
}

static int sim_offer(int which)
{
	struct sim_device *sim;
	int ret;

	if (sim_offered[which])
		return -EBUSY;

	sim = kzalloc(sizeof(*sim), GFP_KERNEL);
	if (!sim)
		return -ENOMEM;

	sim->hdev.channel = &sim->channel;
	sim->hdev.device.bus = &sim_bus;
	sim->hdev.device.parent = sim_root;
	sim->hdev.device.groups = sim_groups;
	sim->hdev.device.release = sim_release;
	sim->channel.device_obj = &sim->hdev;
	sim->channel.state = CHANNEL_OPEN_STATE;
	tasklet_init(&sim->channel.callback_event, sim_interrupt,
		     (unsigned long)&sim->channel);
	dev_set_name(&sim->hdev.device, "%s", sim_names[which]);

	WRITE_ONCE(sim_offered[which], sim);
	ret = device_register(&sim->hdev.device);
	if (ret) {
		WRITE_ONCE(sim_offered[which], NULL);
		put_device(&sim->hdev.device);
	}
	return ret;
}

static int sim_rescind(int which)
{
	struct sim_device *sim = sim_offered[which];

	if (!sim)
		return -ENODEV;

	/* The channel is a part of the device, whose last reference may be that of the bus. */
	get_device(&sim->hdev.device);
	WRITE_ONCE(sim->channel.rescind, true);
	wake_up(&sim_to_host);
	device_unregister(&sim->hdev.device);
	tasklet_kill(&sim->channel.callback_event);
	mutex_lock(&sim_lock);
	sim_offered[which] = NULL;
	mutex_unlock(&sim_lock);
	put_device(&sim->hdev.device);
	return 0;
}

/* Return: the channel of the first device if it is open, else NULL. Context: sim_lock held. */
static struct vmbus_channel *sim_open_channel(void)
{
	struct sim_device *sim = sim_offered[SIM_FIRST];

	return sim && sim->channel.state == CHANNEL_OPENED_STATE ? &sim->channel : NULL;
}

static int sim_set_interrupts(int hold)
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

static int sim_let_open_fail(int unused)
{
	mutex_lock(&sim_lock);
	sim_fail_open = true;
	mutex_unlock(&sim_lock);
	return 0;
}

static int sim_set_hints(int how)
{
	WRITE_ONCE(sim_hints, how);
	return 0;
}

static int sim_report_nothing(struct page_reporting_dev_info *prdev, struct scatterlist *sg,
			      unsigned int nents)
{
	return -EOPNOTSUPP;
}

/* There is room for one driver only. */
static int sim_try_reporting(int unused)
{
	static struct page_reporting_dev_info prdev = { .report = sim_report_nothing };
	int ret;

	ret = page_reporting_register(&prdev);
	if (!ret)
		page_reporting_unregister(&prdev);
	return ret;
}

/* Move one message between user space and a ring, while the channel is open. */
static int sim_exchange(bool to_driver, void *message, u32 size, u32 *len)
{
	struct vmbus_channel *channel;
	int ret = -ENOTCONN;

	mutex_lock(&sim_lock);
	channel = sim_open_channel();
	if (!channel)
		goto unlock;

	if (!to_driver) {
		ret = sim_ring_get(&channel->outbound, message, size, len);
		/* There may be room again; the driver may be waiting for it. */
		if (!ret && *len && channel->outbound.ring_buffer->pending_send_sz)
			sim_signal_driver(channel);
	} else {
		ret = sim_ring_put(&channel->inbound, message, size);
		if (!ret)
			sim_signal_driver(channel);
	}
unlock:
	mutex_unlock(&sim_lock);
	return ret;
}

static bool sim_read_one(void *message, u32 *len)
{
	return !sim_exchange(false, message, SIM_MESSAGE_MAX, len) && *len;
}

static ssize_t sim_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	void *message = kvmalloc(SIM_MESSAGE_MAX, GFP_KERNEL);
	ssize_t ret;
	u32 len;

	if (!message)
		return -ENOMEM;

	if (file->f_flags & O_NONBLOCK)
		ret = sim_read_one(message, &len) ? 0 : -EAGAIN;
	else
		ret = wait_event_interruptible(sim_to_host, sim_read_one(message, &len));
	if (!ret) {
		len = min_t(size_t, len, size);
		ret = copy_to_user(to, message, len) ? -EFAULT : len;
	}
	kvfree(message);
	return ret;
}

static ssize_t sim_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	void *message;
	ssize_t ret;

	if (size > SIM_MESSAGE_MAX)
		return -EMSGSIZE;

	message = vmemdup_user(from, size);
	if (IS_ERR(message))
		return PTR_ERR(message);

	ret = sim_exchange(true, message, size, NULL);
	kvfree(message);
	return ret ?: size;
}

static __poll_t sim_poll(struct file *file, poll_table *table)
{
	struct vmbus_channel *channel;
	__poll_t ready = 0;

	poll_wait(file, &sim_to_host, table);
	mutex_lock(&sim_lock);
	channel = sim_open_channel();
	if (channel && hv_get_bytes_to_read(&channel->outbound))
		ready = EPOLLIN | EPOLLRDNORM;
	mutex_unlock(&sim_lock);
	return ready;
}

static const struct file_operations sim_fops = {
	.owner = THIS_MODULE,
	.read = sim_read,
	.write = sim_write,
	.poll = sim_poll,
};

static int sim_set_gate(struct sim_gate *gate, int what)
{
	WRITE_ONCE(gate->what, what);
	wake_up_all(&sim_gate_change);
	return 0;
}

static int sim_set_offline(int what)
{
	return sim_set_gate(&sim_offline, what);
}

static int sim_set_online(int what)
{
	return sim_set_gate(&sim_online, what);
}

static int sim_pass(struct sim_gate *gate)
{
	atomic_inc(&gate->waits);
	wait_event(sim_gate_change, READ_ONCE(gate->what) != SIM_HOLD);
	if (READ_ONCE(gate->what) == SIM_SLOW)
		msleep(SIM_SLOW_MS);
	atomic_dec(&gate->waits);
	return READ_ONCE(gate->what) == SIM_REFUSE ? NOTIFY_BAD : NOTIFY_OK;
}

static int sim_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	switch (event) {
	case MEM_GOING_OFFLINE:
		return sim_pass(&sim_offline);
	case MEM_GOING_ONLINE:
		return sim_pass(&sim_online);
	default:
		return NOTIFY_OK;
	}
}

/* After the driver, which is on the list with priority 0. */
static struct notifier_block sim_memory_nb = {
	.notifier_call = sim_memory_event,
	.priority = -1,
};

static const struct {
	const char *word;
	int (*act)(int argument);
	int argument;
} sim_controls[] = {
	{ "offer", sim_offer, SIM_FIRST },
	{ "rescind", sim_rescind, SIM_FIRST },
	{ "offer-second", sim_offer, SIM_SECOND },
	{ "rescind-second", sim_rescind, SIM_SECOND },
	{ "fail-open", sim_let_open_fail },
	{ "hints", sim_set_hints, SIM_TAKES_HINTS },
	{ "fail-hints", sim_set_hints, SIM_FAILS_HINTS },
	{ "no-hints", sim_set_hints, SIM_NO_HINTS },
	{ "refuse-small-hints", sim_set_hints, SIM_REFUSES_SMALL },
	{ "discard-hints", sim_set_hints, SIM_DISCARDS },
	{ "try-reporting", sim_try_reporting },
	{ "hold-offline", sim_set_offline, SIM_HOLD },
	{ "let-offline", sim_set_offline, SIM_LET },
	{ "refuse-offline", sim_set_offline, SIM_REFUSE },
	{ "hold-online", sim_set_online, SIM_HOLD },
	{ "let-online", sim_set_online, SIM_LET },
	{ "refuse-online", sim_set_online, SIM_REFUSE },
	{ "slow-online", sim_set_online, SIM_SLOW },
	{ "hold-interrupts", sim_set_interrupts, true },
	{ "let-interrupts", sim_set_interrupts, false },
};

static ssize_t control_store(struct device *dev, struct device_attribute *attribute,
			     const char *word, size_t size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sim_controls); i++)
		if (sysfs_streq(word, sim_controls[i].word))
			return sim_controls[i].act(sim_controls[i].argument) ?: size;
	return -EINVAL;
}

/* Not in debugfs, where a kernel in lockdown lets nobody write. */
static DEVICE_ATTR_WO(control);

static struct attribute *sim_control_attrs[] = {
	&dev_attr_control.attr,
	NULL
};
ATTRIBUTE_GROUPS(sim_control);

static struct miscdevice sim_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hvb_sim",
	.fops = &sim_fops,
	.groups = sim_control_groups,
};

static int sim_status_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "opens: %d\ncloses: %d\ninterrupts: %d\nsuspends: %d\nresumes: %d\n",
		   atomic_read(&sim_opens), atomic_read(&sim_closes),
		   atomic_read(&sim_interrupts), atomic_read(&sim_suspends),
		   atomic_read(&sim_resumes));
	seq_printf(file, "hinted: %ld\nsmall_hints: %d\nrefused_hints: %d\nfailed_hints: %d\nwrong_hints: %d\n",
		   atomic_long_read(&sim_hinted), atomic_read(&sim_small_hints),
		   atomic_read(&sim_refused_hints), atomic_read(&sim_failed_hints),
		   atomic_read(&sim_wrong_hints));
	seq_printf(file, "offline_waits: %d\nonline_waits: %d\n",
		   atomic_read(&sim_offline.waits), atomic_read(&sim_online.waits));
	mutex_lock(&sim_lock);
	seq_printf(file, "callback_mode: %d\n", sim_offered[SIM_FIRST] ?
		   (int)sim_offered[SIM_FIRST]->channel.callback_mode : -1);
	mutex_unlock(&sim_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sim_status);

static struct dentry *sim_debugfs;

static int __init sim_init(void)
{
	int ret;

	ret = bus_register(&sim_bus);
	if (ret)
		return ret;

	sim_root = root_device_register("hvb_sim");
	if (IS_ERR(sim_root)) {
		ret = PTR_ERR(sim_root);
		goto unregister_bus;
	}

	ret = register_memory_notifier(&sim_memory_nb);
	if (ret)
		goto unregister_root;

	ret = misc_register(&sim_misc);
	if (ret)
		goto unregister_notifier;

	sim_debugfs = debugfs_create_dir("hvb_sim", NULL);
	debugfs_create_file("status", 0444, sim_debugfs, NULL, &sim_status_fops);
	return 0;

unregister_notifier:
	unregister_memory_notifier(&sim_memory_nb);
unregister_root:
	root_device_unregister(sim_root);
unregister_bus:
	bus_unregister(&sim_bus);
	return ret;
}
module_init(sim_init);

static void __exit sim_exit(void)
{
	int which;

	debugfs_remove(sim_debugfs);
	misc_deregister(&sim_misc);
	unregister_memory_notifier(&sim_memory_nb);
	for (which = 0; which < SIM_DEVICES; which++)
		sim_rescind(which);
	root_device_unregister(sim_root);
	bus_unregister(&sim_bus);
}
module_exit(sim_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Simulated Dynamic Memory host, for tests");
MODULE_LICENSE("GPL");
