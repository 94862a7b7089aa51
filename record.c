// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the last messages and how long operations took; see record.h.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/string.h>

#include "record.h"
#include "trace.h"

static const char * const hvb_op_names[] = {
	[HVB_OP_INFLATE]	= "inflate",
	[HVB_OP_DEFLATE]	= "deflate",
	[HVB_OP_HOT_ADD]	= "hot-add",
};

static_assert(ARRAY_SIZE(hvb_op_names) == HVB_OPS);

/**
 * hvb_op_name() - name of an operation for people
 * @op: the operation
 *
 * Context: any.
 * Return: a constant string.
 */
const char *hvb_op_name(enum hvb_op op)
{
	return hvb_op_names[op];
}

static void hvb_record_add(struct hvb_record *record, struct hvb_log *log,
			   const struct hvb_record_entry *entry)
{
	spin_lock(&record->lock);
	log->entries[log->count++ % HVB_RECORD_ENTRIES] = *entry;
	spin_unlock(&record->lock);
}

static void hvb_record_fill(struct hvb_record_entry *entry, const void *bytes, u32 len)
{
	*entry = (struct hvb_record_entry) {
		.time = ktime_get_ns(),
		.len = len,
	};
	memcpy(entry->bytes, bytes, min_t(u32, len, HVB_RECORD_BYTES));
}

static const struct hvb_wire_header *hvb_record_header(const struct hvb_record_entry *entry)
{
	return (const struct hvb_wire_header *)entry->bytes;
}

/**
 * hvb_record_in() - a message of the host was read
 * @record: what is remembered
 * @bytes: the message
 * @len: its bytes
 * @reject: result of hvb_decode()
 *
 * Context: process.
 */
void hvb_record_in(struct hvb_record *record, const void *bytes, u32 len,
		   enum hvb_reject reject)
{
	struct hvb_record_entry entry;
	const struct hvb_wire_header *header = hvb_record_header(&entry);

	hvb_record_fill(&entry, bytes, len);
	entry.reject = reject;
	if (reject == HVB_ACCEPTED) {
		entry.pages = hvb_msg_pages(bytes);
		trace_balloon_message_in(le16_to_cpu(header->type), le32_to_cpu(header->trans_id),
					 len, entry.pages);
	} else {
		trace_balloon_message_rejected(le16_to_cpu(header->type), len, reject);
	}
	hvb_record_add(record, &record->in, &entry);
}

/**
 * hvb_record_out() - a message to the host was sent
 * @record: what is remembered
 * @bytes: the message
 * @len: its bytes
 *
 * Context: process.
 */
void hvb_record_out(struct hvb_record *record, const void *bytes, u32 len)
{
	struct hvb_record_entry entry;
	const struct hvb_wire_header *header = hvb_record_header(&entry);

	hvb_record_fill(&entry, bytes, len);
	entry.pages = hvb_msg_pages(bytes);
	trace_balloon_message_out(le16_to_cpu(header->type), le32_to_cpu(header->trans_id),
				  len, entry.pages);
	hvb_record_add(record, &record->out, &entry);
}

/**
 * hvb_record_get() - look a message up
 * @record: what is remembered
 * @log: @in or @out of it
 * @number: number of the message, from 0
 * @entry: where to put it
 *
 * Context: process.
 * Return: whether it exists and was not overwritten.
 */
bool hvb_record_get(struct hvb_record *record, const struct hvb_log *log, u64 number,
		    struct hvb_record_entry *entry)
{
	bool found;

	spin_lock(&record->lock);
	found = number < log->count && number + HVB_RECORD_ENTRIES >= log->count;
	if (found)
		*entry = log->entries[number % HVB_RECORD_ENTRIES];
	spin_unlock(&record->lock);
	return found;
}

/**
 * hvb_op_begin() - an operation begins
 * @record: what is remembered
 * @op: which
 * @pages: pages that it is about
 *
 * Context: the pump.
 */
void hvb_op_begin(struct hvb_record *record, enum hvb_op op, u64 pages)
{
	WRITE_ONCE(record->ops[op].started, ktime_get_ns());
	trace_balloon_operation_start(op, pages);
}

/**
 * hvb_op_end() - the operation is over
 * @record: what is remembered
 * @op: which; it was begun
 * @pages: pages that were given, came back or were added
 *
 * Context: the pump, or while it cannot run.
 */
void hvb_op_end(struct hvb_record *record, enum hvb_op op, u64 pages)
{
	struct hvb_latency *latency = &record->ops[op];
	const u64 us = (ktime_get_ns() - latency->started) / NSEC_PER_USEC;

	WRITE_ONCE(latency->started, 0);
	latency->count++;
	latency->total_us += us;
	latency->longest_us = max(latency->longest_us, us);
	latency->buckets[min(fls64(us), HVB_LATENCY_BUCKETS - 1)]++;
	trace_balloon_operation_end(op, pages, us);
}

/**
 * hvb_record_init() - get ready to record
 * @record: zeroes
 *
 * Context: any.
 */
void hvb_record_init(struct hvb_record *record)
{
	spin_lock_init(&record->lock);
}
