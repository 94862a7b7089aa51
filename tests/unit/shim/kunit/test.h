/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as the suites use, for a program of the host. The suites
 * register themselves; kunit.c runs them and says so in TAP.
 */
#ifndef _SHIM_KUNIT_TEST_H
#define _SHIM_KUNIT_TEST_H

#include <linux/kernel.h>
#include <linux/string.h>
#include <setjmp.h>

#define KUNIT_PARAM_DESC_SIZE	128
#define GFP_KERNEL		0

struct kunit_memory;

/**
 * struct kunit - one run of one case
 * @param_value: row of the table that a parametrised case runs on
 * @failed: an expectation was not met
 * @memory: what the case allocated, to be freed after it
 * @abort: where an assertion that was not met goes on
 */
struct kunit {
	const void *param_value;
	bool failed;
	struct kunit_memory *memory;
	jmp_buf abort;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	const void *(*generate_params)(const void *prev, char *desc);
};

struct kunit_suite {
	const char name[256];
	struct kunit_case *test_cases;
	struct kunit_suite *next;
};

void kunit_register(struct kunit_suite *suite);
void *kunit_allocate(struct kunit *test, size_t size, bool zero);
void kunit_kfree(struct kunit *test, const void *ptr);
void kunit_release(struct kunit *test);
__printf(5, 6)
void kunit_unmet(struct kunit *test, bool abort, const char *file, int line,
		 const char *fmt, ...);
__printf(1, 2)
void kunit_explain(const char *fmt, ...);

#define KUNIT_CASE(function) \
	{ .run_case = function, .name = #function }
#define KUNIT_CASE_PARAM(function, generator) \
	{ .run_case = function, .name = #function, .generate_params = generator }

#define KUNIT_ARRAY_PARAM(name, array, describe)				\
	static const void *name##_gen_params(const void *prev, char *desc)	\
	{									\
		typeof(&(array)[0]) next = prev;				\
										\
		next = prev ? next + 1 : (array);				\
		if (next == (array) + ARRAY_SIZE(array))			\
			return NULL;						\
		describe(next, desc);						\
		return next;							\
	}

#define kunit_test_suite(suite)							\
	static void __attribute__((constructor)) suite##_register(void)	\
	{									\
		kunit_register(&(suite));					\
	}

#define kunit_kmalloc(test, size, gfp)	kunit_allocate(test, size, false)
#define kunit_kzalloc(test, size, gfp)	kunit_allocate(test, size, true)
#define kunit_info(test, fmt, ...)	kunit_explain(fmt, ##__VA_ARGS__)

/* ... is the reason in words, a format and its arguments, or nothing. */
#define kunit_compare(test, abort, left, op, right, ...) do {			\
	const typeof(left) __left = (left);					\
	const typeof(right) __right = (right);					\
										\
	if (__left op __right)							\
		break;								\
	kunit_explain("" __VA_ARGS__);						\
	kunit_unmet(test, abort, __FILE__, __LINE__,				\
		    "expected %s %s %s, but they are %lld (%#llx) and %lld (%#llx)", \
		    #left, #op, #right, (long long)__left, (u64)__left,	\
		    (long long)__right, (u64)__right);				\
} while (0)

#define kunit_check(test, abort, condition, ...) do {				\
	if (condition)								\
		break;								\
	kunit_explain("" __VA_ARGS__);						\
	kunit_unmet(test, abort, __FILE__, __LINE__, "expected %s", #condition); \
} while (0)

#define KUNIT_EXPECT_EQ(test, l, r)	kunit_compare(test, false, l, ==, r)
#define KUNIT_EXPECT_NE(test, l, r)	kunit_compare(test, false, l, !=, r)
#define KUNIT_EXPECT_LT(test, l, r)	kunit_compare(test, false, l, <, r)
#define KUNIT_EXPECT_LE(test, l, r)	kunit_compare(test, false, l, <=, r)
#define KUNIT_EXPECT_GT(test, l, r)	kunit_compare(test, false, l, >, r)
#define KUNIT_EXPECT_GE(test, l, r)	kunit_compare(test, false, l, >=, r)
#define KUNIT_EXPECT_TRUE(test, c)	kunit_check(test, false, c)
#define KUNIT_EXPECT_FALSE(test, c)	kunit_check(test, false, !(c))

#define KUNIT_EXPECT_EQ_MSG(test, l, r, ...)	kunit_compare(test, false, l, ==, r, __VA_ARGS__)
#define KUNIT_EXPECT_TRUE_MSG(test, c, ...)	kunit_check(test, false, c, __VA_ARGS__)
#define KUNIT_EXPECT_FALSE_MSG(test, c, ...)	kunit_check(test, false, !(c), __VA_ARGS__)

#define KUNIT_ASSERT_EQ(test, l, r)	kunit_compare(test, true, l, ==, r)
#define KUNIT_ASSERT_LT(test, l, r)	kunit_compare(test, true, l, <, r)
#define KUNIT_ASSERT_LE(test, l, r)	kunit_compare(test, true, l, <=, r)
#define KUNIT_ASSERT_GT(test, l, r)	kunit_compare(test, true, l, >, r)
#define KUNIT_ASSERT_GE(test, l, r)	kunit_compare(test, true, l, >=, r)
#define KUNIT_ASSERT_TRUE(test, c)	kunit_check(test, true, c)
#define KUNIT_ASSERT_FALSE(test, c)	kunit_check(test, true, !(c))
#define KUNIT_ASSERT_NOT_NULL(test, p)	kunit_check(test, true, (p) != NULL)

#define KUNIT_ASSERT_EQ_MSG(test, l, r, ...)	kunit_compare(test, true, l, ==, r, __VA_ARGS__)
#define KUNIT_ASSERT_LE_MSG(test, l, r, ...)	kunit_compare(test, true, l, <=, r, __VA_ARGS__)
#define KUNIT_ASSERT_TRUE_MSG(test, c, ...)	kunit_check(test, true, c, __VA_ARGS__)
#define KUNIT_ASSERT_FALSE_MSG(test, c, ...)	kunit_check(test, true, !(c), __VA_ARGS__)

#endif
