/* SPDX-License-Identifier: GPL-2.0-only */
/* What the driver asks of the hypervisor itself. */
#ifndef _HVB_HYPERCALL_H
#define _HVB_HYPERCALL_H

#include <linux/types.h>

struct hv_memory_hint;

bool hvb_hypercall_takes_hints(void);
u64 hvb_hypercall_hint(const struct hv_memory_hint *hint, u16 nr);

#endif /* _HVB_HYPERCALL_H */
