/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vocabulary of the proofs. A proof is a function void prove_NAME(void): CBMC
 * looks for values of all that is any_...() for which a statement does not hold.
 *
 * All proofs assume a machine of 64 bits, little-endian, the kernel headers as
 * tests/unit/shim has them, and what qsort() below is: a sort that sorts.
 */
#ifndef _PROOF_H
#define _PROOF_H

#include <linux/kernel.h>
#include <linux/types.h>

/* Functions of this prefix return any value of their type. */
bool nondet_bool(void);
u8 nondet_u8(void);
u16 nondet_u16(void);
u32 nondet_u32(void);
u64 nondet_u64(void);

#define assume(condition)	__CPROVER_assume(condition)
#define prove(condition)	__CPROVER_assert(condition, #condition)

/* Whether the second holds where the first does. */
#define implies(first, second)	(!(first) || (second))

#endif /* _PROOF_H */
