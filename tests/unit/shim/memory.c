// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a case asks for while it runs: memory, and to say something.
 */
#include <kunit/test.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct kunit_memory {
	struct kunit_memory *next;
	void *block;
};

/* Each block by itself and no longer than asked for, so that ASan sees its end. */
void *kunit_allocate(struct kunit *test, size_t size, bool zero)
{
	struct kunit_memory *memory = malloc(sizeof(*memory));
	void *block = malloc(size);

	if (!memory || !block)
		abort();

	memset(block, zero ? 0 : 0xa5, size);
	*memory = (struct kunit_memory) { test->memory, block };
	test->memory = memory;
	return block;
}

void kunit_kfree(struct kunit *test, const void *ptr)
{
	struct kunit_memory **at = &test->memory;
	struct kunit_memory *memory;

	while ((*at)->block != ptr)
		at = &(*at)->next;
	memory = *at;
	*at = memory->next;
	free(memory->block);
	free(memory);
}

/* Frees all that a case has left. */
void kunit_release(struct kunit *test)
{
	while (test->memory)
		kunit_kfree(test, test->memory->block);
}

void kunit_explain(const char *fmt, ...)
{
	const size_t len = strlen(fmt);
	va_list args;

	if (!len)
		return;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	if (fmt[len - 1] != '\n')
		printf("\n");
}
