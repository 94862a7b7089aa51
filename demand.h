/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor, and the demand that the guest reports.
 */
#ifndef _HVB_DEMAND_H
#define _HVB_DEMAND_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "lib/usage.h"

struct hvb_demand;
struct hvb_dev;

/**
 * struct hvb_demand_state - components of the demand that the kernel does not count
 * @model: the demand by use; written by the report work, read anywhere
 * @emergency: emergency demand in pages, until @emergency_end; written by tasks that hit
 *	OOM
 * @emergency_end: in jiffies64
 * @lock: protects @extra and @extra_end
 * @extra: extra demand of a program in pages
 * @extra_end: in jiffies64, when @extra expires
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
u64 hvb_assigned(const struct hvb_dev *hvb);
u64 hvb_floor(const struct hvb_dev *hvb);
u64 hvb_available_clean(void);
u64 hvb_available_total(void);
u64 hvb_refaults(void);
u64 hvb_reclaim_cost(void);
void hvb_demand_update(struct hvb_dev *hvb);
void hvb_demand_read(struct hvb_dev *hvb, struct hvb_demand *demand);
bool hvb_demand_rises(const struct hvb_dev *hvb);
void hvb_demand_emergency(struct hvb_dev *hvb, u64 end);
void hvb_demand_set_extra(struct hvb_dev *hvb, u64 pages, unsigned int seconds);
u64 hvb_demand_extra(struct hvb_dev *hvb);

#endif /* _HVB_DEMAND_H */
