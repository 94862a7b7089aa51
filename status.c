// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status report: what is available in the guest, and what it needs. Once a
 * second, and more often while the demand rises. Runs beside the pump and shares
 * no lock with it, so that a long operation delays no report.
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

/* Between two reports: at most, and at least. */
#define HVB_REPORT_INTERVAL	HZ
#define HVB_REPORT_SOON		(HZ / 10)

static void hvb_trace_status(struct hvb_dev *hvb, const struct hvb_status *status,
			     const struct hvb_demand *demand)
{
	u64 backed, online;

	trace_balloon_demand(demand);
	if (!trace_balloon_status_enabled())
		return;

	hvb_hot_add_totals(hvb, &backed, &online);
	trace_balloon_status(status, demand, backed, online);
}

static void hvb_sample(struct hvb_dev *hvb, struct hvb_status *status)
{
	struct hvb_demand demand;

	hvb_demand_update(hvb);
	hvb_demand_read(hvb, &demand);
	status->available = hvb_demand_available();
	status->committed = hvb_committed_pages(&demand);
	hvb_trace_status(hvb, status, &demand);
}

/* Return: jiffies to the next report. */
static unsigned long hvb_report_interval(struct hvb_dev *hvb)
{
	struct hvb_report *report = &hvb->report;

	if (hvb_demand_rises(hvb))
		report->interval = HVB_REPORT_SOON;
	else
		report->interval = min(2 * report->interval, (unsigned long)HVB_REPORT_INTERVAL);
	return report->interval;
}

static void hvb_report_work(struct work_struct *work)
{
	struct hvb_report *report = container_of(to_delayed_work(work), struct hvb_report, work);
	struct hvb_dev *hvb = container_of(report, struct hvb_dev, report);
	struct hvb_wire_status message;
	struct hvb_status status;

	hvb_sample(hvb, &status);
	report->status = status;
	WRITE_ONCE(report->earliest, get_jiffies_64() + HVB_REPORT_SOON);
	/* One for which the ring has no room is dropped: the next is newer. */
	if (!hvb_send_now(hvb, &message, hvb_encode_status(&message, &status)))
		hvb->stats.reports++;

	if (!READ_ONCE(hvb->stopping))
		queue_delayed_work(hvb->wq, &report->work, hvb_report_interval(hvb));
}

/**
 * hvb_report_soon() - something has happened that the host should hear of
 * @hvb: the device
 *
 * The next report goes out at once, or 100 ms after the last one. The first one has
 * its time, unless the guest is out of memory.
 *
 * Context: any.
 */
void hvb_report_soon(struct hvb_dev *hvb)
{
	struct hvb_report *report = &hvb->report;
	const u64 now = get_jiffies_64(), earliest = READ_ONCE(report->earliest);
	unsigned long flags;

	if (hvb->no_reports || READ_ONCE(hvb->state) != HVB_RUNNING)
		return;

	spin_lock_irqsave(&hvb->kick_lock, flags);
	if (!hvb->stopping)
		mod_delayed_work(hvb->wq, &report->work,
				 time_before64(now, earliest) ? earliest - now : 0);
	spin_unlock_irqrestore(&hvb->kick_lock, flags);
}

/**
 * hvb_report_start() - begin to report, unless the host wants none
 * @hvb: the device; the host has accepted its capabilities
 *
 * Hosts that have just started a guest ignore its first reports, which speak
 * of the boot; hence the delay.
 *
 * Context: the pump.
 */
void hvb_report_start(struct hvb_dev *hvb)
{
	if (!hvb->no_reports)
		queue_delayed_work(hvb->wq, &hvb->report.work,
				   READ_ONCE(hvb_params.report_delay) * HZ);
}

/**
 * hvb_report_stop() - report no more
 * @hvb: the device, which is stopping
 *
 * Context: process, may sleep.
 */
void hvb_report_stop(struct hvb_dev *hvb)
{
	cancel_delayed_work_sync(&hvb->report.work);
}

/**
 * hvb_report_init() - get ready for all of the above
 * @hvb: the device
 *
 * Context: process.
 */
void hvb_report_init(struct hvb_dev *hvb)
{
	hvb->report.interval = HVB_REPORT_INTERVAL;
	hvb->report.earliest = get_jiffies_64();
	INIT_DELAYED_WORK(&hvb->report.work, hvb_report_work);
}
