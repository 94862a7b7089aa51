// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: hv_balloon/messages, the last messages each way, in words. One line
 * each: seconds since boot as in the kernel's log, "in" or "out", the type, the
 * sender's number, and its contents.
 */
#include <linux/seq_file.h>
#include <linux/time64.h>

#include "debugfs.h"
#include "device.h"
#include "lib/proto.h"
#include "record.h"

/* Formats the bytes of a message; @bytes holds all but its ranges. */
typedef void (*hvb_format)(struct seq_file *file, const void *bytes, u64 pages);

static void hvb_format_version(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_version_request *request = bytes;
	const u32 version = le32_to_cpu(request->version);

	seq_printf(file, " %u.%u%s", HVB_VERSION_MAJOR(version),
		   HVB_VERSION_MINOR(version),
		   le32_to_cpu(request->flags) & HVB_VERSION_LAST_ATTEMPT ?
		   ", the last attempt" : "");
}

static void hvb_format_accepted(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_accept_response *response = bytes;
	const u64 flags = le64_to_cpu(response->flags);

	seq_printf(file, " %s%s", flags & HVB_RESPONSE_ACCEPTED ? "accepted" : "refused",
		   flags & HVB_RESPONSE_NO_REPORTS ? ", no status reports wanted" : "");
}

static void hvb_format_capabilities(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_capabilities *report = bytes;
	const u64 caps = le64_to_cpu(report->caps);

	seq_printf(file, "%s%s, in steps of %u MiB", caps & HVB_CAP_BALLOON ? " balloon" : "",
		   caps & HVB_CAP_HOT_ADD ? " hot-add" : "",
		   1U << (caps >> HVB_CAP_ALIGNMENT_SHIFT & HVB_CAP_ALIGNMENT_MAX));
}

static void hvb_format_status(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_status *report = bytes;

	seq_printf(file, " available %llu pages, committed %llu pages",
		   le64_to_cpu(report->available), le64_to_cpu(report->committed));
}

static void hvb_format_pages(struct seq_file *file, const void *bytes, u64 pages)
{
	seq_printf(file, " %llu pages", pages);
}

static void hvb_format_given(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_balloon_response *response = bytes;
	const u32 word = le32_to_cpu(response->more_and_count);

	seq_printf(file, " %llu pages in %u ranges%s", pages, word >> HVB_RESPONSE_COUNT_SHIFT,
		   word & HVB_MORE_PAGES ? ", more to follow" : "");
}

static void hvb_format_returned(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_unballoon_request *request = bytes;

	seq_printf(file, " %llu pages in %u ranges%s", pages, le32_to_cpu(request->range_count),
		   le32_to_cpu(request->flags) & HVB_MORE_PAGES ? ", more to follow" : "");
}

static void hvb_format_offer(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_hot_add_request *request = bytes;

	seq_printf(file, " %llu pages from PFN 0x%llx", pages,
		   hvb_decode_range(request->range).start);
	if (le16_to_cpu(request->hdr.size) >= sizeof(*request)) {
		const struct hvb_range region = hvb_decode_range(request->region);

		seq_printf(file, ", in a region of %u pages from 0x%llx", region.count,
			   region.start);
	}
}

static void hvb_format_added(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_hot_add_response *response = bytes;

	seq_printf(file, " %llu pages, %s", pages,
		   le32_to_cpu(response->result) == HVB_RESULT_DONE ? "done" : "transient");
}

static void hvb_format_info(struct seq_file *file, const void *bytes, u64 pages)
{
	const struct hvb_wire_info *info = bytes;

	seq_printf(file, " of type %u", le32_to_cpu(info->info_type));
	if (le32_to_cpu(info->info_type) == HVB_INFO_MAX_PAGE_COUNT)
		seq_printf(file, ": at most %llu pages", le64_to_cpu(info->max_page_count));
}

static const hvb_format hvb_formats[HVB_MSG_TYPES] = {
	[HVB_MSG_VERSION_REQUEST]	= hvb_format_version,
	[HVB_MSG_VERSION_RESPONSE]	= hvb_format_accepted,
	[HVB_MSG_CAPABILITIES_REPORT]	= hvb_format_capabilities,
	[HVB_MSG_CAPABILITIES_RESPONSE]	= hvb_format_accepted,
	[HVB_MSG_STATUS_REPORT]		= hvb_format_status,
	[HVB_MSG_BALLOON_REQUEST]	= hvb_format_pages,
	[HVB_MSG_BALLOON_RESPONSE]	= hvb_format_given,
	[HVB_MSG_UNBALLOON_REQUEST]	= hvb_format_returned,
	[HVB_MSG_HOT_ADD_REQUEST]	= hvb_format_offer,
	[HVB_MSG_HOT_ADD_RESPONSE]	= hvb_format_added,
	[HVB_MSG_INFO]			= hvb_format_info,
};

static void hvb_show_entry(struct seq_file *file, const char *way,
			   const struct hvb_record_entry *entry)
{
	const struct hvb_wire_header *header = (const void *)entry->bytes;
	const u16 type = le16_to_cpu(header->type);

	seq_printf(file, "%5llu.%06llu %s ", entry->time / NSEC_PER_SEC,
		   entry->time % NSEC_PER_SEC / NSEC_PER_USEC, way);
	if (entry->reject != HVB_ACCEPTED) {
		seq_printf(file, "rejected, %s: %u bytes, %*ph\n",
			   hvb_reject_name(entry->reject), entry->len,
			   (int)min_t(u32, entry->len, HVB_RECORD_BYTES), entry->bytes);
		return;
	}

	seq_printf(file, "%s %u", hvb_msg_name(type), le32_to_cpu(header->trans_id));
	if (hvb_formats[type])
		hvb_formats[type](file, entry->bytes, entry->pages);
	if (le16_to_cpu(header->size) != entry->len)
		seq_printf(file, "; %u bytes declared, %u received",
			   le16_to_cpu(header->size), entry->len);
	seq_putc(file, '\n');
}

static void hvb_show_log(struct seq_file *file, const char *way, const struct hvb_log *log)
{
	struct hvb_dev *hvb = file->private;
	const u64 end = READ_ONCE(log->count);
	struct hvb_record_entry entry;
	u64 number;

	for (number = end - min_t(u64, end, HVB_RECORD_ENTRIES); number < end; number++)
		if (hvb_record_get(&hvb->record, log, number, &entry))
			hvb_show_entry(file, way, &entry);
}

/**
 * hvb_messages_show() - the last messages each way
 * @file: where to print; private is the device
 * @offset: not used
 *
 * Context: process.
 * Return: 0.
 */
int hvb_messages_show(struct seq_file *file, void *offset)
{
	struct hvb_dev *hvb = file->private;

	hvb_show_log(file, "in ", &hvb->record.in);
	hvb_show_log(file, "out", &hvb->record.out);
	return 0;
}
