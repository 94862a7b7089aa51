/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files for administrators.
 */
#ifndef _HVB_SYSFS_H
#define _HVB_SYSFS_H

#include <linux/sysfs.h>

extern const struct attribute_group *hvb_groups[];

#endif /* _HVB_SYSFS_H */
