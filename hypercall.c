// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two calls of the hypervisor that reporting.c makes. In a file of their own:
 * the tests put a hypervisor of their own in its place.
 */
#include <linux/hyperv.h>
#include <linux/irqflags.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <asm/mshyperv.h>

#include "hypercall.h"

/**
 * hvb_hypercall_takes_hints() - whether the host takes free page hints
 *
 * Context: process.
 * Return: true if so.
 */
bool hvb_hypercall_takes_hints(void)
{
	return hv_query_ext_cap(HV_EXT_CAPABILITY_MEMORY_COLD_DISCARD_HINT);
}

/**
 * hvb_hypercall_hint() - send the host a free page hint
 * @hint: the hint
 * @nr: number of its ranges, at most HV_MEMORY_HINT_MAX_GPA_PAGE_RANGES
 *
 * Context: any.
 * Return: HV_STATUS_SUCCESS or another status of the hypervisor.
 */
u64 hvb_hypercall_hint(const struct hv_memory_hint *hint, u16 nr)
{
	unsigned long flags;
	void *input;
	u64 status = HV_STATUS_INSUFFICIENT_BUFFERS;

	/* The page for the input is that of the processor: stay on it. */
	local_irq_save(flags);
	input = *(void **)this_cpu_ptr(hyperv_pcpu_input_arg);
	if (input) {
		memcpy(input, hint, struct_size(hint, ranges, nr));
		status = hv_do_rep_hypercall(HV_EXT_CALL_MEMORY_HEAT_HINT, nr, 0, input, NULL);
	}
	local_irq_restore(flags);
	return hv_result(status);
}
