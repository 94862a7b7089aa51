// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status report: available memory and demand. Once a second, more often while the
 * demand rises. Runs concurrently with the pump, so that a long operation delays no
 * report.
 */
#include <linux/jiffies.h>

#include "channel.h"
#include "demand.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/limits.h"
#include "lib/proto.h"
#include "params.h"
#include "status.h"
#include "trace.h"

/* Longest and shortest interval between two reports. */
#define HVB_STATUS_INTERVAL	HZ
#define HVB_STATUS_SOON		(HZ / 10)

static void hvb_trace_status(struct hvb_dev *hvb, const struct hvb_status *status,
			     const struct hvb_demand *demand)
{
	u64 backed, online;

	trace_balloon_demand(demand);
	if (!trace_balloon_status_enabled())
		return;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	trace_balloon_status(status, demand, backed, online);
}

static void hvb_sample(struct hvb_dev *hvb, struct hvb_status *status)
{
	struct hvb_demand demand;

	hvb_demand_update(hvb);
	hvb_demand_read(hvb, &demand);
	status->available = hvb_available_total();
	status->committed = hvb_committed_pages(&demand);
	hvb_trace_status(hvb, status, &demand);
}

/* Return: jiffies to the next report. */
static unsigned long hvb_status_interval(struct hvb_dev *hvb)
{
	struct hvb_report *report = &hvb->report;

	if (hvb_demand_rises(hvb))
		report->interval = HVB_STATUS_SOON;
	else
		report->interval = min(2 * report->interval, (unsigned long)HVB_STATUS_INTERVAL);
	return report->interval;
}

static void hvb_status_work(struct work_struct *work)
{
	struct hvb_report *report = container_of(to_delayed_work(work), struct hvb_report, work);
	struct hvb_dev *hvb = container_of(report, struct hvb_dev, report);
	struct hvb_wire_status message;
	struct hvb_status status;

	hvb_sample(hvb, &status);
	WRITE_ONCE(report->earliest, get_jiffies_64() + HVB_STATUS_SOON);
	/* Dropped if the ring is full: the next one is newer. */
	if (!hvb_send_now(hvb, &message, hvb_encode_status(&message, &status))) {
		report->status = status;
		hvb->stats.reports++;
	}

	if (!READ_ONCE(hvb->stopping))
		queue_delayed_work(hvb->wq, &report->work, hvb_status_interval(hvb));
}

/**
 * hvb_status_soon() - report ahead of time
 * @hvb: the device
 *
 * The next report is sent at once, but not within HVB_STATUS_SOON of the last one. This
 * also ends the delay of the first report.
 *
 * Context: any.
 */
void hvb_status_soon(struct hvb_dev *hvb)
{
	struct hvb_report *report = &hvb->report;
	const u64 now = get_jiffies_64(), earliest = READ_ONCE(report->earliest);

	if (!READ_ONCE(hvb->no_reports) && READ_ONCE(hvb->state) == HVB_STATE_RUNNING)
		hvb_queue(hvb, &report->work, time_before64(now, earliest) ? earliest - now : 0);
}

/**
 * hvb_status_start() - start reporting, unless the host disabled it
 * @hvb: the device; the host has accepted its capabilities
 *
 * Hosts ignore the first reports of a guest that they have just started, which reflect
 * the boot: hence the delay.
 *
 * Context: the pump.
 */
void hvb_status_start(struct hvb_dev *hvb)
{
	if (!hvb->no_reports)
		queue_delayed_work(hvb->wq, &hvb->report.work,
				   READ_ONCE(hvb_params.report_delay) * HZ);
}

/**
 * hvb_status_stop() - stop reporting
 * @hvb: the device, which is stopping
 *
 * Context: process, may sleep.
 */
void hvb_status_stop(struct hvb_dev *hvb)
{
	cancel_delayed_work_sync(&hvb->report.work);
}

/**
 * hvb_status_init() - set up the status report
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_status_init(struct hvb_dev *hvb)
{
	hvb->report.interval = HVB_STATUS_INTERVAL;
	hvb->report.earliest = get_jiffies_64();
	INIT_DELAYED_WORK(&hvb->report.work, hvb_status_work);
}
