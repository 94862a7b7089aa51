/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which chunks are worth evacuating.
 */
#ifndef _HVB_CANDIDATES_H
#define _HVB_CANDIDATES_H

#include <linux/types.h>

struct hvb_dev;

/* Passes through all memory for chunks; the guest, which may never need them, gets fewer. */
#define HVB_PASSES		3
#define HVB_PASSES_FOR_GUEST	(HVB_PASSES - 1)

bool hvb_worth_evacuating(struct hvb_dev *hvb, u64 pfn, unsigned int pass);
bool hvb_worth_reclaiming(void);

#endif /* _HVB_CANDIDATES_H */
