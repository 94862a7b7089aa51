/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sets of page frames are compared with: 64 frames, a bit for each.
 *
 * In tables it is a picture, the lowest frame first: "..##.." has frames 2
 * and 3. What is not drawn is not set.
 */
#ifndef _HVB_BITMAP_H
#define _HVB_BITMAP_H

#include <linux/types.h>

#define HVB_BITMAP_BITS	64U

/* The bits from @first up to, not including, @end. */
static inline u64 hvb_bitmap_span(unsigned int first, unsigned int end)
{
	return first == end ? 0 : ~0ULL >> (HVB_BITMAP_BITS - (end - first)) << first;
}

static inline unsigned int hvb_bitmap_weight(u64 bits)
{
	unsigned int weight;

	for (weight = 0; bits; weight++)
		bits &= bits - 1;
	return weight;
}

static inline bool hvb_bitmap_has(u64 bits, unsigned int nr)
{
	return bits >> nr & 1;
}

/* The first bit after @nr that differs from it, at most @end. */
static inline unsigned int hvb_bitmap_run(u64 bits, unsigned int nr, unsigned int end)
{
	unsigned int i = nr + 1;

	while (i < end && hvb_bitmap_has(bits, i) == hvb_bitmap_has(bits, nr))
		i++;
	return i;
}

static inline u64 hvb_bitmap_draw(const char *picture)
{
	u64 bits = 0;
	unsigned int i;

	for (i = 0; picture[i]; i++)
		if (picture[i] == '#')
			bits |= 1ULL << i;
	return bits;
}

/* First and last frame of a picture that has one run. */
static inline void hvb_bitmap_ends(u64 bits, unsigned int *first, unsigned int *end)
{
	*first = 0;
	while (!hvb_bitmap_has(bits, *first))
		(*first)++;
	*end = *first + hvb_bitmap_weight(bits);
}

#endif /* _HVB_BITMAP_H */
