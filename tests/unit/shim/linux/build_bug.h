/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_BUILD_BUG_H
#define _SHIM_LINUX_BUILD_BUG_H

#include <assert.h>

/* The message is optional in C only from C23 on. */
#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

#endif
