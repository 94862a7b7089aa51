/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_OVERFLOW_H
#define _SHIM_LINUX_OVERFLOW_H

#include <linux/types.h>

#define struct_size(p, member, count)	\
	(sizeof(*(p)) + (size_t)(count) * sizeof(*(p)->member))

#endif
