/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest needs: the floor, and the demand that it reports.
 */
#ifndef _HVB_DEMAND_H
#define _HVB_DEMAND_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "lib/usage.h"

struct hvb_demand;
struct hvb_dev;

/**
 * struct hvb_demand_state - what the demand is made of, besides what the kernel counts
 * @model: the demand by use; written by the report work, read anywhere
 * @emergency: pages that are asked for on top, until @emergency_end; written by tasks
 *	that are out of memory
 * @emergency_end: in jiffies64
 * @lock: protects @extra and @extra_end
 * @extra: pages that a program asks for on top
 * @extra_end: in jiffies64, when that ends
 */
struct hvb_demand_state {
	struct hvb_use_model model;
	u64 emergency;
	u64 emergency_end;
	spinlock_t lock; /* protects extra and extra_end */
	u64 extra;
	u64 extra_end;
};

void hvb_demand_init(struct hvb_dev *hvb);
u64 hvb_floor(const struct hvb_dev *hvb);
u64 hvb_available(void);
u64 hvb_demand_available(void);
void hvb_demand_update(struct hvb_dev *hvb);
void hvb_demand_read(struct hvb_dev *hvb, struct hvb_demand *demand);
bool hvb_demand_rises(const struct hvb_dev *hvb);
void hvb_demand_emergency(struct hvb_dev *hvb, u64 end);
void hvb_demand_set_extra(struct hvb_dev *hvb, u64 pages, unsigned int seconds);
u64 hvb_demand_extra(struct hvb_dev *hvb);

#endif /* _HVB_DEMAND_H */
