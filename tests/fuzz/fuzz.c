// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between libFuzzer and a harness. An assertion that is not met ends the run,
 * as a finding of a sanitizer does.
 */
#include <kunit/test.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len);

/* Stack traces with names and lines, by what every compiler brings. */
const char *__asan_default_options(void)
{
	return "allow_addr2line=1";
}

void kunit_unmet(struct kunit *test, bool stop, const char *file, int line,
		 const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	fflush(NULL);
	abort();
}

/**
 * fuzz_take() - use up bytes of the input
 * @input: what is left of it
 * @bytes: how many, at most 8
 *
 * Return: the number that they are, lowest byte first. What is missing at the
 * end counts as zero.
 */
u64 fuzz_take(struct fuzz_input *input, unsigned int bytes)
{
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < bytes && input->left; i++, input->left--)
		value |= (u64)*input->at++ << 8 * i;
	return value;
}

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len)
{
	struct kunit test = {};

	fuzz_one(&test, bytes, len);
	kunit_release(&test);
	return 0;
}
