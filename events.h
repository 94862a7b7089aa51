/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory events: notify programs of the guest's size, and udev of new memory blocks.
 */
#ifndef _HVB_EVENTS_H
#define _HVB_EVENTS_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct hvb_dev;

/**
 * struct hvb_events - memory events: the guest's size has changed
 */
struct hvb_events {
	/** @work: sends events and wakes programs that poll */
	struct delayed_work work;

	/** @lock: protects @step_kib and @reported_gain */
	spinlock_t lock;

	/** @step_kib: the change in KiB that is an event, 0 for no events; written by sysfs */
	u64 step_kib;

	/**
	 * @reported_gain: by how much hot-add and balloon had made the guest larger at
	 * the last event, in KiB; written by @work and sysfs
	 */
	s64 reported_gain;

	/** @count: events so far; written by @work, read anywhere */
	u64 count;

	/** @notified_ballooned: ballooned pages at the last wake-up of pollers; @work only */
	u64 notified_ballooned;

	/** @seen_ballooned: ballooned pages when the pump looked last; pump only */
	u64 seen_ballooned;

	/** @seen_online: the same of hot-added pages that are online; pump only */
	u64 seen_online;
};

void hvb_events_init(struct hvb_dev *hvb);
void hvb_events_start(struct hvb_dev *hvb);
void hvb_events_stop(struct hvb_dev *hvb);
void hvb_events_run(struct hvb_dev *hvb);
void hvb_events_new_block(struct hvb_dev *hvb, u64 number);
void hvb_events_set_step(struct hvb_dev *hvb, u64 step_kib);

#endif /* _HVB_EVENTS_H */
