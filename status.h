/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The status report.
 */
#ifndef _HVB_STATUS_H
#define _HVB_STATUS_H

#include <linux/types.h>
#include <linux/workqueue.h>

#include "lib/proto.h"

struct hvb_dev;

/**
 * struct hvb_report - the status report
 * @work: sends it
 * @status: the figures sent last; written by @work
 * @interval: jiffies to the next one; @work only
 * @earliest: in jiffies64, when the next one may be sent; written by @work
 */
struct hvb_report {
	struct delayed_work work;
	struct hvb_status status;
	unsigned long interval;
	u64 earliest;
};

void hvb_status_init(struct hvb_dev *hvb);
void hvb_status_start(struct hvb_dev *hvb);
void hvb_status_stop(struct hvb_dev *hvb);
void hvb_status_soon(struct hvb_dev *hvb);

#endif /* _HVB_STATUS_H */
