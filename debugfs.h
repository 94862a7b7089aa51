/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files for a look inside.
 */
#ifndef _HVB_DEBUGFS_H
#define _HVB_DEBUGFS_H

struct hvb_dev;
struct seq_file;

#ifdef CONFIG_DEBUG_FS
int hvb_messages_show(struct seq_file *file, void *offset);
int hvb_legacy_show(struct seq_file *file, void *offset);
void hvb_debugfs_init(struct hvb_dev *hvb);
void hvb_debugfs_exit(struct hvb_dev *hvb);
#else
static inline void hvb_debugfs_init(struct hvb_dev *hvb) { }
static inline void hvb_debugfs_exit(struct hvb_dev *hvb) { }
#endif

#endif /* _HVB_DEBUGFS_H */
