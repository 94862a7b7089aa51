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
 * struct hvb_reporting - free memory that the host may use meanwhile
 * @prdev: our end of the kernel's page reporting
 * @hint: the hint under construction, NULL if none is given
 * @work: unregisters @prdev after failures, and registers it again
 * @ending: the driver goes: @work must do nothing any more
 * @registered: @prdev is; written by @work, and when that cannot run
 * @since: jiffies at which it was registered
 * @pause: jiffies that the host is left alone
 * @on: hints are given
 * @large_only: the host takes none at less than 2 MiB
 * @in_a_row: the last so many failed
 * @pages: pages in hints that the host took
 * @failures: hints that it did not take
 *
 * The kernel makes one report at a time. From @pause on only that writes, but
 * for @on, which @work sets when there is none.
 */
struct hvb_reporting {
	struct page_reporting_dev_info prdev;
	struct hv_memory_hint *hint;
	struct delayed_work work;
	bool ending;
	bool registered;
	unsigned long since;
	unsigned long pause;
	bool on;
	bool large_only;
	unsigned int in_a_row;
	u64 pages;
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
