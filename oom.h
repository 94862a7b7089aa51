/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * OOM handling.
 */
#ifndef _HVB_OOM_H
#define _HVB_OOM_H

#include <linux/notifier.h>
#include <linux/ratelimit_types.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct hvb_dev;

/**
 * struct hvb_oom - OOM handling
 * @nb: the out-of-memory notifier
 * @pause_end: in jiffies64: until then no page is ballooned
 * @log_limit: when to log a wait again
 * @lock: protects all below
 * @deadline: in jiffies64: until then the OOM killer is deferred
 * @arrived: hvb_arrived() when @deadline was set
 */
struct hvb_oom {
	struct notifier_block nb;
	u64 pause_end;
	struct ratelimit_state log_limit;
	spinlock_t lock; /* protects all below */
	u64 deadline;
	u64 arrived;
};

int hvb_oom_init(struct hvb_dev *hvb);
void hvb_oom_exit(struct hvb_dev *hvb);
bool hvb_recent_oom(const struct hvb_dev *hvb);

#endif /* _HVB_OOM_H */
