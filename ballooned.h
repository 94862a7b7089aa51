/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages that are ballooned.
 */
#ifndef _HVB_BALLOONED_H
#define _HVB_BALLOONED_H

#include <linux/types.h>

struct hvb_dev;
struct hvb_range;
struct page;

u32 hvb_ballooned_add(struct hvb_dev *hvb, struct page *page, u32 pages, unsigned int order);
bool hvb_ballooned_covers(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_ballooned_release(struct hvb_dev *hvb, const struct hvb_range *range);
void hvb_ballooned_adopt(struct hvb_dev *hvb, struct page *page);
int hvb_ballooned_adopt_offline(struct hvb_dev *hvb, u64 start, u64 end);
void hvb_ballooned_detach(struct hvb_dev *hvb, struct page *page);

#endif /* _HVB_BALLOONED_H */
