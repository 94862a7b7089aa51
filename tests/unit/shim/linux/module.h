/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MODULE_H
#define _SHIM_LINUX_MODULE_H

#include <linux/build_bug.h>

#define MODULE_DESCRIPTION(text)	static_assert(sizeof(text))
#define MODULE_LICENSE(text)		static_assert(sizeof(text))

#endif
