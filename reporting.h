/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Free page reporting.
 */
#ifndef _HVB_REPORTING_H
#define _HVB_REPORTING_H

#include <linux/page_reporting.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct hv_memory_hint;
struct hvb_dev;

/**
 * struct hvb_reporting - free page reporting: free page hints for the host
 *
 * The kernel makes one report at a time: "report only" needs no lock.
 */
struct hvb_reporting {
	/** @prdev: registered with the kernel's page reporting */
	struct page_reporting_dev_info prdev;

	/** @hint: the hint under construction, NULL if none is given; report only */
	struct hv_memory_hint *hint;

	/** @work: unregisters @prdev after failures, and registers it again */
	struct delayed_work work;

	/** @ending: @work must do nothing any more; written by remove, read anywhere */
	bool ending;

	/** @registered: @prdev is; written by @work, and while that cannot run */
	bool registered;

	/** @since: jiffies at which it was registered; likewise */
	unsigned long since;

	/** @on: hints are given; written by @work and, on failures, by a report */
	bool on;

	/** @pause: jiffies without hints after failures; written by a report, read by @work */
	unsigned long pause;

	/** @large_only: the host takes no hint for less than 2 MiB; report only */
	bool large_only;

	/** @in_a_row: hints that failed since the last success; report only */
	unsigned int in_a_row;

	/** @pages: pages in hints that the host took; written by a report, read anywhere */
	u64 pages;

	/** @failures: hints that it did not take; likewise */
	u64 failures;
};

#ifdef CONFIG_PAGE_REPORTING
void hvb_reporting_init(struct hvb_dev *hvb);
void hvb_reporting_exit(struct hvb_dev *hvb);
#else
static inline void hvb_reporting_init(struct hvb_dev *hvb) { }
static inline void hvb_reporting_exit(struct hvb_dev *hvb) { }
#endif

#endif /* _HVB_REPORTING_H */
