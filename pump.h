/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one work item that reads the ring and works on requests.
 */
#ifndef _HVB_PUMP_H
#define _HVB_PUMP_H

struct hvb_dev;

int hvb_pump_init(struct hvb_dev *hvb);
void hvb_pump_exit(struct hvb_dev *hvb);
int hvb_pump_start(struct hvb_dev *hvb);
void hvb_pump_stop(struct hvb_dev *hvb);

#endif /* _HVB_PUMP_H */
