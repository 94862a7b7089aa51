// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of all files: kick the pump, wake programs that poll, log what probe and
 * remove wait for.
 */
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "device.h"

/* Waits of probe and remove that take longer are logged. */
#define HVB_WAIT_LOGGED		HZ

/**
 * hvb_queue() - queue a work item that ends with the channel
 * @hvb: the device
 * @work: the pump, or the report work
 * @delay: jiffies from now; an earlier time that is set already is dropped
 *
 * Does nothing once the driver is stopping.
 *
 * Context: any.
 */
void hvb_queue(struct hvb_dev *hvb, struct delayed_work *work, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&hvb->kick_lock, flags);
	if (!hvb->stopping)
		mod_delayed_work(hvb->wq, work, delay);
	spin_unlock_irqrestore(&hvb->kick_lock, flags);
}

/**
 * hvb_kick() - let the pump run
 * @hvb: the device
 * @delay: as for hvb_queue()
 *
 * Context: any.
 */
void hvb_kick(struct hvb_dev *hvb, unsigned long delay)
{
	hvb_queue(hvb, &hvb->pump, delay);
}

/**
 * hvb_memory_arrived() - the guest has more memory
 * @hvb: the device
 * @pages: how much more
 *
 * Context: any.
 */
void hvb_memory_arrived(struct hvb_dev *hvb, u64 pages)
{
	if (!pages)
		return;
	atomic64_add(pages, &hvb->arrivals.pages);
	wake_up_all(&hvb->arrivals.wait);
}

/**
 * hvb_memory_freed() - the guest has memory again that the host was not given
 * @hvb: the device
 * @pages: how much
 *
 * Context: any.
 */
void hvb_memory_freed(struct hvb_dev *hvb, u64 pages)
{
	atomic64_add(pages, &hvb->arrivals.freed);
	wake_up_all(&hvb->arrivals.wait);
}

/**
 * hvb_notify() - wake programs that poll() a file
 * @hvb: the device; its files need not be there yet, or any more
 * @name: name of the file
 *
 * Context: process, may sleep.
 */
void hvb_notify(struct hvb_dev *hvb, const char *name)
{
	sysfs_notify(&hvb_device(hvb)->kobj, HVB_GROUP, name);
}

static void hvb_log_wait(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(to_delayed_work(work), struct hvb_dev, wait_log);

	dev_warn(hvb_device(hvb), "waiting for %s\n", hvb->waits_for);
}

/**
 * hvb_wait_begin() - log what is waited for, if that takes more than a second
 * @hvb: the device
 * @what: what it is
 *
 * For what cannot be interrupted. Ends with hvb_wait_end().
 *
 * Context: probe or remove; may sleep.
 */
void hvb_wait_begin(struct hvb_dev *hvb, const char *what)
{
	hvb->waits_for = what;
	schedule_delayed_work(&hvb->wait_log, HVB_WAIT_LOGGED);
}

/**
 * hvb_wait_end() - the wait is over
 * @hvb: the device
 *
 * Context: probe or remove; may sleep.
 */
void hvb_wait_end(struct hvb_dev *hvb)
{
	cancel_delayed_work_sync(&hvb->wait_log);
}

/**
 * hvb_device_init() - get ready for all of the above
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_device_init(struct hvb_dev *hvb)
{
	spin_lock_init(&hvb->kick_lock);
	mutex_init(&hvb->transfer_lock);
	init_waitqueue_head(&hvb->arrivals.wait);
	INIT_DELAYED_WORK(&hvb->wait_log, hvb_log_wait);
	hvb->stopping = true;
}
