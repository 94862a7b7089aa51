/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What should become of a message of the host, worked out once more from the
 * numbers of the protocol.
 */
#ifndef _HVB_ORACLE_H
#define _HVB_ORACLE_H

#include "../../lib/proto.h"
#include "bytes.h"

/* The least size of a message of that type, 0 if no host sends it. */
static inline u32 oracle_least(u32 type)
{
	if (type == 12)
		return 24;
	return type && type < 12 && type % 2 == 0 ? 16 : 0;
}

static inline bool oracle_word_fits(const u8 *bytes)
{
	const u64 word = get_le(bytes, 8);

	return (word & 0xffffffffff) + (word >> 40) <= 1ULL << 40;
}

static inline enum hvb_reject oracle_unballoon(const u8 *bytes, u32 len)
{
	const u64 count = get_le(bytes + 12, 4);
	u64 i;

	if (16 + 8 * count > len)
		return HVB_REJECT_COUNT;
	for (i = 0; i < count; i++)
		if (!oracle_word_fits(bytes + 16 + 8 * i))
			return HVB_REJECT_RANGE;
	return HVB_ACCEPTED;
}

/* The one type whose declared size means something. */
static inline enum hvb_reject oracle_hot_add(const u8 *bytes, u32 len)
{
	const u32 size = get_le(bytes + AT_SIZE, 2);

	if (size > len || size < 16 || (size > 16 && size < 24))
		return HVB_REJECT_SIZE;
	return oracle_word_fits(bytes + 8) &&
	       (size < 24 || oracle_word_fits(bytes + 16)) ?
	       HVB_ACCEPTED : HVB_REJECT_RANGE;
}

/* @bytes are @len long, and that is enough for their type. */
static inline enum hvb_reject oracle_body(const u8 *bytes, u32 len)
{
	switch (get_le(bytes + AT_TYPE, 2)) {
	case 8:
		return oracle_unballoon(bytes, len);
	case 10:
		return oracle_hot_add(bytes, len);
	case 12:
		return get_le(bytes + 16, 4) || (len >= 32 && get_le(bytes + 20, 4) == 8) ?
		       HVB_ACCEPTED : HVB_REJECT_SIZE;
	default:
		return HVB_ACCEPTED;
	}
}

static inline enum hvb_reject oracle_verdict(const u8 *bytes, size_t len)
{
	u32 least;

	if (len < HEADER_SIZE)
		return HVB_REJECT_SHORT;
	if (len > LENGTH_MAX)
		return HVB_REJECT_LONG;

	least = oracle_least(get_le(bytes + AT_TYPE, 2));
	if (!least)
		return HVB_REJECT_TYPE;
	if (len < least)
		return HVB_REJECT_SHORT;
	return oracle_body(bytes, len);
}

/* Whether the sender says that no answer is due yet, of a message accepted or not. */
static inline bool oracle_more(const u8 *bytes, size_t len)
{
	return len >= 12 && get_le(bytes + AT_TYPE, 2) == 8 && bytes[8] & 1;
}

/* Whether an accepted message declares a size that does not fit it. */
static inline bool oracle_size_is_wrong(const u8 *bytes, size_t len)
{
	const u32 type = get_le(bytes + AT_TYPE, 2), size = get_le(bytes + AT_SIZE, 2);
	u64 needed = oracle_least(type);

	if (type == 8)
		needed += 8 * get_le(bytes + 12, 4);
	if (type == 12 && !get_le(bytes + 16, 4))
		needed += 8;
	return size < needed || size > len;
}

#endif /* _HVB_ORACLE_H */
