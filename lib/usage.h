/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The demand by use. Pure. All figures are pages of 4 KiB unless said.
 */
#ifndef _HVB_USAGE_H
#define _HVB_USAGE_H

#include <linux/types.h>

/**
 * struct hvb_usage - a sample of memory use
 * @now_ms: its time, in milliseconds since an arbitrary one
 * @used: memory in use: the total, less available and ballooned memory
 * @vm_committed: the commit charge
 * @file_pages: the page cache
 * @refaults: counter of refaults, of files and of swap
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
 * @last: the last sample; valid if @begun
 * @used: memory in use; rises at once, falls slowly
 * @cache: page cache that proved needed: refaults raise it, time lowers it
 * @use_rate: growth of memory in use, pages per second; rises and falls within seconds
 * @commit_rate: growth of the commit charge, likewise
 * @lead: growth expected before the host can react
 * @begun: @last is valid
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
