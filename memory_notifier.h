/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory notifier: memory blocks that go online and offline.
 */
#ifndef _HVB_MEMORY_NOTIFIER_H
#define _HVB_MEMORY_NOTIFIER_H

struct hvb_dev;
struct hvb_hot_add;

int hvb_memory_notifier_init(struct hvb_dev *hvb);
void hvb_memory_notifier_exit(struct hvb_dev *hvb);
void hvb_offline_watch(struct hvb_hot_add *ha);
unsigned long hvb_check_offline(struct hvb_dev *hvb);

#endif /* _HVB_MEMORY_NOTIFIER_H */
