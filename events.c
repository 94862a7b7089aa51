// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notifies programs when the guest has become smaller or larger: through files that
 * can be polled, and through memory events (uevents), for programs that manage their
 * memory themselves. Also notifies udev of each memory block that has to be onlined.
 *
 * The pump detects a change and queues a work item with a delay, which reports all
 * changes until then at once. A change while the work runs queues it again. So the
 * last change of an operation is not lost, a long operation is reported a few times
 * a second, and the pump never waits for user space. An event takes memory, which the
 * pump may have to bring: so the work item is not queued where the pump is. It may wait
 * for a disk: so it is freezable, and suspend() does not wait for it.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/kobject.h>

#include "device.h"
#include "events.h"
#include "hotplug_map.h"

/* How long changes are collected into one event. */
#define HVB_EVENT_DELAY		(HZ / 4)

#define HVB_EVENT_LINE		64

/* By how much hot-add and balloon have made the guest larger, in KiB. */
static s64 hvb_gain(u64 online, u64 ballooned)
{
	return (s64)hvb_pages_to_kib(online) - (s64)hvb_pages_to_kib(ballooned);
}

/*
 * Return: by how much the guest has changed since the last event, in KiB, if
 * that is an event; else 0.
 */
static s64 hvb_event_due(struct hvb_events *events, s64 gain)
{
	s64 change;

	spin_lock(&events->lock);
	change = gain - events->reported_gain;
	if (!events->step_kib || (u64)abs(change) < events->step_kib)
		change = 0;
	else
		events->reported_gain = gain;
	spin_unlock(&events->lock);
	return change;
}

static void hvb_uevent(struct hvb_dev *hvb, char **env)
{
	const int ret = kobject_uevent_env(&hvb_device(hvb)->kobj, KOBJ_CHANGE, env);

	if (ret)
		dev_warn_ratelimited(hvb_device(hvb),
				     "cannot send an event to user space (error %d)\n", ret);
}

static void hvb_event_send(struct hvb_dev *hvb, s64 change, u64 ballooned, u64 backed)
{
	char event[HVB_EVENT_LINE], size[HVB_EVENT_LINE];
	char out[HVB_EVENT_LINE], added[HVB_EVENT_LINE];
	char *env[5] = { event, size, out, added };

	snprintf(event, sizeof(event), "DYNAMIC_MEMORY_EVENT=%s",
		 change < 0 ? "taken" : "given");
	snprintf(size, sizeof(size), "DYNAMIC_MEMORY_CHANGE_KB=%lld", abs(change));
	snprintf(out, sizeof(out), "DYNAMIC_MEMORY_BALLOONED_KB=%llu",
		 hvb_pages_to_kib(ballooned));
	snprintf(added, sizeof(added), "DYNAMIC_MEMORY_HOT_ADDED_KB=%llu",
		 hvb_pages_to_kib(backed));

	hvb_uevent(hvb, env);
}

/**
 * hvb_events_new_block() - notify udev that a memory block was added and is not online
 * @hvb: the device
 * @number: the block's number, as in the name of its device
 *
 * The event of the block's own device does not say which driver has added it.
 *
 * Context: process, may sleep.
 */
void hvb_events_new_block(struct hvb_dev *hvb, u64 number)
{
	char block[HVB_EVENT_LINE];
	char *env[2] = { block };

	snprintf(block, sizeof(block), "DYNAMIC_MEMORY_NEW_BLOCK=%llu", number);
	hvb_uevent(hvb, env);
}

static void hvb_events_work(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(to_delayed_work(work), struct hvb_dev,
					   events.work);
	const u64 ballooned = READ_ONCE(hvb->balloon.pages);
	struct hvb_events *events = &hvb->events;
	u64 backed, online;
	s64 change;

	if (ballooned != events->notified_ballooned) {
		events->notified_ballooned = ballooned;
		hvb_notify(hvb, "ballooned_kb");
	}

	hvb_hotplug_map_totals(hvb, &backed, &online);
	change = hvb_event_due(events, hvb_gain(online, ballooned));
	if (!change)
		return;

	WRITE_ONCE(events->count, events->count + 1);
	hvb_notify(hvb, "events");
	hvb_event_send(hvb, change, ballooned, backed);
}

/**
 * hvb_events_set_step() - set the change of the guest's size that is an event
 * @hvb: the device
 * @step_kib: the change in KiB, 0 for no events
 *
 * Earlier changes do not count.
 *
 * Context: process.
 */
void hvb_events_set_step(struct hvb_dev *hvb, u64 step_kib)
{
	struct hvb_events *events = &hvb->events;
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	spin_lock(&events->lock);
	WRITE_ONCE(events->step_kib, step_kib);
	events->reported_gain = hvb_gain(online, READ_ONCE(hvb->balloon.pages));
	spin_unlock(&events->lock);
}

/**
 * hvb_events_run() - check for a change of the guest's size
 * @hvb: the device
 *
 * Context: the pump, after each turn of all else.
 */
void hvb_events_run(struct hvb_dev *hvb)
{
	const u64 ballooned = hvb->balloon.pages;
	struct hvb_events *events = &hvb->events;
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	if (ballooned == events->seen_ballooned && online == events->seen_online)
		return;

	events->seen_ballooned = ballooned;
	events->seen_online = online;
	queue_delayed_work(system_freezable_wq, &events->work, HVB_EVENT_DELAY);
}

/**
 * hvb_events_init() - get ready for memory events
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_events_init(struct hvb_dev *hvb)
{
	INIT_DELAYED_WORK(&hvb->events.work, hvb_events_work);
	spin_lock_init(&hvb->events.lock);
}

/**
 * hvb_events_start() - report changes since hvb_events_stop()
 * @hvb: the device
 *
 * Context: process; fit for resume().
 */
void hvb_events_start(struct hvb_dev *hvb)
{
	queue_delayed_work(system_freezable_wq, &hvb->events.work, HVB_EVENT_DELAY);
}

/**
 * hvb_events_stop() - send no more events
 * @hvb: the device; the pump is stopped
 *
 * Context: process, may sleep.
 */
void hvb_events_stop(struct hvb_dev *hvb)
{
	cancel_delayed_work_sync(&hvb->events.work);
}
