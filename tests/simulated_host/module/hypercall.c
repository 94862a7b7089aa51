// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the place of the driver's own hypercall.c in a guest with a simulated
 * host, which is no hypervisor: asks that host instead.
 */
#include "hvb_sim.h"
#include "hypercall.h"

bool hvb_hypercall_takes_hints(void)
{
	return sim_takes_hints();
}

u64 hvb_hypercall_hint(const struct hv_memory_hint *hint, u16 nr)
{
	return sim_hint(hint, nr);
}
