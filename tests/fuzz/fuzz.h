/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the harnesses share. They are written like KUnit cases, with the same
 * assertions and models; each interprets the bytes of the fuzzer its own way.
 */
#ifndef _HVB_FUZZ_H
#define _HVB_FUZZ_H

#include <kunit/test.h>
#include <linux/types.h>

/**
 * struct fuzz_input - bytes of the fuzzer that are not used yet
 * @at: the next one
 * @left: how many there are
 */
struct fuzz_input {
	const u8 *at;
	size_t left;
};

u64 fuzz_take(struct fuzz_input *input, unsigned int bytes);

/* Each harness has its own: one run on one input. */
void fuzz_one(struct kunit *test, const u8 *bytes, size_t len);

#endif /* _HVB_FUZZ_H */
