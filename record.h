/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record for debugging: the last messages each way, and how long operations took.
 * Each is a trace event too.
 */
#ifndef _HVB_RECORD_H
#define _HVB_RECORD_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "lib/proto.h"

struct hvb_dev;

#define HVB_RECORD_ENTRIES		64

/* Enough for all but the ranges of a message; their pages are counted. */
#define HVB_RECORD_BYTES		32

/**
 * struct hvb_record_entry - a message
 * @time: when it was sent or read, in ns of the monotonic clock
 * @pages: see hvb_msg_pages(); 0 if it was rejected
 * @len: its bytes, of which @bytes has the first
 * @reject: why it was not accepted
 * @bytes: as on the wire, zeroes after the end
 */
struct hvb_record_entry {
	u64 time;
	u64 pages;
	u32 len;
	enum hvb_reject reject;
	u8 bytes[HVB_RECORD_BYTES];
};

/**
 * struct hvb_log - the last messages in one direction
 * @count: messages so far
 * @entries: message number N is at N modulo HVB_RECORD_ENTRIES
 */
struct hvb_log {
	u64 count;
	struct hvb_record_entry entries[HVB_RECORD_ENTRIES];
};

/**
 * enum hvb_op - what takes time
 * @HVB_OP_INFLATE: from the request for pages to the last answer
 * @HVB_OP_DEFLATE: one message with pages that come back
 * @HVB_OP_HOT_ADD: from the offer of memory to the answer, with the time in
 *	which the driver waits for memory or for a block to be onlined
 * @HVB_OPS: number of them
 */
enum hvb_op {
	HVB_OP_INFLATE,
	HVB_OP_DEFLATE,
	HVB_OP_HOT_ADD,
	HVB_OPS,
};

/* Bucket N: at least 2^(N-1), less than 2^N microseconds; the last has no end. */
#define HVB_LATENCY_BUCKETS	32

/**
 * struct hvb_latency - how long the operations of a kind took
 * @started: ns of the monotonic clock, 0 if none runs
 * @count: operations that have ended
 * @total_us: microseconds of all
 * @longest_us: microseconds of the longest
 * @buckets: how many took how long
 */
struct hvb_latency {
	u64 started;
	u64 count;
	u64 total_us;
	u64 longest_us;
	u64 buckets[HVB_LATENCY_BUCKETS];
};

/**
 * struct hvb_record - what is remembered
 */
struct hvb_record {
	/** @lock: protects @in and @out */
	spinlock_t lock;

	/** @in: messages of the host; written by the pump */
	struct hvb_log in;

	/** @out: messages to it; written by the pump and the report work */
	struct hvb_log out;

	/** @ops: how long operations took; written by the pump, or while it cannot run */
	struct hvb_latency ops[HVB_OPS];
};

void hvb_record_init(struct hvb_record *record);
void hvb_record_in(struct hvb_record *record, const void *bytes, u32 len,
		   enum hvb_reject reject);
void hvb_record_out(struct hvb_record *record, const void *bytes, u32 len);
bool hvb_record_get(struct hvb_record *record, const struct hvb_log *log, u64 number,
		    struct hvb_record_entry *entry);

const char *hvb_op_name(enum hvb_op op);
void hvb_op_begin(struct hvb_record *record, enum hvb_op op, u64 pages);
void hvb_op_end(struct hvb_record *record, enum hvb_op op, u64 pages);

#endif /* _HVB_RECORD_H */
