/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The demand of the guest as it follows from what the guest uses. Pure. All
 * figures are pages of 4 KiB unless said.
 */
#ifndef _HVB_USAGE_H
#define _HVB_USAGE_H

#include <linux/types.h>

/**
 * struct hvb_usage - what the guest uses at one time
 * @now_ms: that time, in milliseconds since any beginning
 * @used: memory that is not available: the total, less what is available or ballooned
 * @vm_committed: the commit charge
 * @file_pages: the page cache
 * @refaults: counter of pages that were read again soon after they had been
 *	reclaimed, from files or from swap
 */
struct hvb_usage {
	u64 now_ms;
	u64 used;
	u64 vm_committed;
	u64 file_pages;
	u64 refaults;
};

/**
 * struct hvb_use_model - the demand by use: @used + @cache + @lead
 * @last: what was seen last; valid if @begun
 * @used: memory in use; follows the guest up at once, and down slowly
 * @cache: page cache that proved needed: refaults raise it, time lowers it
 * @use_rate: growth of the use, pages a second; rises and falls within seconds
 * @commit_rate: growth of the commit charge, likewise
 * @lead: what the guest will use before the host can react
 * @begun: there is a @last
 */
struct hvb_use_model {
	struct hvb_usage last;
	u64 used;
	u64 cache;
	u64 use_rate;
	u64 commit_rate;
	u64 lead;
	bool begun;
};

void hvb_use_model_update(struct hvb_use_model *model, const struct hvb_usage *usage);
u64 hvb_emergency_pages(const struct hvb_use_model *model);

#endif /* _HVB_USAGE_H */
