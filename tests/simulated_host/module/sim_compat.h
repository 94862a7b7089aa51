/* SPDX-License-Identifier: GPL-2.0-only */
/* Differences between kernels that the simulated host meets. */
#ifndef _SIM_COMPAT_H
#define _SIM_COMPAT_H

#include <linux/version.h>

/* From 6.11 on a bus matches a driver that it must not change. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define SIM_MATCH_DRIVER	const struct device_driver
#else
#define SIM_MATCH_DRIVER	struct device_driver
#endif

#endif /* _SIM_COMPAT_H */
