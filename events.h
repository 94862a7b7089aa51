/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs are told of the guest's size.
 */
#ifndef _HVB_EVENTS_H
#define _HVB_EVENTS_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct hvb_dev;

/**
 * struct hvb_events - what programs are told of the guest's size
 * @work: tells
 * @lock: protects @step_kib and @reported_gain
 * @step_kib: the change in KiB that is an event, 0 for no events
 * @reported_gain: by how much hot-add and balloon had made the guest larger at the
 *	last event, in KiB
 * @count: events so far; written by @work only
 * @notified_ballooned: ballooned pages when programs that poll were woken last;
 *	@work only
 * @seen_ballooned: ballooned pages when the pump looked last; pump only
 * @seen_online: the same of hot-added pages that are online
 */
struct hvb_events {
	struct delayed_work work;
	spinlock_t lock; /* protects step_kib and reported_gain */
	u64 step_kib;
	s64 reported_gain;
	u64 count;
	u64 notified_ballooned;
	u64 seen_ballooned;
	u64 seen_online;
};

void hvb_events_init(struct hvb_dev *hvb);
void hvb_events_start(struct hvb_dev *hvb);
void hvb_events_stop(struct hvb_dev *hvb);
void hvb_events_run(struct hvb_dev *hvb);
void hvb_events_set_step(struct hvb_dev *hvb, u64 step_kib);

#endif /* _HVB_EVENTS_H */
