// SPDX-License-Identifier: GPL-2.0-only
/*
 * The codec against the protocol. What is expected is worked out here from the
 * protocol's own numbers; no size comes from a structure of the driver.
 *
 * Bytes are written in hexadecimal, with a space between fields; a range is
 * five bytes of page frame and three of count.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../../proto.h"
#include "prng.h"

#define HEADER_SIZE	8
#define LENGTH_MAX	4096
#define LENGTH_BEYOND	(LENGTH_MAX + 8)
#define RANGES_MAX	510

/* The type is kept where the header has it, the declared size next to it. */
#define AT_TYPE		0
#define AT_SIZE		2
#define AT_ID		4

#define GUARD		0xaa

static void put_le(u8 *at, u64 value, unsigned int bytes)
{
	unsigned int i;

	for (i = 0; i < bytes; i++)
		at[i] = value >> 8 * i;
}

static u64 get_le(const u8 *at, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static u64 wire_word(u64 start, u64 count)
{
	return count << 40 | start;
}

static u8 hex_digit(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Returns the number of bytes; the spaces between fields count for nothing. */
static size_t unhex(const char *hex, u8 *bytes)
{
	size_t len = 0;

	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		bytes[len++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
		hex += 2;
	}
	return len;
}

static void dump(struct kunit *test, const char *what, const u8 *bytes, size_t len)
{
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		kunit_info(test, "%s %4zu: %016llx (as a word)\n", what, i,
			   (unsigned long long)get_le(bytes + i, 8));
}

static void expect_bytes(struct kunit *test, const u8 *got, const u8 *expected,
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
static u8 *copy_exact(struct kunit *test, const u8 *bytes, size_t len)
{
	u8 *exact = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, exact);
	memcpy(exact, bytes, len);
	return exact;
}

static enum hvb_reject decode_exact(struct kunit *test, const u8 *bytes, size_t len,
				    struct hvb_msg *msg)
{
	u8 *exact = copy_exact(test, bytes, len);
	enum hvb_reject reject;

	memset(msg, GUARD, sizeof(*msg));
	reject = hvb_decode(exact, len, msg);
	kunit_kfree(test, exact);
	return reject;
}

/* Every length ----------------------------------------------------------- */

/*
 * A message at its longest. It is cut to every length and declared to have
 * every size; the rest of its bytes are zero.
 *  least:	the smallest size of the type, 0 if no host sends it
 *  not_from,
 *  not_to:	sizes in between do not exist
 *  ranges:	the number that the message says to hold
 */
static const struct length_case {
	const char *name;
	u16 type;
	u16 least;
	u16 not_from;
	u16 not_to;
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
	{ "hot-add request", 10, 16, 17, 23 },
	{ "information, most pages", 12, 24, 24, 31, .info_type = 0 },
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
	if (size > len || size < row->least)
		return HVB_REJECT_SIZE;
	if (row->not_from && size >= row->not_from && size <= row->not_to)
		return HVB_REJECT_SIZE;
	if (row->type == 8 && (u64)row->ranges * 8 > size - 16)
		return HVB_REJECT_COUNT;
	return HVB_ACCEPTED;
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
		HVB_REJECT_COUNT,
	}, {
		"unballoon request, half its range declared",
		"0800 1400 " ID " 00000000 01000000 9a78563412 000200",
		HVB_REJECT_COUNT,
	}, {
		"unballoon request, a bad range behind the declared size",
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

static bool word_fits(const u8 *bytes)
{
	const u64 word = get_le(bytes, 8);

	return (word & 0xffffffffff) + (word >> 40) <= 1ULL << 40;
}

static enum hvb_reject garbage_unballoon(const u8 *bytes, u32 size)
{
	const u64 count = get_le(bytes + 12, 4);
	u64 i;

	if (16 + 8 * count > size)
		return HVB_REJECT_COUNT;
	for (i = 0; i < count; i++)
		if (!word_fits(bytes + 16 + 8 * i))
			return HVB_REJECT_RANGE;
	return HVB_ACCEPTED;
}

static enum hvb_reject garbage_expected(const u8 *bytes, size_t len)
{
	const u32 size = get_le(bytes + AT_SIZE, 2);
	struct length_case row = { .type = get_le(bytes + AT_TYPE, 2) };
	enum hvb_reject reject;

	if (row.type == 12)
		row.least = 24;
	else if (row.type && row.type < 12 && row.type % 2 == 0)
		row.least = 16;
	if (row.type == 10) {
		row.not_from = 17;
		row.not_to = 23;
	}

	reject = length_expected(&row, len, size);
	if (reject)
		return reject;
	if (row.type == 8)
		return garbage_unballoon(bytes, size);
	if (row.type == 10)
		return word_fits(bytes + 8) && (size < 24 || word_fits(bytes + 16)) ?
		       HVB_ACCEPTED : HVB_REJECT_RANGE;
	if (row.type == 12 && !get_le(bytes + 16, 4))
		return size >= 32 && get_le(bytes + 20, 4) == 8 ?
		       HVB_ACCEPTED : HVB_REJECT_SIZE;
	return HVB_ACCEPTED;
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

		KUNIT_ASSERT_EQ_MSG(test, reject, garbage_expected(bytes, len),
				    "message %d, %zu bytes", i, len);
		seen[reject]++;
	}

	/* It got everywhere, only nothing was longer than a message may be. */
	for (i = 0; i < HVB_REJECTS; i++)
		KUNIT_EXPECT_EQ_MSG(test, !!seen[i], i != HVB_REJECT_LONG,
				    "%s: %u messages", hvb_reject_name(i), seen[i]);
}

/* Encoders --------------------------------------------------------------- */

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
		       hvb_encode_version((void *)buffer, 0x0a0b0c0d, row->version, row->last),
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

	len = hvb_encode_capabilities((void *)buffer, 0x0a0b0c0d, row->balloon,
				      row->hot_add, row->align_shift);
	unhex(row->caps, caps);
	expect_bytes(test, buffer + 8, caps, 8);
	memset(buffer + 8, 0, 8);
	expect_message(test, buffer, len,
		       "0300 2000 0d0c0b0a 0000000000000000 0000000000000000 ffffffffffffffff");
}

static void encode_status(struct kunit *test)
{
	const struct hvb_status status = { 0x0807060504030201, 0x1817161514131211 };
	u8 *buffer = guarded(test);

	expect_message(test, buffer, hvb_encode_status((void *)buffer, 1, &status),
		       "0500 3000 01000000 0102030405060708 1112131415161718 0000000000000000 "
		       "0000000000000000 00000000 00000000");
}

static void encode_unballoon(struct kunit *test)
{
	u8 *buffer = guarded(test);

	expect_message(test, buffer, hvb_encode_unballoon((void *)buffer, 0xffffffff),
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
		       hvb_encode_hot_add((void *)buffer, 0x01020304, row->pages, row->result),
		       row->wire);
}

static const struct balloon_case {
	const char *name;
	u32 count;
	bool more;
	const char *wire;
} balloon_cases[] = {
	{ "no more pages", 0, false, "0700 1000 01000000 00000000 00000000" },
	{ "one range, the last", 1, false,
	  "0700 1800 01000000 00000000 02000000 9a78563412 000200" },
	{ "one range, more to follow", 1, true,
	  "0700 1800 01000000 00000000 03000000 9a78563412 000200" },
	{ "five ranges, more to follow", 5, true,
	  "0700 3800 01000000 00000000 0b000000 9a78563412 000200 "
	  "0000000000 010000 ffffffffff 010000 0000000000 ffffff "
	  "010000ffff ffffff" },
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
		       hvb_encode_balloon((void *)buffer, 1, ranges, row->count, row->more),
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
		KUNIT_ASSERT_EQ(test, hvb_encode_balloon((void *)buffer, count, ranges,
							 count, count % 2),
				16 + 8 * count);
		balloon_check(test, buffer, count, count % 2);
	}
}

static void limits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, HVB_MSG_MAX, LENGTH_MAX);
	KUNIT_EXPECT_EQ(test, HVB_RANGES_MAX, RANGES_MAX);
	KUNIT_EXPECT_EQ(test, 16 + 8 * HVB_RANGES_MAX, LENGTH_MAX);
	KUNIT_EXPECT_EQ(test, HVB_RANGE_PFN_LIMIT, 1ULL << 40);
	KUNIT_EXPECT_EQ(test, HVB_RANGE_COUNT_MAX, (1UL << 24) - 1);
	KUNIT_EXPECT_EQ(test, HVB_HOT_ADD_TRANSIENT, 0);
	KUNIT_EXPECT_EQ(test, HVB_HOT_ADD_DONE, 1);
}

/* Names ------------------------------------------------------------------ */

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
	KUNIT_CASE_PARAM(decode_table, decode_gen_params),
	KUNIT_CASE(decode_any_id),
	KUNIT_CASE(decode_unaligned),
	KUNIT_CASE_PARAM(reserved_bits, reserved_gen_params),
	KUNIT_CASE_PARAM(range_round_trip, range_gen_params),
	KUNIT_CASE_PARAM(range_in_hot_add, range_gen_params),
	KUNIT_CASE_PARAM(range_in_region, range_gen_params),
	KUNIT_CASE_PARAM(range_in_unballoon, range_gen_params),
	KUNIT_CASE(unballoon_every_count),
	KUNIT_CASE(garbage),
	KUNIT_CASE_PARAM(encode_version, version_gen_params),
	KUNIT_CASE_PARAM(encode_capabilities, capabilities_gen_params),
	KUNIT_CASE(encode_status),
	KUNIT_CASE_PARAM(encode_balloon, balloon_gen_params),
	KUNIT_CASE(encode_balloon_every_count),
	KUNIT_CASE(encode_unballoon),
	KUNIT_CASE_PARAM(encode_hot_add, hot_add_gen_params),
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
