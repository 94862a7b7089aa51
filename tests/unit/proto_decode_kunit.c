// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the codec reads from messages that the host may send: each field, each
 * reserved bit, each border of a range.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "proto_kunit.h"

/* What is decoded -------------------------------------------------------- */

#define ID		"0d0c0b0a"

static const struct decode_case {
	const char *name;
	const char *wire;
	enum hvb_reject reject;
	struct hvb_msg msg;
} decode_cases[] = {
	{
		"version accepted", "0200 1000 " ID " 0100000000000000",
		HVB_ACCEPTED, { HVB_MSG_VERSION_RESPONSE, .accept = { true } },
	}, {
		"version accepted, no size declared", "0200 0000 " ID " 0100000000000000",
		HVB_ACCEPTED, {
			HVB_MSG_VERSION_RESPONSE, .size_mismatch = true, .accept = { true },
		},
	}, {
		"version refused", "0200 1000 " ID " 0000000000000000",
		HVB_ACCEPTED, { HVB_MSG_VERSION_RESPONSE, .accept = { false } },
	}, {
		"capabilities accepted", "0400 1000 " ID " 0100000000000000",
		HVB_ACCEPTED, { HVB_MSG_CAPABILITIES_RESPONSE, .accept = { true, false } },
	}, {
		"capabilities accepted, no reports wanted",
		"0400 1000 " ID " 0500000000000000",
		HVB_ACCEPTED, { HVB_MSG_CAPABILITIES_RESPONSE, .accept = { true, true } },
	}, {
		"capabilities refused, hot-remove offered",
		"0400 1000 " ID " 0200000000000000",
		HVB_ACCEPTED, { HVB_MSG_CAPABILITIES_RESPONSE, .accept = { false } },
	}, {
		"balloon request of nothing", "0600 1000 " ID " 00000000 00000000",
		HVB_ACCEPTED, { HVB_MSG_BALLOON_REQUEST, .balloon = { 0 } },
	}, {
		"balloon request", "0600 1000 " ID " 78563412 00000000",
		HVB_ACCEPTED, { HVB_MSG_BALLOON_REQUEST, .balloon = { 0x12345678 } },
	}, {
		"balloon request, more declared than there is",
		"0600 1800 " ID " 78563412 00000000",
		HVB_ACCEPTED, {
			HVB_MSG_BALLOON_REQUEST, .size_mismatch = true,
			.balloon = { 0x12345678 },
		},
	}, {
		"balloon request of all pages", "0600 1000 " ID " ffffffff 00000000",
		HVB_ACCEPTED, { HVB_MSG_BALLOON_REQUEST, .balloon = { 0xffffffff } },
	}, {
		"unballoon request without ranges", "0800 1000 " ID " 00000000 00000000",
		HVB_ACCEPTED, { HVB_MSG_UNBALLOON_REQUEST, .unballoon = { false, 0 } },
	}, {
		"unballoon request, more to follow",
		"0800 1800 " ID " 01000000 01000000 9a78563412 000200",
		HVB_ACCEPTED, { HVB_MSG_UNBALLOON_REQUEST, .unballoon = { true, 1 } },
	}, {
		"unballoon request with more room than ranges",
		"0800 2000 " ID " 00000000 01000000 9a78563412 000200 ffffffffffffffff",
		HVB_ACCEPTED, { HVB_MSG_UNBALLOON_REQUEST, .unballoon = { false, 1 } },
	}, {
		"unballoon request with half a range behind",
		"0800 1c00 " ID " 00000000 01000000 9a78563412 000200 ffffffff",
		HVB_ACCEPTED, { HVB_MSG_UNBALLOON_REQUEST, .unballoon = { false, 1 } },
	}, {
		"unballoon request, its range behind the declared size",
		"0800 1000 " ID " 00000000 01000000 9a78563412 000200",
		HVB_ACCEPTED, {
			HVB_MSG_UNBALLOON_REQUEST, .size_mismatch = true,
			.unballoon = { false, 1 },
		},
	}, {
		"unballoon request, half its range declared",
		"0800 1400 " ID " 00000000 01000000 9a78563412 000200",
		HVB_ACCEPTED, {
			HVB_MSG_UNBALLOON_REQUEST, .size_mismatch = true,
			.unballoon = { false, 1 },
		},
	}, {
		"unballoon request, its range declared but not there",
		"0800 1800 " ID " 00000000 01000000",
		HVB_REJECT_COUNT,
	}, {
		"unballoon request, a bad range behind all that it has",
		"0800 1800 " ID " 00000000 01000000 9a78563412 000200 ffffffffffffffff",
		HVB_ACCEPTED, { HVB_MSG_UNBALLOON_REQUEST, .unballoon = { false, 1 } },
	}, {
		"unballoon request, a bad range",
		"0800 1800 " ID " 00000000 01000000 ffffffffffffffff",
		HVB_REJECT_RANGE,
	}, {
		"hot-add without a region", "0a00 1000 " ID " 9a78563412 000200",
		HVB_ACCEPTED,
		{ HVB_MSG_HOT_ADD_REQUEST, .hot_add = { { 0x123456789a, 0x200 } } },
	}, {
		"hot-add with a region",
		"0a00 1800 " ID " 9a78563412 000200 0078563412 008000",
		HVB_ACCEPTED, {
			HVB_MSG_HOT_ADD_REQUEST, .hot_add = {
				{ 0x123456789a, 0x200 }, { 0x1234567800, 0x8000 },
			},
		},
	}, {
		"hot-add with a region and more",
		"0a00 2000 " ID " 9a78563412 000200 0078563412 008000 ffffffffffffffff",
		HVB_ACCEPTED, {
			HVB_MSG_HOT_ADD_REQUEST, .hot_add = {
				{ 0x123456789a, 0x200 }, { 0x1234567800, 0x8000 },
			},
		},
	}, {
		"hot-add, a bad region behind the declared size",
		"0a00 1000 " ID " 9a78563412 000200 ffffffffffffffff",
		HVB_ACCEPTED,
		{ HVB_MSG_HOT_ADD_REQUEST, .hot_add = { { 0x123456789a, 0x200 } } },
	}, {
		"hot-add, a region declared but not there",
		"0a00 1800 " ID " 9a78563412 000200",
		HVB_REJECT_SIZE,
	}, {
		"hot-add, nothing declared",
		"0a00 0000 " ID " 9a78563412 000200 0078563412 008000",
		HVB_REJECT_SIZE,
	}, {
		"hot-add, half a region declared",
		"0a00 1400 " ID " 9a78563412 000200 0078563412 008000",
		HVB_REJECT_SIZE,
	}, {
		"information, most pages",
		"0c00 2000 " ID " 00000000 10000000 00000000 08000000 efcdab8967452301",
		HVB_ACCEPTED, { HVB_MSG_INFO, .info = { true, 0x0123456789abcdef } },
	}, {
		"information, most pages and more",
		"0c00 2400 " ID " 00000000 10000000 00000000 08000000 ffffffffffffffff 01000000",
		HVB_ACCEPTED, { HVB_MSG_INFO, .info = { true, ~0ULL } },
	}, {
		"information, most pages behind the declared size",
		"0c00 1800 " ID " 00000000 10000000 00000000 08000000 efcdab8967452301",
		HVB_ACCEPTED, {
			HVB_MSG_INFO, .size_mismatch = true,
			.info = { true, 0x0123456789abcdef },
		},
	}, {
		"information, most pages declared but not there",
		"0c00 2000 " ID " 00000000 10000000 00000000 08000000 efcdab89",
		HVB_REJECT_SIZE,
	}, {
		"information, most pages in 4 bytes",
		"0c00 2000 " ID " 00000000 10000000 00000000 04000000 efcdab8967452301",
		HVB_REJECT_SIZE,
	}, {
		"information, most pages in 16 bytes",
		"0c00 2000 " ID " 00000000 10000000 00000000 10000000 efcdab8967452301",
		HVB_REJECT_SIZE,
	}, {
		"information, most pages in 2^32-1 bytes",
		"0c00 2000 " ID " 00000000 10000000 00000000 ffffffff efcdab8967452301",
		HVB_REJECT_SIZE,
	}, {
		"information of an unknown type",
		"0c00 2000 " ID " 00000000 10000000 01000000 08000000 efcdab8967452301",
		HVB_ACCEPTED, { HVB_MSG_INFO, .info = { false, 0 } },
	}, {
		"information of an unknown type, no data",
		"0c00 1800 " ID " 00000000 10000000 01000000 ffffffff",
		HVB_ACCEPTED, { HVB_MSG_INFO, .info = { false, 0 } },
	},
};

static void decode_describe(const struct decode_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(decode, decode_cases, decode_describe);

static void expect_range(struct kunit *test, const struct hvb_range *got,
			 const struct hvb_range *expected)
{
	KUNIT_EXPECT_EQ(test, got->start, expected->start);
	KUNIT_EXPECT_EQ(test, got->count, expected->count);
}

static void expect_body(struct kunit *test, const u8 *bytes,
			const struct hvb_msg *got, const struct hvb_msg *expected)
{
	switch (expected->type) {
	case HVB_MSG_BALLOON_REQUEST:
		KUNIT_EXPECT_EQ(test, got->balloon.num_pages, expected->balloon.num_pages);
		break;
	case HVB_MSG_UNBALLOON_REQUEST:
		KUNIT_EXPECT_EQ(test, got->unballoon.more, expected->unballoon.more);
		KUNIT_EXPECT_EQ(test, got->unballoon.count, expected->unballoon.count);
		KUNIT_EXPECT_TRUE(test, (const u8 *)got->unballoon.ranges == bytes + 16);
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		expect_range(test, &got->hot_add.range, &expected->hot_add.range);
		expect_range(test, &got->hot_add.region, &expected->hot_add.region);
		break;
	case HVB_MSG_INFO:
		KUNIT_EXPECT_EQ(test, got->info.has_max_pages, expected->info.has_max_pages);
		KUNIT_EXPECT_EQ(test, got->info.max_pages, expected->info.max_pages);
		break;
	default:
		KUNIT_EXPECT_EQ(test, got->accept.accepted, expected->accept.accepted);
		KUNIT_EXPECT_EQ(test, got->accept.no_reports, expected->accept.no_reports);
	}
}

static void decode_table(struct kunit *test)
{
	const struct decode_case *row = test->param_value;
	u8 wire[64], *bytes;
	size_t len = unhex(row->wire, wire);
	struct hvb_msg msg;

	bytes = copy_exact(test, wire, len);
	memset(&msg, GUARD, sizeof(msg));
	KUNIT_ASSERT_EQ(test, hvb_decode(bytes, len, &msg), row->reject);
	KUNIT_EXPECT_EQ(test, (u32)msg.type, (u32)wire[AT_TYPE]);
	KUNIT_EXPECT_EQ(test, msg.trans_id, 0x0a0b0c0d);
	if (row->reject)
		return;
	KUNIT_EXPECT_FALSE(test, msg.reserved_bits);
	KUNIT_EXPECT_EQ(test, msg.size_mismatch, row->msg.size_mismatch);
	expect_body(test, bytes, &msg, &row->msg);
}

/* The number of a message means nothing to the codec, not even a zero. */
static void decode_any_id(struct kunit *test)
{
	static const u32 ids[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	struct hvb_msg msg;
	u8 bytes[16];
	int i;

	unhex("0600 1000 00000000 01000000 00000000", bytes);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		put_le(bytes + AT_ID, ids[i], 4);
		KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, 16, &msg), HVB_ACCEPTED);
		KUNIT_EXPECT_EQ(test, msg.trans_id, ids[i]);
	}
}

/* A buffer need not lie at a multiple of anything. */
static void decode_unaligned(struct kunit *test)
{
	u8 buffer[40];
	struct hvb_msg msg;
	int shift;

	for (shift = 0; shift < 8; shift++) {
		unhex("0a00 1800 00000000 9a78563412 000200 0078563412 008000",
		      buffer + shift);
		KUNIT_EXPECT_EQ(test, hvb_decode(buffer + shift, 24, &msg), HVB_ACCEPTED);
		KUNIT_EXPECT_EQ(test, msg.hot_add.region.start, 0x1234567800);
	}
}

/* Reserved bits ---------------------------------------------------------- */

/*
 * A field of flags at byte @at, @bits wide, in a message that is zero there.
 * @known has the bits to which the protocol gives a meaning.
 */
static const struct reserved_case {
	const char *name;
	const char *wire;
	unsigned int at;
	unsigned int bits;
	u64 known;
} reserved_cases[] = {
	{
		"version response", "0200 1000 " ID " 0000000000000000",
		8, 64, 0x1,
	}, {
		"capabilities response", "0400 1000 " ID " 0000000000000000",
		8, 64, 0x7,
	}, {
		"balloon request", "0600 1000 " ID " 00000000 00000000",
		12, 32, 0,
	}, {
		"unballoon request", "0800 1000 " ID " 00000000 00000000",
		8, 32, 0x1,
	}, {
		"information, most pages",
		"0c00 2000 " ID " 00000000 10000000 00000000 08000000 0000000000000000",
		8, 32, 0,
	}, {
		"information of an unknown type",
		"0c00 1800 " ID " 00000000 10000000 01000000 00000000",
		8, 32, 0,
	},
};

static void reserved_describe(const struct reserved_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(reserved, reserved_cases, reserved_describe);

/* What the known bits say, in the order of the bits. */
static void reserved_check_known(struct kunit *test, const struct hvb_msg *msg,
				 u64 value)
{
	switch (msg->type) {
	case HVB_MSG_CAPABILITIES_RESPONSE:
		KUNIT_ASSERT_EQ(test, msg->accept.no_reports, !!(value & 4));
		KUNIT_ASSERT_EQ(test, msg->accept.accepted, !!(value & 1));
		break;
	case HVB_MSG_VERSION_RESPONSE:
		KUNIT_ASSERT_FALSE(test, msg->accept.no_reports);
		KUNIT_ASSERT_EQ(test, msg->accept.accepted, !!(value & 1));
		break;
	case HVB_MSG_UNBALLOON_REQUEST:
		KUNIT_ASSERT_EQ(test, msg->unballoon.more, !!(value & 1));
		KUNIT_ASSERT_EQ(test, msg->unballoon.count, 0);
		break;
	case HVB_MSG_BALLOON_REQUEST:
		KUNIT_ASSERT_EQ(test, msg->balloon.num_pages, 0);
		break;
	default:
		break;
	}
}

static void reserved_check(struct kunit *test, u64 value)
{
	const struct reserved_case *row = test->param_value;
	struct hvb_msg msg;
	u8 bytes[64];
	size_t len = unhex(row->wire, bytes);

	put_le(bytes + row->at, value, row->bits / 8);
	KUNIT_ASSERT_EQ_MSG(test, decode_exact(test, bytes, len, &msg), HVB_ACCEPTED,
			    "bits %#llx", (unsigned long long)value);
	KUNIT_ASSERT_EQ_MSG(test, msg.reserved_bits, !!(value & ~row->known),
			    "bits %#llx", (unsigned long long)value);
	reserved_check_known(test, &msg, value);
}

/* Each bit alone, each with the known ones, all but each, none and all. */
static void reserved_bits(struct kunit *test)
{
	const struct reserved_case *row = test->param_value;
	const u64 all = ~0ULL >> (64 - row->bits);
	unsigned int i;

	reserved_check(test, 0);
	reserved_check(test, row->known);
	reserved_check(test, all);
	for (i = 0; i < row->bits; i++) {
		reserved_check(test, 1ULL << i);
		reserved_check(test, 1ULL << i | row->known);
		reserved_check(test, all ^ 1ULL << i);
	}
}

/* Ranges ----------------------------------------------------------------- */

static const struct range_case {
	const char *name;
	u64 start;
	u32 count;
	const char *wire;
	bool fits;
} range_cases[] = {
	{ "nothing at 0", 0, 0, "0000000000 000000", true },
	{ "page frame 0", 0, 1, "0000000000 010000", true },
	{ "nothing at page frame 1", 1, 0, "0100000000 000000", true },
	{ "2 MiB", 0x123456789a, 0x200, "9a78563412 000200", true },
	{ "each byte another", 0x0504030201, 0x080706, "0102030405 060708", true },
	{ "32 bits of page frame", 0xffffffff, 1, "ffffffff00 010000", true },
	{ "page frame 2^32", 0x100000000, 1, "0000000001 010000", true },
	{ "page frame 2^39", 0x8000000000, 1, "0000000080 010000", true },
	{ "last page frame", 0xffffffffff, 1, "ffffffffff 010000", true },
	{ "nothing at the last page frame", 0xffffffffff, 0, "ffffffffff 000000", true },
	{ "one behind the last page frame", 0xffffffffff, 2, "ffffffffff 020000", false },
	{ "65536 pages", 0, 0x10000, "0000000000 000001", true },
	{ "most pages", 0, 0xffffff, "0000000000 ffffff", true },
	{ "most pages at the end", 0xffff000001, 0xffffff, "010000ffff ffffff", true },
	{ "most pages, one behind the end", 0xffff000002, 0xffffff, "020000ffff ffffff", false },
	{ "both largest", 0xffffffffff, 0xffffff, "ffffffffff ffffff", false },
};

static void range_describe(const struct range_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(range, range_cases, range_describe);

static void range_round_trip(struct kunit *test)
{
	const struct range_case *row = test->param_value;
	const struct hvb_range range = { row->start, row->count };
	struct hvb_range back;
	u8 expected[8], word[8];
	__le64 wire;

	/* The row itself must be right, too. */
	unhex(row->wire, expected);
	put_le(word, wire_word(row->start, row->count), 8);
	expect_bytes(test, word, expected, 8);

	wire = hvb_encode_range(&range);
	expect_bytes(test, (const u8 *)&wire, expected, 8);

	memcpy(&wire, expected, 8);
	back = hvb_decode_range(wire);
	KUNIT_EXPECT_EQ(test, back.start, row->start);
	KUNIT_EXPECT_EQ(test, back.count, row->count);
}

static enum hvb_reject range_expected(const struct range_case *row)
{
	return row->fits ? HVB_ACCEPTED : HVB_REJECT_RANGE;
}

static void range_in_hot_add(struct kunit *test)
{
	const struct range_case *row = test->param_value;
	struct hvb_msg msg;
	u8 bytes[24];

	unhex("0a00 1800 " ID " 0000000000 010000 0000000000 010000", bytes);
	unhex(row->wire, bytes + 8);
	KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, 24, &msg), range_expected(row));

	bytes[AT_SIZE] = 16;
	KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, 16, &msg), range_expected(row));
}

static void range_in_region(struct kunit *test)
{
	const struct range_case *row = test->param_value;
	struct hvb_msg msg;
	u8 bytes[24];

	unhex("0a00 1800 " ID " 0000000000 010000 0000000000 010000", bytes);
	unhex(row->wire, bytes + 16);
	KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, 24, &msg), range_expected(row));
}

static void unballoon_fill(u8 *bytes, u32 count)
{
	u32 i;

	unhex("0800 0000 " ID " 00000000", bytes);
	put_le(bytes + AT_SIZE, 16 + 8 * count, 2);
	put_le(bytes + 12, count, 4);
	for (i = 0; i < count; i++)
		put_le(bytes + 16 + 8 * i, wire_word(1000 * i, 1 + i), 8);
}

/* At each place of the longest message. */
static void range_in_unballoon(struct kunit *test)
{
	const struct range_case *row = test->param_value;
	u8 *bytes = kunit_kzalloc(test, LENGTH_MAX, GFP_KERNEL);
	struct hvb_msg msg;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	for (i = 0; i < RANGES_MAX; i++) {
		unballoon_fill(bytes, RANGES_MAX);
		unhex(row->wire, bytes + 16 + 8 * i);
		KUNIT_ASSERT_EQ_MSG(test, decode_exact(test, bytes, LENGTH_MAX, &msg),
				    range_expected(row), "as range %u", i);
	}
}

/* Each number of ranges that fits, read back one by one. */
static void unballoon_every_count(struct kunit *test)
{
	u8 *bytes = kunit_kzalloc(test, LENGTH_MAX, GFP_KERNEL);
	struct hvb_msg msg;
	u32 count, i;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	for (count = 0; count <= RANGES_MAX; count++) {
		unballoon_fill(bytes, count);
		KUNIT_ASSERT_EQ(test, hvb_decode(bytes, 16 + 8 * count, &msg), HVB_ACCEPTED);
		KUNIT_ASSERT_EQ(test, msg.unballoon.count, count);
		for (i = 0; i < count; i++) {
			const struct hvb_range range =
				hvb_decode_range(msg.unballoon.ranges[i]);

			KUNIT_ASSERT_EQ(test, range.start, 1000 * i);
			KUNIT_ASSERT_EQ(test, range.count, 1 + i);
		}
	}
}

/*
 * Cut at each byte, and too long: whether more is to follow is known as soon as
 * the flags are there.
 */
static void unballoon_more_though_rejected(struct kunit *test)
{
	u8 *bytes = kunit_kzalloc(test, LENGTH_BEYOND, GFP_KERNEL);
	struct hvb_msg msg;
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	unballoon_fill(bytes, RANGES_MAX);
	bytes[8] = 1;
	for (len = HEADER_SIZE; len <= LENGTH_BEYOND; len++) {
		KUNIT_ASSERT_EQ(test, decode_exact(test, bytes, len, &msg) != HVB_ACCEPTED,
				len != LENGTH_MAX);
		KUNIT_ASSERT_EQ_MSG(test, msg.unballoon.more, len >= 12, "%zu bytes", len);
	}

	put_le(bytes + 16, wire_word((1ULL << 40) - 1, 2), 8);
	KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, LENGTH_MAX, &msg), HVB_REJECT_RANGE);
	KUNIT_EXPECT_TRUE(test, msg.unballoon.more);
	bytes[8] = 0;
	KUNIT_EXPECT_EQ(test, decode_exact(test, bytes, LENGTH_MAX, &msg), HVB_REJECT_RANGE);
	KUNIT_EXPECT_FALSE(test, msg.unballoon.more);
}

static const struct pages_case {
	const char *name;
	const char *wire;
	u64 pages;
} pages_cases[] = {
	{ "version request", "0100 1000 07000000 0000 0200 00000000", 0 },
	{ "version response", "0200 1000 07000000 ffffffffffffffff", 0 },
	{ "status report", "0500 3000 07000000 0100000000000000 0200000000000000"
	  "0300000000000000 0400000000000000 05000000 06000000", 0 },
	{ "balloon request", "0600 1000 07000000 01020304 ffffffff", 0x04030201 },
	{ "balloon response, nothing", "0700 1000 07000000 ffffffff 01000000", 0 },
	{ "balloon response, more to follow", "0700 2000 07000000 00000000 05000000"
	  "ffffffffff 010000 0000000000 ffffff", 0x1000000 },
	{ "unballoon request, nothing", "0800 1000 07000000 01000000 00000000", 0 },
	{ "unballoon request, two ranges", "0800 2000 07000000 01000000 02000000"
	  "0000000000 020000 0500000000 030000", 5 },
	{ "unballoon response", "0900 0800 07000000", 0 },
	{ "hot-add request, short", "0a00 1000 07000000 ffffffffff 000200", 0x200 },
	{ "hot-add request, region", "0a00 1800 07000000 0000000000 000200 0000000000 000300",
	  0x200 },
	{ "hot-add response", "0b00 1000 07000000 00800000 01000000", 0x8000 },
	{ "information", "0c00 2000 07000000 00000000 10000000 00000000 08000000"
	  "0000100000000000", 0 },
	{ "no message of the protocol", "6300 0800 07000000", 0 },
};

static void pages_describe(const struct pages_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pages, pages_cases, pages_describe);

/* The pages that a message is about, in a block of memory of just its length. */
static void pages_of_message(struct kunit *test)
{
	const struct pages_case *row = test->param_value;
	u8 bytes[64];
	const size_t len = unhex(row->wire, bytes);

	KUNIT_EXPECT_EQ(test, hvb_msg_pages(copy_exact(test, bytes, len)), row->pages);
}

static struct kunit_case proto_decode_cases[] = {
	KUNIT_CASE_PARAM(decode_table, decode_gen_params),
	KUNIT_CASE(decode_any_id),
	KUNIT_CASE(decode_unaligned),
	KUNIT_CASE_PARAM(reserved_bits, reserved_gen_params),
	KUNIT_CASE_PARAM(range_round_trip, range_gen_params),
	KUNIT_CASE_PARAM(range_in_hot_add, range_gen_params),
	KUNIT_CASE_PARAM(range_in_region, range_gen_params),
	KUNIT_CASE_PARAM(range_in_unballoon, range_gen_params),
	KUNIT_CASE(unballoon_every_count),
	KUNIT_CASE(unballoon_more_though_rejected),
	KUNIT_CASE_PARAM(pages_of_message, pages_gen_params),
	{}
};

static struct kunit_suite proto_decode_suite = {
	.name = "hv_balloon_proto",
	.test_cases = proto_decode_cases,
};

kunit_test_suite(proto_decode_suite);
