/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Codec between the bytes on the wire and checked structures. Pure: no
 * allocation, no globals, nothing that needs a running kernel.
 */
#ifndef _HVB_PROTO_H
#define _HVB_PROTO_H

#include "../hv_balloon_proto.h"

/**
 * struct hvb_range - a run of neighbouring PFNs
 * @start: first PFN, below HVB_RANGE_PFN_LIMIT
 * @count: pages of 4 KiB, at most HVB_RANGE_COUNT_MAX
 */
struct hvb_range {
	u64 start;
	u32 count;
};

/**
 * enum hvb_reject - why a message of the host was not accepted
 * @HVB_ACCEPTED: it was
 * @HVB_REJECT_SHORT: fewer bytes than the type needs, or none for a header
 * @HVB_REJECT_LONG: more than HVB_MSG_MAX bytes
 * @HVB_REJECT_SIZE: a hot-add request declares more bytes than arrived, or a
 *	size that it cannot have; or the data of an information message are not
 *	as long as its type has them
 * @HVB_REJECT_TYPE: not a type that a host sends
 * @HVB_REJECT_COUNT: more ranges than the message holds
 * @HVB_REJECT_RANGE: a range runs past the last PFN
 * @HVB_REJECTS: number of reasons
 */
enum hvb_reject {
	HVB_ACCEPTED,
	HVB_REJECT_SHORT,
	HVB_REJECT_LONG,
	HVB_REJECT_SIZE,
	HVB_REJECT_TYPE,
	HVB_REJECT_COUNT,
	HVB_REJECT_RANGE,
	HVB_REJECTS,
};

/**
 * struct hvb_msg - a message of the host, as far as it passed the checks
 * @type: decides which member of the union holds
 * @trans_id: the host's number for it
 * @reserved_bits: a reserved bit was set. It is ignored, as newer hosts may
 *	give it a meaning, but counted
 * @size_mismatch: the header declares more bytes than arrived, or fewer than
 *	were read. It is ignored, too, and counted
 * @accept: VERSION_RESPONSE and CAPABILITIES_RESPONSE
 * @accept.accepted: the host agrees
 * @accept.no_reports: the host wants no status reports
 * @balloon: BALLOON_REQUEST
 * @balloon.num_pages: pages that the host wants
 * @unballoon: UNBALLOON_REQUEST
 * @unballoon.more: another message of the same operation follows, so no answer
 *	is due yet. Holds also if the message was rejected and its flags were there
 * @unballoon.count: number of ranges, each checked
 * @unballoon.ranges: points into the received bytes; see hvb_decode_range()
 * @hot_add: HOT_ADD_REQUEST
 * @hot_add.range: pages to add; count may be 0
 * @hot_add.region: where they and later ones lie; count is 0 if not given
 * @info: INFO
 * @info.has_max_pages: the message is of the one type that is known
 * @info.max_pages: the most pages that the guest may ever have
 */
struct hvb_msg {
	enum hvb_msg_type type;
	u32 trans_id;
	bool reserved_bits;
	bool size_mismatch;
	union {
		struct {
			bool accepted;
			bool no_reports;
		} accept;
		struct {
			u32 num_pages;
		} balloon;
		struct {
			bool more;
			u32 count;
			const __le64 *ranges;
		} unballoon;
		struct {
			struct hvb_range range;
			struct hvb_range region;
		} hot_add;
		struct {
			bool has_max_pages;
			u64 max_pages;
		} info;
	};
};

/**
 * struct hvb_status - the figures of a status report, all in pages of 4 KiB
 * @available: what could be used without swapping
 * @committed: what the guest needs, its demand
 */
struct hvb_status {
	u64 available;
	u64 committed;
};

const char *hvb_msg_name(unsigned int type);
const char *hvb_reject_name(enum hvb_reject reject);

enum hvb_reject hvb_decode(const void *buf, size_t len, struct hvb_msg *msg);
struct hvb_range hvb_decode_range(__le64 wire);
u64 hvb_msg_pages(const void *bytes);
__le64 hvb_encode_range(const struct hvb_range *range);

/* Messages are encoded without a number: they get one when they are sent. */
u16 hvb_encode_version(struct hvb_wire_version_request *req, u32 version, bool last);
u16 hvb_encode_capabilities(struct hvb_wire_capabilities *report, bool balloon,
			    bool hot_add, unsigned int align_shift);
u16 hvb_encode_status(struct hvb_wire_status *report, const struct hvb_status *status);
u16 hvb_encode_balloon(struct hvb_wire_balloon_response *resp,
		       const struct hvb_range *ranges, u32 count, bool more);
u16 hvb_encode_unballoon(struct hvb_wire_unballoon_response *resp);
u16 hvb_encode_hot_add(struct hvb_wire_hot_add_response *resp, u32 page_count, u32 result);
void hvb_encode_id(void *msg, u32 id);

#endif /* _HVB_PROTO_H */
