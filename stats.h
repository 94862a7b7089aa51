/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of messages, requests and pages.
 */
#ifndef _HVB_STATS_H
#define _HVB_STATS_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "lib/limits.h"
#include "lib/proto.h"

/**
 * struct hvb_stats - counters since probe
 *
 * Written by the pump, or while it cannot run; but for @reports. Read anywhere.
 */
struct hvb_stats {
	/** @rejected: messages that failed a check of the codec, by reason */
	u64 rejected[HVB_REJECTS];

	/** @unexpected: messages that the state does not allow */
	u64 unexpected;

	/** @reserved_bits: messages with a reserved bit set */
	u64 reserved_bits;

	/** @size_mismatches: messages with a size in the header that does not fit */
	u64 size_mismatches;

	/** @reports: status reports that were sent; written by the report work */
	u64 reports;

	/** @send_failures: messages that could not be sent */
	u64 send_failures;

	/** @balloon_requests: requests for pages */
	u64 balloon_requests;

	/** @balloon_requested: pages in these requests */
	u64 balloon_requested;

	/** @balloon_given: of @balloon_requested, those ballooned */
	u64 balloon_given;

	/** @balloon_refused: of @balloon_requested, those refused */
	u64 balloon_refused;

	/** @returned: pages that the host returned */
	u64 returned;

	/** @foreign_ranges: returned ranges with a page that is not ballooned */
	u64 foreign_ranges;

	/** @blocks_taken: blocks ballooned, by order */
	u64 blocks_taken[HVB_CHUNK_ORDER + 1];

	/** @block_failures: failed allocations of a block, by order */
	u64 block_failures[HVB_CHUNK_ORDER + 1];

	/** @hot_add_requests: offers of memory */
	u64 hot_add_requests;

	/** @hot_add_requested: pages in these offers */
	u64 hot_add_requested;

	/** @hot_add_added: of @hot_add_requested, those added */
	u64 hot_add_added;

	/** @hot_add_refused: of @hot_add_requested, those refused */
	u64 hot_add_refused;

	/** @pages_looked_at: steps of walks (walk.c); written by probe */
	u64 pages_looked_at;
};

/* Messages that were rejected, for any reason. */
static inline u64 hvb_rejected_messages(const struct hvb_stats *stats)
{
	enum hvb_reject reason;
	u64 rejected = 0;

	for (reason = HVB_REJECT_SHORT; reason < HVB_REJECTS; reason++)
		rejected += READ_ONCE(stats->rejected[reason]);
	return rejected;
}

#endif /* _HVB_STATS_H */
