/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's build puts before the first line of every file. The other
 * headers here give, like this one, no more than the pure files use.
 */
#ifndef _SHIM_LINUX_COMPILER_TYPES_H
#define _SHIM_LINUX_COMPILER_TYPES_H

#define __packed		__attribute__((__packed__))
#define __printf(format, first)	__attribute__((__format__(printf, format, first)))

/* A name that is not free in every kernel: 7.3 has it for array parameters. */
#define at_least		static

#endif
