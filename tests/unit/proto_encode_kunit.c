// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the codec writes: each message of the guest, byte for byte, and nothing
 * behind its end.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "proto_kunit.h"

/* Room for the longest message and a guard behind it, all bytes set. */
static u8 *guarded(struct kunit *test)
{
	u8 *buffer = kunit_kmalloc(test, LENGTH_BEYOND, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	memset(buffer, GUARD, LENGTH_BEYOND);
	return buffer;
}

/* @len is what the encoder returned, @hex what the message should be. */
static void expect_message(struct kunit *test, const u8 *buffer, u16 len,
			   const char *hex)
{
	u8 expected[64];
	size_t i;

	KUNIT_ASSERT_EQ(test, (size_t)len, unhex(hex, expected));
	expect_bytes(test, buffer, expected, len);
	for (i = len; i < LENGTH_BEYOND; i++)
		KUNIT_ASSERT_EQ_MSG(test, buffer[i], GUARD, "byte %zu behind %u", i, len);
}

/* Number a message as it is sent. Return: its bytes. */
static u16 numbered(u8 *buffer, u32 id, u16 size)
{
	hvb_encode_id(buffer, id);
	return size;
}

static const struct version_case {
	const char *name;
	u32 version;
	bool last;
	const char *wire;
} version_cases[] = {
	{ "2.0", HVB_VERSION_WIN10, false, "0100 1000 0d0c0b0a 0000 0200 00000000" },
	{ "1.0", HVB_VERSION_WIN8, false, "0100 1000 0d0c0b0a 0000 0100 00000000" },
	{ "0.3, last", HVB_VERSION_WIN7, true, "0100 1000 0d0c0b0a 0300 0000 01000000" },
	{ "both numbers largest", 0xffffffff, true, "0100 1000 0d0c0b0a ffff ffff 01000000" },
	{ "minor above a byte", HVB_VERSION(0x1234, 0x5678), false,
	  "0100 1000 0d0c0b0a 7856 3412 00000000" },
};

static void version_describe(const struct version_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(version, version_cases, version_describe);

static void encode_version(struct kunit *test)
{
	const struct version_case *row = test->param_value;
	u8 *buffer = guarded(test);

	expect_message(test, buffer,
		       numbered(buffer, 0x0a0b0c0d,
				hvb_encode_version((void *)buffer, row->version, row->last)),
		       row->wire);
}

static const struct capabilities_case {
	const char *name;
	bool balloon;
	bool hot_add;
	unsigned int align_shift;
	const char *caps;
} capabilities_cases[] = {
	{ "none", false, false, 0, "0000000000000000" },
	{ "balloon", true, false, 0, "0100000000000000" },
	{ "hot-add", false, true, 0, "0200000000000000" },
	{ "hot-add by 2 MiB", false, true, 1, "0600000000000000" },
	{ "both, hot-add by 128 MiB", true, true, 7, "1f00000000000000" },
	{ "both, hot-add by 2 GiB", true, true, 11, "2f00000000000000" },
	{ "both, hot-add by 32 GiB", true, true, 15, "3f00000000000000" },
};

static void capabilities_describe(const struct capabilities_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(capabilities, capabilities_cases, capabilities_describe);

static void encode_capabilities(struct kunit *test)
{
	const struct capabilities_case *row = test->param_value;
	u8 *buffer = guarded(test);
	u8 caps[8];
	u16 len;

	len = hvb_encode_capabilities((void *)buffer, row->balloon, row->hot_add,
				      row->align_shift);
	hvb_encode_id(buffer, 0x0a0b0c0d);
	unhex(row->caps, caps);
	expect_bytes(test, buffer + 8, caps, 8);
	memset(buffer + 8, 0, 8);
	expect_message(test, buffer, len,
		       "0300 2000 0d0c0b0a 0000000000000000 0000000000000000 ffffffffffffffff");
}

#define ZERO		" 0000000000000000"

static void encode_status(struct kunit *test)
{
	const struct hvb_status status = { 0x0807060504030201, 0x1817161514131211 };
	u8 *buffer = guarded(test);

	expect_message(test, buffer,
		       numbered(buffer, 1, hvb_encode_status((void *)buffer, &status)),
		       "0500 3000 01000000 0102030405060708 1112131415161718" ZERO ZERO ZERO);
}

static void encode_unballoon(struct kunit *test)
{
	u8 *buffer = guarded(test);

	expect_message(test, buffer,
		       numbered(buffer, 0xffffffff, hvb_encode_unballoon((void *)buffer)),
		       "0900 0800 ffffffff");
}

static const struct hot_add_case {
	const char *name;
	u32 pages;
	u32 result;
	const char *wire;
} hot_add_cases[] = {
	{ "all added", 0x12345678, 1, "0b00 1000 04030201 78563412 01000000" },
	{ "none added, for good", 0, 1, "0b00 1000 04030201 00000000 01000000" },
	{ "none added, for now", 0, 0, "0b00 1000 04030201 00000000 00000000" },
	{ "most pages", 0xffffff, 1, "0b00 1000 04030201 ffffff00 01000000" },
};

static void hot_add_describe(const struct hot_add_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(hot_add, hot_add_cases, hot_add_describe);

static void encode_hot_add(struct kunit *test)
{
	const struct hot_add_case *row = test->param_value;
	u8 *buffer = guarded(test);

	expect_message(test, buffer,
		       numbered(buffer, 0x01020304,
				hvb_encode_hot_add((void *)buffer, row->pages, row->result)),
		       row->wire);
}

#define MIDDLE		" 9a78563412 000200"
#define FIRST_PAGE	" 0000000000 010000"
#define LAST_PAGE	" ffffffffff 010000"
#define MOST_PAGES	" 0000000000 ffffff"
#define MOST_AT_END	" 010000ffff ffffff"

static const struct balloon_case {
	const char *name;
	u32 count;
	bool more;
	const char *wire;
} balloon_cases[] = {
	{ "no more pages", 0, false, "0700 1000 01000000 00000000 00000000" },
	{ "one range, the last", 1, false,
	  "0700 1800 01000000 00000000 02000000" MIDDLE },
	{ "one range, more to follow", 1, true,
	  "0700 1800 01000000 00000000 03000000" MIDDLE },
	{ "five ranges, more to follow", 5, true,
	  "0700 3800 01000000 00000000 0b000000"
	  MIDDLE FIRST_PAGE LAST_PAGE MOST_PAGES MOST_AT_END },
};

static void balloon_describe(const struct balloon_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(balloon, balloon_cases, balloon_describe);

static void encode_balloon(struct kunit *test)
{
	static const struct hvb_range ranges[] = {
		{ 0x123456789a, 0x200 }, { 0, 1 }, { 0xffffffffff, 1 },
		{ 0, 0xffffff }, { 0xffff000001, 0xffffff },
	};
	const struct balloon_case *row = test->param_value;
	u8 *buffer = guarded(test);

	expect_message(test, buffer,
		       numbered(buffer, 1, hvb_encode_balloon((void *)buffer, ranges,
							      row->count, row->more)),
		       row->wire);
}

static void balloon_check(struct kunit *test, const u8 *buffer, u32 count, bool more)
{
	u32 i;

	KUNIT_ASSERT_EQ(test, get_le(buffer + AT_TYPE, 2), 7);
	KUNIT_ASSERT_EQ(test, get_le(buffer + AT_SIZE, 2), 16 + 8 * count);
	KUNIT_ASSERT_EQ(test, get_le(buffer + AT_ID, 4), count);
	KUNIT_ASSERT_EQ(test, get_le(buffer + 8, 4), 0);
	KUNIT_ASSERT_EQ(test, get_le(buffer + 12, 4), 2 * count + more);
	for (i = 0; i < count; i++)
		KUNIT_ASSERT_EQ(test, get_le(buffer + 16 + 8 * i, 8), wire_word(7 * i, i));
	for (i = 16 + 8 * count; i < LENGTH_BEYOND; i++)
		KUNIT_ASSERT_EQ_MSG(test, buffer[i], GUARD, "byte %u, %u ranges", i, count);
}

/* Each number of ranges up to what makes a message of exactly 4096 bytes. */
static void encode_balloon_every_count(struct kunit *test)
{
	struct hvb_range *ranges = kunit_kzalloc(test, RANGES_MAX * sizeof(*ranges),
						 GFP_KERNEL);
	u8 *buffer = guarded(test);
	u32 count, i;

	KUNIT_ASSERT_NOT_NULL(test, ranges);
	for (i = 0; i < RANGES_MAX; i++)
		ranges[i] = (struct hvb_range) { 7 * i, i };

	for (count = 0; count <= RANGES_MAX; count++) {
		memset(buffer, GUARD, LENGTH_BEYOND);
		KUNIT_ASSERT_EQ(test, hvb_encode_balloon((void *)buffer, ranges, count,
							 count % 2),
				16 + 8 * count);
		hvb_encode_id(buffer, count);
		balloon_check(test, buffer, count, count % 2);
	}
}

static struct kunit_case proto_encode_cases[] = {
	KUNIT_CASE_PARAM(encode_version, version_gen_params),
	KUNIT_CASE_PARAM(encode_capabilities, capabilities_gen_params),
	KUNIT_CASE(encode_status),
	KUNIT_CASE_PARAM(encode_balloon, balloon_gen_params),
	KUNIT_CASE(encode_balloon_every_count),
	KUNIT_CASE(encode_unballoon),
	KUNIT_CASE_PARAM(encode_hot_add, hot_add_gen_params),
	{}
};

static struct kunit_suite proto_encode_suite = {
	.name = "hv_balloon_proto",
	.test_cases = proto_encode_cases,
};

kunit_test_suite(proto_encode_suite);
