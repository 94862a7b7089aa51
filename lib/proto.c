// SPDX-License-Identifier: GPL-2.0-only
/*
 * Codec of the Dynamic Memory protocol: bytes in, checked structure out, and
 * back. Nothing else in the driver acts on the bytes of a message; record.c and
 * debugfs_messages.c read those that were accepted here, to show them.
 *
 * The rules for what the host sends:
 *  - the bytes that arrived limit what is read, and must hold what the type needs.
 *    There may be more, as VMBus pads to 8 bytes;
 *  - a size in the header that does not fit is ignored and noted: it is not proven
 *    that all hosts set it alike. Only a hot-add request must declare its size,
 *    which distinguishes its two forms;
 *  - reserved bits are ignored and noted, since newer hosts may use them.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "proto.h"

static const char * const hvb_msg_names[] = {
	[HVB_MSG_ERROR]			= "error",
	[HVB_MSG_VERSION_REQUEST]	= "version request",
	[HVB_MSG_VERSION_RESPONSE]	= "version response",
	[HVB_MSG_CAPABILITIES_REPORT]	= "capabilities report",
	[HVB_MSG_CAPABILITIES_RESPONSE]	= "capabilities response",
	[HVB_MSG_STATUS_REPORT]		= "status report",
	[HVB_MSG_BALLOON_REQUEST]	= "balloon request",
	[HVB_MSG_BALLOON_RESPONSE]	= "balloon response",
	[HVB_MSG_UNBALLOON_REQUEST]	= "unballoon request",
	[HVB_MSG_UNBALLOON_RESPONSE]	= "unballoon response",
	[HVB_MSG_HOT_ADD_REQUEST]	= "hot-add request",
	[HVB_MSG_HOT_ADD_RESPONSE]	= "hot-add response",
	[HVB_MSG_INFO]			= "information message",
};

static const char * const hvb_reject_names[] = {
	[HVB_ACCEPTED]		= "accepted",
	[HVB_REJECT_SHORT]	= "too short",
	[HVB_REJECT_LONG]	= "too long",
	[HVB_REJECT_SIZE]	= "wrong size declared",
	[HVB_REJECT_TYPE]	= "unexpected type",
	[HVB_REJECT_COUNT]	= "range count exceeds message",
	[HVB_REJECT_RANGE]	= "range past the last PFN",
};

static_assert(ARRAY_SIZE(hvb_msg_names) == HVB_MSG_TYPES);
static_assert(ARRAY_SIZE(hvb_reject_names) == HVB_REJECTS);

/**
 * hvb_msg_name() - name of a message type for people
 * @type: number from the wire, any value
 *
 * Return: a constant string, "unknown message" for what the protocol lacks.
 */
const char *hvb_msg_name(unsigned int type)
{
	return type < HVB_MSG_TYPES ? hvb_msg_names[type] : "unknown message";
}

/**
 * hvb_reject_name() - reason of a rejection for people
 * @reject: the reason
 *
 * Return: a constant string.
 */
const char *hvb_reject_name(enum hvb_reject reject)
{
	return hvb_reject_names[reject];
}

/**
 * hvb_decode_range() - split a range of the wire into its parts
 * @wire: the range as it was received
 *
 * Return: the range, unchecked.
 */
struct hvb_range hvb_decode_range(__le64 wire)
{
	const u64 raw = le64_to_cpu(wire);

	return (struct hvb_range) {
		.start = raw & (HVB_RANGE_PFN_LIMIT - 1),
		.count = raw >> HVB_RANGE_PFN_BITS,
	};
}

/**
 * hvb_encode_range() - put a range into the form of the wire
 * @range: start and count within the limits of struct hvb_range
 *
 * Return: the range as it is sent.
 */
__le64 hvb_encode_range(const struct hvb_range *range)
{
	return cpu_to_le64((u64)range->count << HVB_RANGE_PFN_BITS | range->start);
}

static bool hvb_range_fits(const struct hvb_range *range)
{
	return range->start + range->count <= HVB_RANGE_PFN_LIMIT;
}

/* The least bytes that a message of the host needs, 0 if no host sends it. */
static size_t hvb_host_msg_size(u16 type)
{
	switch (type) {
	case HVB_MSG_VERSION_RESPONSE:
	case HVB_MSG_CAPABILITIES_RESPONSE:
		return sizeof(struct hvb_wire_accept_response);
	case HVB_MSG_BALLOON_REQUEST:
		return sizeof(struct hvb_wire_balloon_request);
	case HVB_MSG_UNBALLOON_REQUEST:
		return sizeof(struct hvb_wire_unballoon_request);
	case HVB_MSG_HOT_ADD_REQUEST:
		return HVB_HOT_ADD_REQUEST_SHORT;
	case HVB_MSG_INFO:
		return offsetof(struct hvb_wire_info, max_page_count);
	default:
		return 0;
	}
}

/* @needed bytes of a message were read: does it declare these, and no more than came? */
static void hvb_note_size(const struct hvb_wire_header *hdr, size_t len, size_t needed,
			  struct hvb_msg *msg)
{
	const size_t size = le16_to_cpu(hdr->size);

	msg->size_mismatch = size < needed || size > len;
}

static enum hvb_reject hvb_decode_accept(const struct hvb_wire_accept_response *resp,
					 struct hvb_msg *msg)
{
	const u64 flags = le64_to_cpu(resp->flags);
	u64 known = HVB_RESPONSE_ACCEPTED;

	if (msg->type == HVB_MSG_CAPABILITIES_RESPONSE)
		known |= HVB_RESPONSE_HOT_REMOVE | HVB_RESPONSE_NO_REPORTS;

	msg->accept.accepted = flags & HVB_RESPONSE_ACCEPTED;
	msg->accept.no_reports = flags & known & HVB_RESPONSE_NO_REPORTS;
	msg->reserved_bits = flags & ~known;
	return HVB_ACCEPTED;
}

static enum hvb_reject hvb_decode_balloon(const struct hvb_wire_balloon_request *req,
					  struct hvb_msg *msg)
{
	msg->balloon.num_pages = le32_to_cpu(req->num_pages);
	msg->reserved_bits = req->reserved != 0;
	return HVB_ACCEPTED;
}

/* All that is needed of a message that may be rejected. */
static void hvb_decode_head(const void *buf, size_t len, struct hvb_msg *msg)
{
	const struct hvb_wire_unballoon_request *req = buf;

	msg->type = le16_to_cpu(req->hdr.type);
	msg->trans_id = le32_to_cpu(req->hdr.trans_id);
	if (msg->type == HVB_MSG_UNBALLOON_REQUEST &&
	    len >= offsetof(struct hvb_wire_unballoon_request, range_count))
		msg->unballoon.more = le32_to_cpu(req->flags) & HVB_MORE_PAGES;
}

static enum hvb_reject hvb_decode_unballoon(const struct hvb_wire_unballoon_request *req,
					    size_t len, struct hvb_msg *msg)
{
	const u32 count = le32_to_cpu(req->range_count);
	u32 i;

	if (count > (len - sizeof(*req)) / sizeof(req->ranges[0]))
		return HVB_REJECT_COUNT;

	for (i = 0; i < count; i++) {
		const struct hvb_range range = hvb_decode_range(req->ranges[i]);

		if (!hvb_range_fits(&range))
			return HVB_REJECT_RANGE;
	}

	msg->unballoon.count = count;
	msg->unballoon.ranges = req->ranges;
	msg->reserved_bits = le32_to_cpu(req->flags) & ~HVB_MORE_PAGES;
	hvb_note_size(&req->hdr, len, struct_size(req, ranges, count), msg);
	return HVB_ACCEPTED;
}

static enum hvb_reject hvb_decode_hot_add(const struct hvb_wire_hot_add_request *req,
					  size_t len, struct hvb_msg *msg)
{
	const size_t size = le16_to_cpu(req->hdr.size);

	if (size > len || (size != HVB_HOT_ADD_REQUEST_SHORT && size < sizeof(*req)))
		return HVB_REJECT_SIZE;

	msg->hot_add.range = hvb_decode_range(req->range);
	if (size >= sizeof(*req))
		msg->hot_add.region = hvb_decode_range(req->region);

	if (!hvb_range_fits(&msg->hot_add.range) ||
	    !hvb_range_fits(&msg->hot_add.region))
		return HVB_REJECT_RANGE;
	return HVB_ACCEPTED;
}

static enum hvb_reject hvb_decode_info(const struct hvb_wire_info *info,
				       size_t len, struct hvb_msg *msg)
{
	msg->reserved_bits = info->reserved != 0;
	if (le32_to_cpu(info->info_type) != HVB_INFO_MAX_PAGE_COUNT)
		return HVB_ACCEPTED;

	if (len < sizeof(*info) ||
	    le32_to_cpu(info->data_size) != sizeof(info->max_page_count))
		return HVB_REJECT_SIZE;

	msg->info.has_max_pages = true;
	msg->info.max_pages = le64_to_cpu(info->max_page_count);
	hvb_note_size(&info->hdr, len, sizeof(*info), msg);
	return HVB_ACCEPTED;
}

/**
 * hvb_decode() - check a message of the host and take it apart
 * @buf: what was received; must stay while @msg is used
 * @len: bytes in @buf
 * @msg: filled in; its contents mean nothing if the message is rejected,
 *	except for @type and @trans_id once a header was there, and except for
 *	@unballoon.more once the flags were (else it is false): only the last
 *	message of an operation is answered, also if it is rejected
 *
 * Context: any.
 * Return: HVB_ACCEPTED, or the reason why not.
 */
enum hvb_reject hvb_decode(const void *buf, size_t len, struct hvb_msg *msg)
{
	const struct hvb_wire_header *hdr = buf;
	size_t least;

	memset(msg, 0, sizeof(*msg));
	if (len < sizeof(*hdr))
		return HVB_REJECT_SHORT;

	hvb_decode_head(buf, len, msg);
	if (len > HVB_MSG_MAX)
		return HVB_REJECT_LONG;

	least = hvb_host_msg_size(msg->type);
	if (!least)
		return HVB_REJECT_TYPE;
	if (len < least)
		return HVB_REJECT_SHORT;

	hvb_note_size(hdr, len, least, msg);
	switch (msg->type) {
	case HVB_MSG_BALLOON_REQUEST:
		return hvb_decode_balloon(buf, msg);
	case HVB_MSG_UNBALLOON_REQUEST:
		return hvb_decode_unballoon(buf, len, msg);
	case HVB_MSG_HOT_ADD_REQUEST:
		return hvb_decode_hot_add(buf, len, msg);
	case HVB_MSG_INFO:
		return hvb_decode_info(buf, len, msg);
	default:
		return hvb_decode_accept(buf, msg);
	}
}

static u16 hvb_encode_header(struct hvb_wire_header *hdr,
			     enum hvb_msg_type type, size_t size)
{
	hdr->type = cpu_to_le16(type);
	hdr->size = cpu_to_le16(size);
	hdr->trans_id = 0;
	return size;
}

/**
 * hvb_encode_id() - number a message
 * @msg: the encoded message
 * @id: its number
 */
void hvb_encode_id(void *msg, u32 id)
{
	struct hvb_wire_header *hdr = msg;

	hdr->trans_id = cpu_to_le32(id);
}

static u64 hvb_ranges_pages(const __le64 *ranges, u32 count)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < count; i++)
		pages += hvb_decode_range(ranges[i]).count;
	return pages;
}

/**
 * hvb_msg_pages() - the pages that a message is about
 * @bytes: a message as it is on the wire, of the guest or of the host; one of
 *	the host was accepted by hvb_decode()
 *
 * Return: pages wanted, given, returned, offered or added; 0 for other types.
 */
u64 hvb_msg_pages(const void *bytes)
{
	const struct hvb_wire_balloon_response *response = bytes;
	const struct hvb_wire_unballoon_request *unballoon = bytes;
	const struct hvb_wire_balloon_request *balloon = bytes;
	const struct hvb_wire_hot_add_response *added = bytes;
	const struct hvb_wire_hot_add_request *offer = bytes;
	const struct hvb_wire_header *hdr = bytes;

	switch (le16_to_cpu(hdr->type)) {
	case HVB_MSG_BALLOON_REQUEST:
		return le32_to_cpu(balloon->num_pages);
	case HVB_MSG_BALLOON_RESPONSE:
		return hvb_ranges_pages(response->ranges,
					le32_to_cpu(response->more_and_count) >>
					HVB_RESPONSE_COUNT_SHIFT);
	case HVB_MSG_UNBALLOON_REQUEST:
		return hvb_ranges_pages(unballoon->ranges,
					le32_to_cpu(unballoon->range_count));
	case HVB_MSG_HOT_ADD_REQUEST:
		return hvb_decode_range(offer->range).count;
	case HVB_MSG_HOT_ADD_RESPONSE:
		return le32_to_cpu(added->page_count);
	default:
		return 0;
	}
}

/**
 * hvb_encode_version() - propose a protocol version
 * @req: filled in
 * @version: HVB_VERSION_*
 * @last: no other version will be proposed
 *
 * Return: bytes to send.
 */
u16 hvb_encode_version(struct hvb_wire_version_request *req, u32 version, bool last)
{
	*req = (struct hvb_wire_version_request) {
		.version = cpu_to_le32(version),
		.flags = cpu_to_le32(last ? HVB_VERSION_LAST_ATTEMPT : 0),
	};
	return hvb_encode_header(&req->hdr, HVB_MSG_VERSION_REQUEST, sizeof(*req));
}

/**
 * hvb_encode_capabilities() - report what the guest can do
 * @report: filled in
 * @balloon: it can give pages
 * @hot_add: it can take new memory
 * @align_shift: new memory should come aligned to 2^n MiB, at most
 *	HVB_CAP_ALIGNMENT_MAX
 *
 * Return: bytes to send.
 */
u16 hvb_encode_capabilities(struct hvb_wire_capabilities *report, bool balloon,
			    bool hot_add, unsigned int align_shift)
{
	const u64 caps = (balloon ? HVB_CAP_BALLOON : 0) |
			 (hot_add ? HVB_CAP_HOT_ADD : 0) |
			 (u64)align_shift << HVB_CAP_ALIGNMENT_SHIFT;

	*report = (struct hvb_wire_capabilities) {
		.caps = cpu_to_le64(caps),
		.max_page_number = cpu_to_le64(~0ULL),
	};
	return hvb_encode_header(&report->hdr, HVB_MSG_CAPABILITIES_REPORT,
				 sizeof(*report));
}

/**
 * hvb_encode_status() - report the memory pressure
 * @report: filled in
 * @status: the figures, in pages
 *
 * The other fields of the message concern page files and stay zero, as in
 * every Linux guest so far.
 *
 * Return: bytes to send.
 */
u16 hvb_encode_status(struct hvb_wire_status *report, const struct hvb_status *status)
{
	*report = (struct hvb_wire_status) {
		.available = cpu_to_le64(status->available),
		.committed = cpu_to_le64(status->committed),
	};
	return hvb_encode_header(&report->hdr, HVB_MSG_STATUS_REPORT, sizeof(*report));
}

/**
 * hvb_encode_balloon() - name pages that the host may have
 * @resp: filled in; must have room for HVB_MSG_MAX bytes
 * @ranges: the pages
 * @count: number of ranges, at most HVB_RANGES_MAX
 * @more: another message of this operation follows
 *
 * Return: bytes to send.
 */
u16 hvb_encode_balloon(struct hvb_wire_balloon_response *resp,
		       const struct hvb_range *ranges, u32 count, bool more)
{
	u32 i;

	resp->reserved = 0;
	resp->more_and_count = cpu_to_le32(count << HVB_RESPONSE_COUNT_SHIFT |
					   (more ? HVB_MORE_PAGES : 0));
	for (i = 0; i < count; i++)
		resp->ranges[i] = hvb_encode_range(&ranges[i]);

	return hvb_encode_header(&resp->hdr, HVB_MSG_BALLOON_RESPONSE,
				 struct_size(resp, ranges, count));
}

/**
 * hvb_encode_unballoon() - confirm that returned pages are in use again
 * @resp: filled in
 *
 * Return: bytes to send.
 */
u16 hvb_encode_unballoon(struct hvb_wire_unballoon_response *resp)
{
	return hvb_encode_header(&resp->hdr, HVB_MSG_UNBALLOON_RESPONSE, sizeof(*resp));
}

/**
 * hvb_encode_hot_add() - report how much of the offered memory was added
 * @resp: filled in
 * @page_count: pages that were added
 * @result: HVB_RESULT_DONE or HVB_RESULT_TRANSIENT
 *
 * Return: bytes to send.
 */
u16 hvb_encode_hot_add(struct hvb_wire_hot_add_response *resp, u32 page_count, u32 result)
{
	*resp = (struct hvb_wire_hot_add_response) {
		.page_count = cpu_to_le32(page_count),
		.result = cpu_to_le32(result),
	};
	return hvb_encode_header(&resp->hdr, HVB_MSG_HOT_ADD_RESPONSE, sizeof(*resp));
}
