// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the codec accepts: every type at every length with every declared size,
 * and garbage. What is expected is worked out here from the protocol's own
 * numbers; no size comes from a structure of the driver.
 *
 * The suite goes on in proto_decode_kunit.c and proto_encode_kunit.c, which
 * register their cases under the same name.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "proto_kunit.h"
#include "oracle.h"
#include "prng.h"

/* Every length ----------------------------------------------------------- */

/*
 * A message at its longest. It is cut to every length and declared to have
 * every size; the rest of its bytes are zero.
 *  least:	the fewest bytes of the type, 0 if no host sends it
 *  data:	bytes behind these that it must have, too
 *  two_forms:	the declared size is one of 16, or at least 24
 *  ranges:	the number that the message says to hold
 */
static const struct length_case {
	const char *name;
	u16 type;
	u16 least;
	u16 data;
	bool two_forms;
	u32 ranges;
	u32 info_type;
} length_cases[] = {
	{ "version response", 2, 16 },
	{ "capabilities response", 4, 16 },
	{ "balloon request", 6, 16 },
	{ "unballoon request, 0 ranges", 8, 16, .ranges = 0 },
	{ "unballoon request, 1 range", 8, 16, .ranges = 1 },
	{ "unballoon request, 2 ranges", 8, 16, .ranges = 2 },
	{ "unballoon request, 509 ranges", 8, 16, .ranges = 509 },
	{ "unballoon request, 510 ranges", 8, 16, .ranges = 510 },
	{ "unballoon request, 511 ranges", 8, 16, .ranges = 511 },
	{ "unballoon request, 2^16 ranges", 8, 16, .ranges = 0x10000 },
	{ "unballoon request, 2^29 ranges", 8, 16, .ranges = 0x20000000 },
	{ "unballoon request, 2^29+1 ranges", 8, 16, .ranges = 0x20000001 },
	{ "unballoon request, 2^31-1 ranges", 8, 16, .ranges = 0x7fffffff },
	{ "unballoon request, 2^31 ranges", 8, 16, .ranges = 0x80000000 },
	{ "unballoon request, 2^32-1 ranges", 8, 16, .ranges = 0xffffffff },
	{ "hot-add request", 10, 16, .two_forms = true },
	{ "information, most pages", 12, 24, .data = 8, .info_type = 0 },
	{ "information, type 1", 12, 24, .info_type = 1 },
	{ "information, type 2^32-1", 12, 24, .info_type = 0xffffffff },
	{ "type 0", 0 },
	{ "version request", 1 },
	{ "capabilities report", 3 },
	{ "status report", 5 },
	{ "balloon response", 7 },
	{ "unballoon response", 9 },
	{ "hot-add response", 11 },
	{ "type 13", 13 },
	{ "type 256 + 2", 258 },
	{ "type 32768 + 6", 32774 },
	{ "type 65535", 65535 },
};

static void length_describe(const struct length_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(length, length_cases, length_describe);

static void length_fill(u8 *bytes, const struct length_case *row)
{
	put_le(bytes + AT_TYPE, row->type, 2);
	put_le(bytes + AT_ID, 0x12345678, 4);
	if (row->type == 8)
		put_le(bytes + 12, row->ranges, 4);
	if (row->type == 12) {
		put_le(bytes + 16, row->info_type, 4);
		put_le(bytes + 20, 8, 4);
	}
}

static enum hvb_reject length_expected(const struct length_case *row, size_t len,
				       u32 size)
{
	if (len < HEADER_SIZE)
		return HVB_REJECT_SHORT;
	if (len > LENGTH_MAX)
		return HVB_REJECT_LONG;
	if (!row->least)
		return HVB_REJECT_TYPE;
	if (len < row->least)
		return HVB_REJECT_SHORT;
	if (row->two_forms && (size > len || size < 16 || (size > 16 && size < 24)))
		return HVB_REJECT_SIZE;
	if (len < row->least + row->data)
		return HVB_REJECT_SIZE;
	if ((u64)row->ranges * 8 > len - 16)
		return HVB_REJECT_COUNT;
	return HVB_ACCEPTED;
}

static bool length_mismatch(const struct length_case *row, size_t len, u32 size)
{
	return size > len || size < row->least + row->data + row->ranges * 8;
}

/* @bytes is @len long. A size that does not fit 16 bits cannot be declared. */
static void length_check(struct kunit *test, u8 *bytes, size_t len, long size)
{
	const struct length_case *row = test->param_value;
	enum hvb_reject reject, expected;
	struct hvb_msg msg;

	if (size < 0 || size > 0xffff)
		return;
	if (len >= HEADER_SIZE)
		put_le(bytes + AT_SIZE, size, 2);

	reject = hvb_decode(bytes, len, &msg);
	expected = length_expected(row, len, size);
	KUNIT_ASSERT_EQ_MSG(test, reject, expected, "%s: %zu bytes, %ld declared",
			    row->name, len, size);
	if (len < HEADER_SIZE)
		return;
	KUNIT_ASSERT_EQ(test, (u32)msg.type, (u32)row->type);
	KUNIT_ASSERT_EQ(test, msg.trans_id, 0x12345678);
	if (reject == HVB_ACCEPTED)
		KUNIT_ASSERT_EQ_MSG(test, msg.size_mismatch, length_mismatch(row, len, size),
				    "%s: %zu bytes, %ld declared", row->name, len, size);
}

static void length_check_sizes(struct kunit *test, u8 *bytes, size_t len)
{
	static const long near[] = {
		-16, -9, -8, -7, -1, 0, 1, 7, 8, 9, 16,
	};
	static const u16 fixed[] = {
		0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40,
		4095, 4096, 4097, 4104, 32768, 65535,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(near); i++)
		length_check(test, bytes, len, (long)len + near[i]);
	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		length_check(test, bytes, len, fixed[i]);
}

/* Each length from nothing to 8 bytes too many, each with some 30 sizes. */
static void every_length(struct kunit *test)
{
	u8 *whole = kunit_kzalloc(test, LENGTH_BEYOND, GFP_KERNEL);
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, whole);
	length_fill(whole, test->param_value);

	for (len = 0; len <= LENGTH_BEYOND; len++) {
		u8 *bytes = copy_exact(test, whole, len);

		length_check_sizes(test, bytes, len);
		kunit_kfree(test, bytes);
	}
}

/* Each size that 16 bits can declare, for a message of the usual length. */
static void every_declared_size(struct kunit *test)
{
	static const size_t lengths[] = { 8, 16, 24, 32, 48, 4088, 4096 };
	u8 *whole = kunit_kzalloc(test, LENGTH_MAX, GFP_KERNEL);
	long size;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, whole);
	length_fill(whole, test->param_value);

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		u8 *bytes = copy_exact(test, whole, lengths[i]);

		for (size = 0; size <= 0xffff; size++)
			length_check(test, bytes, lengths[i], size);
		kunit_kfree(test, bytes);
	}
}

/* Garbage ---------------------------------------------------------------- */

#define GARBAGE_MESSAGES	50000
#define GARBAGE_LENGTH		96

static u8 garbage_byte(struct hvb_prng *prng)
{
	const u32 which = hvb_prng_below(prng, 8);

	return which < 4 ? 0 : which < 6 ? 0xff : hvb_prng_below(prng, 256);
}

/* Often a type and a size that are nearly right, else nothing gets far. */
static size_t garbage_fill(struct hvb_prng *prng, u8 *bytes)
{
	const size_t len = hvb_prng_below(prng, GARBAGE_LENGTH + 1);
	size_t i;

	for (i = 0; i < GARBAGE_LENGTH; i++)
		bytes[i] = garbage_byte(prng);
	if (hvb_prng_below(prng, 8))
		put_le(bytes + AT_TYPE, hvb_prng_below(prng, 14), 2);
	if (hvb_prng_below(prng, 8))
		put_le(bytes + AT_SIZE, len - hvb_prng_below(prng, 3), 2);
	if (hvb_prng_below(prng, 2))
		put_le(bytes + 12, hvb_prng_below(prng, GARBAGE_LENGTH / 8), 4);
	return len;
}

static void garbage(struct kunit *test)
{
	struct hvb_prng prng = { HVB_PRNG_SEED };
	u32 seen[HVB_REJECTS] = {};
	u8 bytes[GARBAGE_LENGTH];
	struct hvb_msg msg;
	int i;

	kunit_info(test, "seed %#llx\n", HVB_PRNG_SEED);
	for (i = 0; i < GARBAGE_MESSAGES; i++) {
		const size_t len = garbage_fill(&prng, bytes);
		const enum hvb_reject reject = decode_exact(test, bytes, len, &msg);

		KUNIT_ASSERT_EQ_MSG(test, reject, oracle_verdict(bytes, len),
				    "message %d, %zu bytes", i, len);
		if (len >= HEADER_SIZE && msg.type == HVB_MSG_UNBALLOON_REQUEST)
			KUNIT_ASSERT_EQ_MSG(test, msg.unballoon.more, oracle_more(bytes, len),
					    "message %d, %zu bytes", i, len);
		if (reject == HVB_ACCEPTED)
			KUNIT_ASSERT_EQ_MSG(test, msg.size_mismatch,
					    oracle_size_is_wrong(bytes, len),
					    "message %d, %zu bytes", i, len);
		seen[reject]++;
	}

	/* It got everywhere, only nothing was longer than a message may be. */
	for (i = 0; i < HVB_REJECTS; i++)
		KUNIT_EXPECT_EQ_MSG(test, !!seen[i], i != HVB_REJECT_LONG,
				    "%s: %u messages", hvb_reject_name(i), seen[i]);
}

/* Names and numbers ------------------------------------------------------ */

static void limits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, HVB_MSG_MAX, LENGTH_MAX);
	KUNIT_EXPECT_EQ(test, HVB_RANGES_MAX, RANGES_MAX);
	KUNIT_EXPECT_EQ(test, 16 + 8 * HVB_RANGES_MAX, LENGTH_MAX);
	KUNIT_EXPECT_EQ(test, HVB_RANGE_PFN_LIMIT, 1ULL << 40);
	KUNIT_EXPECT_EQ(test, HVB_RANGE_COUNT_MAX, (1UL << 24) - 1);
	KUNIT_EXPECT_EQ(test, HVB_RESULT_TRANSIENT, 0);
	KUNIT_EXPECT_EQ(test, HVB_RESULT_DONE, 1);
}

static void message_names(struct kunit *test)
{
	static const u32 unknown[] = { 13, 14, 0xffff, 0x10000, 0xffffffff };
	const char *none = hvb_msg_name(13);
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		KUNIT_EXPECT_TRUE(test, hvb_msg_name(unknown[i]) == none);
	for (i = 0; i < 13; i++) {
		KUNIT_ASSERT_NOT_NULL(test, hvb_msg_name(i));
		KUNIT_EXPECT_TRUE(test, strcmp(hvb_msg_name(i), none));
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_TRUE(test, strcmp(hvb_msg_name(i), hvb_msg_name(k)));
	}
}

static void reject_names(struct kunit *test)
{
	u32 i, k;

	for (i = 0; i < HVB_REJECTS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, hvb_reject_name(i));
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_TRUE(test,
					  strcmp(hvb_reject_name(i), hvb_reject_name(k)));
	}
}

static struct kunit_case proto_cases[] = {
	KUNIT_CASE_PARAM(every_length, length_gen_params),
	KUNIT_CASE_PARAM(every_declared_size, length_gen_params),
	KUNIT_CASE(garbage),
	KUNIT_CASE(limits),
	KUNIT_CASE(message_names),
	KUNIT_CASE(reject_names),
	{}
};

static struct kunit_suite proto_suite = {
	.name = "hv_balloon_proto",
	.test_cases = proto_cases,
};

kunit_test_suite(proto_suite);

MODULE_DESCRIPTION("KUnit tests of the Hyper-V balloon driver");
MODULE_LICENSE("GPL");
