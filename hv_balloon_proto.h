/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wire format of the Hyper-V Dynamic Memory protocol, and nothing else.
 *
 * Messages travel as in-band VMBus packets. All fields are little-endian and
 * packed. A page is always 4 KiB here, whatever the page size of the guest.
 *
 * Facts compared with two public implementations of the protocol: the guest
 * side in Linux (drivers/hv/hv_balloon.c, 7.3) and the host side in QEMU
 * (include/hw/hyperv/dynmem-proto.h, 10.0).
 */
#ifndef _HVB_HV_BALLOON_PROTO_H
#define _HVB_HV_BALLOON_PROTO_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

/* The longest message that either side sends, in bytes, header included. */
#define HVB_MSG_MAX		4096U

/* Protocol versions, in the order in which they are proposed. */
#define HVB_VERSION(major, minor)	(((u32)(major) << 16) | (minor))
#define HVB_VERSION_MAJOR(version)	((version) >> 16)
#define HVB_VERSION_MINOR(version)	((version) & 0xffff)
#define HVB_VERSION_WIN10	HVB_VERSION(2, 0)
#define HVB_VERSION_WIN8	HVB_VERSION(1, 0)
#define HVB_VERSION_WIN7	HVB_VERSION(0, 3)

/**
 * enum hvb_msg_type - what a message is
 * @HVB_MSG_ERROR: defined by the protocol, never sent
 * @HVB_MSG_VERSION_REQUEST: guest proposes a protocol version
 * @HVB_MSG_VERSION_RESPONSE: host accepts that or not
 * @HVB_MSG_CAPABILITIES_REPORT: guest reports its capabilities
 * @HVB_MSG_CAPABILITIES_RESPONSE: host accepts it or not
 * @HVB_MSG_STATUS_REPORT: guest reports its memory pressure
 * @HVB_MSG_BALLOON_REQUEST: host wants pages
 * @HVB_MSG_BALLOON_RESPONSE: guest names the pages that it gives
 * @HVB_MSG_UNBALLOON_REQUEST: host gives pages back
 * @HVB_MSG_UNBALLOON_RESPONSE: guest has taken them
 * @HVB_MSG_HOT_ADD_REQUEST: host offers new memory
 * @HVB_MSG_HOT_ADD_RESPONSE: guest reports how much of that was added
 * @HVB_MSG_INFO: information of the host, no answer expected
 * @HVB_MSG_TYPES: number of types
 */
enum hvb_msg_type {
	HVB_MSG_ERROR			= 0,
	HVB_MSG_VERSION_REQUEST		= 1,
	HVB_MSG_VERSION_RESPONSE	= 2,
	HVB_MSG_CAPABILITIES_REPORT	= 3,
	HVB_MSG_CAPABILITIES_RESPONSE	= 4,
	HVB_MSG_STATUS_REPORT		= 5,
	HVB_MSG_BALLOON_REQUEST		= 6,
	HVB_MSG_BALLOON_RESPONSE	= 7,
	HVB_MSG_UNBALLOON_REQUEST	= 8,
	HVB_MSG_UNBALLOON_RESPONSE	= 9,
	HVB_MSG_HOT_ADD_REQUEST		= 10,
	HVB_MSG_HOT_ADD_RESPONSE	= 11,
	HVB_MSG_INFO			= 12,
	HVB_MSG_TYPES,
};

/**
 * struct hvb_wire_header - starts every message
 * @type: enum hvb_msg_type
 * @size: bytes of the whole message, this header included
 * @trans_id: chosen by the sender; no known host compares it with anything
 */
struct hvb_wire_header {
	__le16 type;
	__le16 size;
	__le32 trans_id;
} __packed;

/* A run of pages: bits 0-39 first PFN, bits 40-63 number of pages. */
#define HVB_RANGE_PFN_BITS	40
#define HVB_RANGE_PFN_LIMIT	BIT_ULL(HVB_RANGE_PFN_BITS)
#define HVB_RANGE_COUNT_MAX	((1U << 24) - 1)

#define HVB_VERSION_LAST_ATTEMPT	0x1

struct hvb_wire_version_request {
	struct hvb_wire_header hdr;
	__le32 version;
	__le32 flags;
} __packed;

#define HVB_RESPONSE_ACCEPTED		0x1
#define HVB_RESPONSE_HOT_REMOVE		0x2	/* capabilities only */
#define HVB_RESPONSE_NO_REPORTS		0x4	/* capabilities only */

/* Answers to the version request and to the capabilities report. */
struct hvb_wire_accept_response {
	struct hvb_wire_header hdr;
	__le64 flags;
} __packed;

#define HVB_CAP_BALLOON			0x1
#define HVB_CAP_HOT_ADD			0x2
#define HVB_CAP_ALIGNMENT_SHIFT		2	/* alignment is 2^n MiB ... */
#define HVB_CAP_ALIGNMENT_MAX		15	/* ... with n in four bits */

struct hvb_wire_capabilities {
	struct hvb_wire_header hdr;
	__le64 caps;
	__le64 min_page_count;
	__le64 max_page_number;
} __packed;

struct hvb_wire_status {
	struct hvb_wire_header hdr;
	__le64 available;
	__le64 committed;
	__le64 page_file_size;
	__le64 zero_free;
	__le32 page_file_writes;
	__le32 io_diff;
} __packed;

struct hvb_wire_balloon_request {
	struct hvb_wire_header hdr;
	__le32 num_pages;
	__le32 reserved;
} __packed;

/* Bit 0 in both directions. The response has its count in bits 1 to 31. */
#define HVB_MORE_PAGES			0x1
#define HVB_RESPONSE_COUNT_SHIFT	1

struct hvb_wire_balloon_response {
	struct hvb_wire_header hdr;
	__le32 reserved;
	__le32 more_and_count;
	__le64 ranges[];
} __packed;

struct hvb_wire_unballoon_request {
	struct hvb_wire_header hdr;
	__le32 flags;
	__le32 range_count;
	__le64 ranges[];
} __packed;

/* The most ranges that fit one message, in either direction. */
#define HVB_RANGES_MAX	((HVB_MSG_MAX - sizeof(struct hvb_wire_balloon_response)) / 8)

struct hvb_wire_unballoon_response {
	struct hvb_wire_header hdr;
} __packed;

/* The shorter form ends before @region; the size distinguishes them. */
struct hvb_wire_hot_add_request {
	struct hvb_wire_header hdr;
	__le64 range;
	__le64 region;
} __packed;

#define HVB_HOT_ADD_REQUEST_SHORT	16U

#define HVB_RESULT_TRANSIENT	0	/* with no pages: may be tried again */
#define HVB_RESULT_DONE		1	/* with no pages: never ask again */

struct hvb_wire_hot_add_response {
	struct hvb_wire_header hdr;
	__le32 page_count;
	__le32 result;
} __packed;

#define HVB_INFO_MAX_PAGE_COUNT		0

struct hvb_wire_info {
	struct hvb_wire_header hdr;
	__le32 reserved;
	__le32 info_size;
	__le32 info_type;
	__le32 data_size;
	__le64 max_page_count;
} __packed;

static_assert(sizeof(struct hvb_wire_header) == 8);
static_assert(sizeof(struct hvb_wire_version_request) == 16);
static_assert(sizeof(struct hvb_wire_accept_response) == 16);
static_assert(sizeof(struct hvb_wire_capabilities) == 32);
static_assert(sizeof(struct hvb_wire_status) == 48);
static_assert(sizeof(struct hvb_wire_balloon_request) == 16);
static_assert(sizeof(struct hvb_wire_balloon_response) == 16);
static_assert(sizeof(struct hvb_wire_unballoon_request) == 16);
static_assert(sizeof(struct hvb_wire_unballoon_response) == 8);
static_assert(sizeof(struct hvb_wire_hot_add_request) == 24);
static_assert(sizeof(struct hvb_wire_hot_add_response) == 16);
static_assert(sizeof(struct hvb_wire_info) == 32);

#endif /* _HVB_HV_BALLOON_PROTO_H */
