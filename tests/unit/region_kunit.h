/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of the regions share: where a set may be.
 */
#ifndef _HVB_REGION_KUNIT_H
#define _HVB_REGION_KUNIT_H

#include <kunit/test.h>
#include <linux/string.h>

#include "region_model.h"

/* The same for every place that a set may be at. */
static const struct place_case {
	const char *name;
	u64 base;
} place_cases[] = {
	{ "from page frame 0", 0 },
	{ "from page frame 1", 1 },
	{ "over page frame 2^32", (1ULL << 32) - 4 },
	{ "up to page frame 2^40", LAST_FRAME + 1 - HVB_BITMAP_BITS },
};

static inline void place_describe(const struct place_case *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(place, place_cases, place_describe);

#endif /* _HVB_REGION_KUNIT_H */
