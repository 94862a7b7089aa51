// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/proto.c: every message that a host can send, of any bytes.
 *
 * Each message is in a block of just its size, so that one byte too far is out of bounds.
 * Its ranges are looked at twice: in messages of up to SHORT_MOST bytes one by one, and in
 * those of up to MESSAGE_MOST by what holds in each turn of the loop (proto_loops.sed).
 *
 * Assumed: no more than MESSAGE_MOST bytes are a message with ranges; what is longer than
 * HVB_MSG_MAX is rejected by its length. Of messages without ranges, nothing.
 */
#include <stdlib.h>

#include "lib/proto.h"
#include "proof.h"

#define SHORT_MOST	48
#define MESSAGE_MOST	(HVB_MSG_MAX + sizeof(u64))

/* What the longest message without ranges has. */
#define FIXED_MOST	sizeof(struct hvb_wire_info)

/* The number of a range, any; see proto_loops.sed. */
u32 proof_at;

static void *any_bytes(size_t len)
{
	void *bytes = malloc(len);

	assume(bytes);
	return bytes;
}

static bool in_limits(const struct hvb_range *range)
{
	return range->start + range->count <= HVB_RANGE_PFN_LIMIT &&
	       range->start < HVB_RANGE_PFN_LIMIT && range->count <= HVB_RANGE_COUNT_MAX;
}

static bool from_host(enum hvb_msg_type type)
{
	return type == HVB_MSG_VERSION_RESPONSE || type == HVB_MSG_CAPABILITIES_RESPONSE ||
	       type == HVB_MSG_BALLOON_REQUEST || type == HVB_MSG_UNBALLOON_REQUEST ||
	       type == HVB_MSG_HOT_ADD_REQUEST || type == HVB_MSG_INFO;
}

static void prove_ranges(const void *bytes, size_t len, const struct hvb_msg *msg)
{
	const u8 *end = (const u8 *)bytes + len;
	struct hvb_range range;

	prove(msg->unballoon.count <= HVB_RANGES_MAX);
	prove((const u8 *)(msg->unballoon.ranges + msg->unballoon.count) <= end);
	if (proof_at < msg->unballoon.count) {
		range = hvb_decode_range(msg->unballoon.ranges[proof_at]);
		prove(in_limits(&range));
	}
}

/* An accepted message is what its description in lib/proto.h says. */
static void prove_accepted(const void *bytes, size_t len, const struct hvb_msg *msg)
{
	prove(len <= HVB_MSG_MAX && len >= sizeof(struct hvb_wire_unballoon_request));
	prove(from_host(msg->type));
	switch (msg->type) {
	case HVB_MSG_UNBALLOON_REQUEST:
		prove_ranges(bytes, len, msg);
		break;
	case HVB_MSG_HOT_ADD_REQUEST:
		prove(in_limits(&msg->hot_add.range));
		prove(in_limits(&msg->hot_add.region));
		break;
	case HVB_MSG_INFO:
		prove(implies(msg->info.has_max_pages, len >= sizeof(struct hvb_wire_info)));
		break;
	case HVB_MSG_VERSION_RESPONSE:
		prove(!msg->accept.no_reports);
		break;
	default:
		break;
	}
}

/* A rejected message says what hvb_decode() promises of it, and nothing wrong. */
static void prove_rejected(size_t len, enum hvb_reject reason,
			   const struct hvb_msg *msg)
{
	prove(reason < HVB_REJECTS);
	prove(implies(reason == HVB_REJECT_LONG, len > HVB_MSG_MAX));
	prove(implies(reason == HVB_REJECT_TYPE, !from_host(msg->type)));
	prove(implies(reason == HVB_REJECT_COUNT || reason == HVB_REJECT_RANGE,
		      msg->type == HVB_MSG_UNBALLOON_REQUEST ||
		      msg->type == HVB_MSG_HOT_ADD_REQUEST));
	prove(hvb_reject_name(reason));
	prove(hvb_msg_name(msg->type));
}

static void prove_verdict(const u8 *bytes, size_t len)
{
	enum hvb_reject reason;
	struct hvb_msg msg;

	proof_at = nondet_u32();
	reason = hvb_decode(bytes, len, &msg);
	if (len >= sizeof(struct hvb_wire_header)) {
		prove(msg.type == (bytes[0] | bytes[1] << 8));
		prove(msg.trans_id == (bytes[4] | bytes[5] << 8 | bytes[6] << 16 |
				       (u32)bytes[7] << 24));
	}
	prove(implies(msg.type == HVB_MSG_UNBALLOON_REQUEST && len >= 12,
		      msg.unballoon.more == (bytes[8] & HVB_MORE_PAGES)));
	if (reason == HVB_ACCEPTED)
		prove_accepted(bytes, len, &msg);
	else
		prove_rejected(len, reason, &msg);
}

void prove_decode_short(void)
{
	const size_t len = nondet_u64();

	assume(len <= SHORT_MOST);
	prove_verdict(any_bytes(len), len);
}

/* Of messages without ranges no byte behind the longest is read, whatever arrived. */
void prove_decode_fixed(void)
{
	const size_t len = nondet_u64();
	u8 *bytes = any_bytes(min(len, FIXED_MOST));

	assume(len >= sizeof(struct hvb_wire_header));
	assume(bytes[0] != HVB_MSG_UNBALLOON_REQUEST || bytes[1]);
	prove_verdict(bytes, len);
}

void prove_decode_ranges(void)
{
	const size_t len = nondet_u64();
	u64 *words = any_bytes(len);

	assume(len >= sizeof(u64) && len <= MESSAGE_MOST);
	assume((words[0] & UINT16_MAX) == HVB_MSG_UNBALLOON_REQUEST);
	prove_verdict((const u8 *)words, len);
}

/* What the guest names is what the host reads. */
void prove_range_round_trip(void)
{
	const struct hvb_range range = { nondet_u64(), nondet_u32() };
	struct hvb_range read;

	assume(range.start < HVB_RANGE_PFN_LIMIT && range.count <= HVB_RANGE_COUNT_MAX);
	read = hvb_decode_range(hvb_encode_range(&range));
	prove(read.start == range.start && read.count == range.count);
}
