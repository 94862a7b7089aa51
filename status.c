// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status report: once a second the guest tells the host how much memory it
 * could give and how much it needs. Runs beside the pump and shares no lock
 * with it, so that a long operation delays no report.
 */
#include <linux/mm.h>
#include <linux/mman.h>

#include "channel.h"
#include "device.h"
#include "hotplug_map.h"
#include "lib/limits.h"
#include "lib/proto.h"
#include "params.h"
#include "status.h"
#include "trace.h"

#define HVB_REPORT_INTERVAL	HZ

/**
 * hvb_floor() - the memory that ballooning leaves the guest
 * @hvb: the device
 *
 * Counts ballooned pages as the guest's: the floor does not sink while the
 * balloon grows. In the mode that keeps the guest's total they are in it.
 *
 * Context: any.
 * Return: pages of the host, which are those of the guest wherever it can balloon.
 */
u64 hvb_floor(const struct hvb_dev *hvb)
{
	const u64 total = totalram_pages() + READ_ONCE(hvb->balloon.hidden);
	const u64 wish = READ_ONCE(hvb_params.floor_mib);

	return hvb_floor_pages(hvb_host_pages(total, PAGE_SHIFT),
			       wish * HVB_PAGES_PER_MIB);
}

/**
 * hvb_measure() - what goes into the demand of the guest now
 * @hvb: the device
 * @demand: where to put it
 *
 * Context: process.
 */
void hvb_measure(struct hvb_dev *hvb, struct hvb_demand *demand)
{
	u64 backed, online;

	hvb_hot_add_totals(hvb, &backed, &online);
	*demand = (struct hvb_demand) {
		.vm_committed = hvb_host_pages(vm_memory_committed(), PAGE_SHIFT),
		.ballooned = READ_ONCE(hvb->balloon.pages),
		.not_online = backed - online,
		.floor = hvb_floor(hvb),
	};
}

static void hvb_trace_status(struct hvb_dev *hvb, const struct hvb_status *status,
			     const struct hvb_demand *demand)
{
	u64 backed, online;

	if (!trace_balloon_status_enabled())
		return;

	hvb_hot_add_totals(hvb, &backed, &online);
	trace_balloon_status(status, demand, backed, online);
}

static void hvb_sample(struct hvb_dev *hvb, struct hvb_status *status)
{
	struct hvb_demand demand;

	hvb_measure(hvb, &demand);
	status->available = hvb_host_pages(max(si_mem_available(), 0L), PAGE_SHIFT);
	status->committed = hvb_committed_pages(&demand);
	hvb_trace_status(hvb, status, &demand);
}

/**
 * hvb_report_work() - send a status report, and plan the next one
 * @work: the report work of the device
 *
 * A report for which the ring has no room is dropped: the next one is newer.
 *
 * Context: process.
 */
void hvb_report_work(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(to_delayed_work(work), struct hvb_dev, report);
	struct hvb_wire_status report;
	struct hvb_status status;

	hvb_sample(hvb, &status);
	hvb->report_status = status;
	if (!hvb_send_now(hvb, &report, hvb_encode_status(&report, &status)))
		hvb->stats.reports++;

	if (!READ_ONCE(hvb->stopping))
		queue_delayed_work(hvb->wq, &hvb->report, HVB_REPORT_INTERVAL);
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
		queue_delayed_work(hvb->wq, &hvb->report,
				   READ_ONCE(hvb_params.report_delay) * HZ);
}
