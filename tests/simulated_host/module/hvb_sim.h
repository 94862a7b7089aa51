/* SPDX-License-Identifier: GPL-2.0-only */
/* The hypervisor of the simulated host, for the driver's hypercalls. */
#ifndef _HVB_SIM_H
#define _HVB_SIM_H

#include <linux/types.h>

struct hv_memory_hint;

bool sim_takes_hints(void);
u64 sim_hint(const struct hv_memory_hint *hint, u16 nr);

#endif /* _HVB_SIM_H */
