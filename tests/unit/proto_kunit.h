/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of the codec share: messages that end where their memory
 * ends, and bytes compared.
 */
#ifndef _HVB_PROTO_KUNIT_H
#define _HVB_PROTO_KUNIT_H

#include <kunit/test.h>
#include <linux/string.h>

#include "../../lib/proto.h"
#include "bytes.h"

#define GUARD		0xaa

static inline void dump(struct kunit *test, const char *what, const u8 *bytes, size_t len)
{
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		kunit_info(test, "%s %4zu: %016llx (as a word)\n", what, i,
			   (unsigned long long)get_le(bytes + i, 8));
}

static inline void expect_bytes(struct kunit *test, const u8 *got, const u8 *expected,
				size_t len)
{
	const bool same = !memcmp(got, expected, len);

	KUNIT_EXPECT_TRUE(test, same);
	if (same)
		return;
	dump(test, "got     ", got, len);
	dump(test, "expected", expected, len);
}

/* A block of memory that ends where the message ends. */
static inline u8 *copy_exact(struct kunit *test, const u8 *bytes, size_t len)
{
	u8 *exact = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, exact);
	memcpy(exact, bytes, len);
	return exact;
}

static inline enum hvb_reject decode_exact(struct kunit *test, const u8 *bytes,
					   size_t len, struct hvb_msg *msg)
{
	u8 *exact = copy_exact(test, bytes, len);
	enum hvb_reject reject;

	memset(msg, GUARD, sizeof(*msg));
	reject = hvb_decode(exact, len, msg);
	kunit_kfree(test, exact);
	return reject;
}

#endif /* _HVB_PROTO_KUNIT_H */
