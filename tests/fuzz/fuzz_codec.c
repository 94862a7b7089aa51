// SPDX-License-Identifier: GPL-2.0-only
/*
 * The codec. The input is a message of the host as it arrives, and then the
 * source of the figures that the guest puts into its own messages.
 *
 * The verdict has to be that of a second, simpler reading of the protocol; what
 * was understood has to give the same bytes again; and the declared size has no
 * effect but in an offer of memory, behind which no byte has any. Blocks of
 * memory are just as long as the messages in them, so that the sanitizer sees
 * each byte too far.
 */
#include "../unit/oracle.h"
#include "fuzz.h"

#define RESPONSE_HEADER	16

/* Flags -------------------------------------------------------------------- */

/* The field of a message in which bits are reserved, and those that are not. */
static u64 reserved_bits(const struct hvb_msg *msg, const u8 *bytes)
{
	switch (msg->type) {
	case HVB_MSG_VERSION_RESPONSE:
		return get_le(bytes + 8, 8) & ~0x1ULL;
	case HVB_MSG_CAPABILITIES_RESPONSE:
		return get_le(bytes + 8, 8) & ~0x7ULL;
	case HVB_MSG_BALLOON_REQUEST:
		return get_le(bytes + 12, 4);
	case HVB_MSG_UNBALLOON_REQUEST:
		return get_le(bytes + 8, 4) & ~0x1ULL;
	case HVB_MSG_INFO:
		return get_le(bytes + 8, 4);
	default:
		return 0;
	}
}

static void put_bit(u8 *byte, unsigned int nr, bool value)
{
	*byte = (*byte & ~(1U << nr)) | value << nr;
}

/* What was understood ------------------------------------------------------ */

static void put_range(u8 *at, const struct hvb_range *range)
{
	put_le(at, wire_word(range->start, range->count), 8);
}

static void put_ranges(struct kunit *test, u8 *at, const struct hvb_msg *msg)
{
	u32 i;

	for (i = 0; i < msg->unballoon.count; i++) {
		const struct hvb_range range = hvb_decode_range(msg->unballoon.ranges[i]);

		KUNIT_ASSERT_TRUE(test, hvb_encode_range(&range) == msg->unballoon.ranges[i]);
		KUNIT_ASSERT_LE(test, range.start + range.count, 1ULL << 40);
		put_range(at + 8 * i, &range);
	}
}

/* Writes each figure of @msg over the bytes from which it was read. */
static void put_message(struct kunit *test, u8 *bytes, size_t size,
			const struct hvb_msg *msg)
{
	put_le(bytes + AT_TYPE, msg->type, 2);
	put_le(bytes + AT_ID, msg->trans_id, 4);

	switch (msg->type) {
	case HVB_MSG_BALLOON_REQUEST:
		put_le(bytes + 8, msg->balloon.num_pages, 4);
		break;
	case HVB_MSG_UNBALLOON_REQUEST:
		put_bit(bytes + 8, 0, msg->unballoon.more);
		put_le(bytes + 12, msg->unballoon.count, 4);
		KUNIT_ASSERT_LE(test, 16 + 8ULL * msg->unballoon.count, size);
		put_ranges(test, bytes + 16, msg);
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		put_range(bytes + 8, &msg->hot_add.range);
		if (size >= 24)
			put_range(bytes + 16, &msg->hot_add.region);
		else
			KUNIT_ASSERT_EQ(test, msg->hot_add.region.count, 0);
		break;
	case HVB_MSG_INFO:
		KUNIT_ASSERT_EQ(test, msg->info.has_max_pages, !get_le(bytes + 16, 4));
		if (msg->info.has_max_pages)
			put_le(bytes + 24, msg->info.max_pages, 8);
		break;
	default:
		put_bit(bytes + 8, 0, msg->accept.accepted);
		if (msg->type == HVB_MSG_CAPABILITIES_RESPONSE)
			put_bit(bytes + 8, 2, msg->accept.no_reports);
		else
			KUNIT_ASSERT_FALSE(test, msg->accept.no_reports);
	}
}

/* What was understood of @bytes, of which @size count, gives these bytes again. */
static void check_understood(struct kunit *test, const u8 *bytes, size_t size,
			     const struct hvb_msg *msg)
{
	u8 *again = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_EQ(test, msg->reserved_bits, !!reserved_bits(msg, bytes));
	memcpy(again, bytes, size);
	put_message(test, again, size, msg);
	KUNIT_ASSERT_TRUE(test, !memcmp(again, bytes, size));
}

/*
 * The same bytes with the true size declared are understood the same way. An
 * offer of memory has just as many bytes as it declares.
 */
static void check_true_size(struct kunit *test, const u8 *bytes, size_t size,
			    enum hvb_reject expected)
{
	u8 *exact = kunit_kmalloc(test, size, GFP_KERNEL);
	struct hvb_msg msg;

	memcpy(exact, bytes, size);
	put_le(exact + AT_SIZE, size, 2);
	KUNIT_ASSERT_EQ(test, hvb_decode(exact, size, &msg), expected);
	if (expected)
		return;
	KUNIT_ASSERT_FALSE(test, msg.size_mismatch);
	check_understood(test, exact, size, &msg);
}

static void check_decode(struct kunit *test, const u8 *bytes, size_t len)
{
	const enum hvb_reject expected = oracle_verdict(bytes, len);
	struct hvb_msg msg;
	size_t size;

	KUNIT_ASSERT_EQ(test, hvb_decode(bytes, len, &msg), expected);
	KUNIT_ASSERT_NOT_NULL(test, hvb_reject_name(expected));
	if (len < HEADER_SIZE)
		return;

	KUNIT_ASSERT_EQ(test, (u32)msg.type, get_le(bytes + AT_TYPE, 2));
	KUNIT_ASSERT_EQ(test, msg.trans_id, get_le(bytes + AT_ID, 4));
	KUNIT_ASSERT_NOT_NULL(test, hvb_msg_name(msg.type));
	if (msg.type == HVB_MSG_UNBALLOON_REQUEST)
		KUNIT_ASSERT_EQ(test, msg.unballoon.more, oracle_more(bytes, len));
	if (expected != HVB_ACCEPTED && expected != HVB_REJECT_COUNT &&
	    expected != HVB_REJECT_RANGE)
		return;

	size = msg.type == HVB_MSG_HOT_ADD_REQUEST ? get_le(bytes + AT_SIZE, 2) : len;
	check_true_size(test, bytes, size, expected);
	if (expected)
		return;
	KUNIT_ASSERT_EQ(test, msg.size_mismatch, oracle_size_is_wrong(bytes, len));
	check_understood(test, bytes, size, &msg);
}

/* What the guest says ------------------------------------------------------ */

/* A message of the guest: its header, and that no host could have sent it. */
static void check_header(struct kunit *test, u8 *bytes, size_t got, size_t expected,
			 u32 type, u32 id)
{
	struct hvb_msg msg;

	KUNIT_ASSERT_EQ(test, got, expected);
	KUNIT_ASSERT_LE(test, got, LENGTH_MAX);
	KUNIT_ASSERT_EQ(test, get_le(bytes + AT_TYPE, 2), type);
	KUNIT_ASSERT_EQ(test, get_le(bytes + AT_SIZE, 2), got);
	KUNIT_ASSERT_EQ(test, get_le(bytes + AT_ID, 4), 0);
	hvb_encode_id(bytes, id);
	KUNIT_ASSERT_EQ(test, get_le(bytes + AT_ID, 4), id);
	KUNIT_ASSERT_EQ(test, hvb_decode(bytes, got, &msg), HVB_REJECT_TYPE);
}

static void check_negotiation(struct kunit *test, struct fuzz_input input)
{
	u8 *version = kunit_kmalloc(test, 16, GFP_KERNEL);
	u8 *caps = kunit_kmalloc(test, 32, GFP_KERNEL);
	const u32 id = fuzz_take(&input, 4), number = fuzz_take(&input, 4);
	const u32 bits = fuzz_take(&input, 1);

	check_header(test, version,
		     hvb_encode_version((void *)version, number, bits & 1), 16, 1, id);
	KUNIT_ASSERT_EQ(test, get_le(version + 8, 4), number);
	KUNIT_ASSERT_EQ(test, get_le(version + 12, 4), bits & 1);

	check_header(test, caps,
		     hvb_encode_capabilities((void *)caps, bits & 1, bits & 2,
					     bits >> 2 & 15),
		     32, 3, id);
	KUNIT_ASSERT_EQ(test, get_le(caps + 8, 8), bits & 0x3f);
	KUNIT_ASSERT_EQ(test, get_le(caps + 16, 8), 0);
	KUNIT_ASSERT_EQ(test, get_le(caps + 24, 8), ~0ULL);
}

static void check_status(struct kunit *test, struct fuzz_input input)
{
	u8 *bytes = kunit_kmalloc(test, 48, GFP_KERNEL);
	const u32 id = fuzz_take(&input, 4);
	const struct hvb_status status = {
		.available = fuzz_take(&input, 8),
		.committed = fuzz_take(&input, 8),
	};
	unsigned int i;

	check_header(test, bytes, hvb_encode_status((void *)bytes, &status), 48, 5, id);
	KUNIT_ASSERT_EQ(test, get_le(bytes + 8, 8), status.available);
	KUNIT_ASSERT_EQ(test, get_le(bytes + 16, 8), status.committed);
	for (i = 24; i < 48; i++)
		KUNIT_ASSERT_EQ(test, bytes[i], 0);
}

static void check_short_responses(struct kunit *test, struct fuzz_input input)
{
	u8 *unballoon = kunit_kmalloc(test, 8, GFP_KERNEL);
	u8 *hot_add = kunit_kmalloc(test, 16, GFP_KERNEL);
	const u32 id = fuzz_take(&input, 4), pages = fuzz_take(&input, 4);
	const u32 result = fuzz_take(&input, 4);

	check_header(test, unballoon, hvb_encode_unballoon((void *)unballoon), 8, 9, id);

	check_header(test, hot_add, hvb_encode_hot_add((void *)hot_add, pages, result),
		     16, 11, id);
	KUNIT_ASSERT_EQ(test, get_le(hot_add + 8, 4), pages);
	KUNIT_ASSERT_EQ(test, get_le(hot_add + 12, 4), result);
}

/* As many ranges as there are words, but no more than a message holds. */
static void check_balloon_response(struct kunit *test, struct fuzz_input input)
{
	const u32 id = fuzz_take(&input, 4), bits = fuzz_take(&input, 1);
	const u32 count = min(input.left / 8, (size_t)RANGES_MAX);
	const size_t size = RESPONSE_HEADER + 8 * count;
	struct hvb_range *ranges = kunit_kmalloc(test, count * sizeof(*ranges), GFP_KERNEL);
	u8 *bytes = kunit_kmalloc(test, size, GFP_KERNEL);
	u32 i;

	for (i = 0; i < count; i++) {
		ranges[i].start = fuzz_take(&input, 5);
		ranges[i].count = fuzz_take(&input, 3);
	}

	check_header(test, bytes, hvb_encode_balloon((void *)bytes, ranges, count, bits & 1),
		     size, 7, id);
	KUNIT_ASSERT_EQ(test, get_le(bytes + 8, 4), 0);
	KUNIT_ASSERT_EQ(test, get_le(bytes + 12, 4), 2 * count + (bits & 1));
	for (i = 0; i < count; i++)
		KUNIT_ASSERT_EQ(test, get_le(bytes + RESPONSE_HEADER + 8 * i, 8),
				wire_word(ranges[i].start, ranges[i].count));
}

void fuzz_one(struct kunit *test, const u8 *bytes, size_t len)
{
	const struct fuzz_input input = { bytes, len };

	check_decode(test, bytes, len);
	check_negotiation(test, input);
	check_status(test, input);
	check_short_responses(test, input);
	check_balloon_response(test, input);
}
