/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The status report, and the floor and the demand that it is about.
 */
#ifndef _HVB_STATUS_H
#define _HVB_STATUS_H

#include <linux/types.h>

struct hvb_demand;
struct hvb_dev;
struct work_struct;

u64 hvb_floor(const struct hvb_dev *hvb);
void hvb_measure(struct hvb_dev *hvb, struct hvb_demand *demand);
void hvb_report_start(struct hvb_dev *hvb);
void hvb_report_work(struct work_struct *work);

#endif /* _HVB_STATUS_H */
