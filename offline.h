/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory blocks that go offline.
 */
#ifndef _HVB_OFFLINE_H
#define _HVB_OFFLINE_H

#include <linux/types.h>

struct hvb_dev;

int hvb_offline_begin(struct hvb_dev *hvb, u64 start, u64 count);
void hvb_offline_cancel(struct hvb_dev *hvb);
void hvb_offline_end(struct hvb_dev *hvb, u64 start, u64 count);

#endif /* _HVB_OFFLINE_H */
