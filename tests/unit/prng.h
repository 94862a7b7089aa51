/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random numbers that are the same on every machine and in every run.
 */
#ifndef _HVB_PRNG_H
#define _HVB_PRNG_H

#include <linux/types.h>

#define HVB_PRNG_SEED	0x9e3779b97f4a7c15ULL

struct hvb_prng {
	u64 state;
};

/* Marsaglia's xorshift64*. Returns a number below @limit, which is not 0. */
static inline u32 hvb_prng_below(struct hvb_prng *prng, u32 limit)
{
	prng->state ^= prng->state >> 12;
	prng->state ^= prng->state << 25;
	prng->state ^= prng->state >> 27;
	return (u32)((prng->state * 0x2545f4914f6cdd1dULL) >> 32) % limit;
}

#endif /* _HVB_PRNG_H */
