// SPDX-License-Identifier: GPL-2.0-only
/* /dev/hvb_sim: a program in user space plays the host. */
#include <linux/fs.h>
#include <linux/hyperv.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "sim.h"

#define SIM_MESSAGE_MAX	(64 * 1024)

/*
 * A host needs no memory of its guest: what plays it may use the reserves, so that it can
 * react when the guest is out of memory. And it has room for a message from the start: such
 * an allocation would make kswapd reclaim for its order.
 */
static int sim_open(struct inode *inode, struct file *file)
{
	file->private_data = kvmalloc(SIM_MESSAGE_MAX, GFP_KERNEL);
	if (!file->private_data)
		return -ENOMEM;

	current->flags |= PF_MEMALLOC;
	return 0;
}

static int sim_close(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static bool sim_read_one(void *message, u32 *len)
{
	return !sim_exchange(false, message, SIM_MESSAGE_MAX, len) && *len;
}

/* One program reads, one message at a time. */
static ssize_t sim_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	void *message = file->private_data;
	ssize_t ret;
	u32 len;

	if (file->f_flags & O_NONBLOCK)
		ret = sim_read_one(message, &len) ? 0 : -EAGAIN;
	else
		ret = wait_event_interruptible(sim_to_host, sim_read_one(message, &len));
	if (ret)
		return ret;

	len = min_t(size_t, len, size);
	return copy_to_user(to, message, len) ? -EFAULT : len;
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

const struct file_operations sim_fops = {
	.owner = THIS_MODULE,
	.open = sim_open,
	.release = sim_close,
	.read = sim_read,
	.write = sim_write,
	.poll = sim_poll,
};
