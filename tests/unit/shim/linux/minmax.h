/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

/* Both warn, as the kernel's did in 6.1, if the types differ. */
#define min(x, y) ({			\
	const typeof(x) __x = (x);	\
	const typeof(y) __y = (y);	\
	(void)(&__x == &__y);		\
	__x < __y ? __x : __y; })

#define max(x, y) ({			\
	const typeof(x) __x = (x);	\
	const typeof(y) __y = (y);	\
	(void)(&__x == &__y);		\
	__x > __y ? __x : __y; })

#define min_t(type, x, y)	min((type)(x), (type)(y))
#define max_t(type, x, y)	max((type)(x), (type)(y))

#define swap(a, b) do {				\
	typeof(a) __swap = (a);			\
	(a) = (b);				\
	(b) = __swap;				\
} while (0)

#endif
