/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages byte by byte, from the protocol's own numbers: nothing here comes
 * from the driver.
 *
 * Bytes are written in hexadecimal, with a space between fields; a range is
 * five bytes of page frame and three of count.
 */
#ifndef _HVB_BYTES_H
#define _HVB_BYTES_H

#include <linux/types.h>

#define HEADER_SIZE	8
#define LENGTH_MAX	4096
#define LENGTH_BEYOND	(LENGTH_MAX + 8)
#define RANGES_MAX	510

/* The type is kept where the header has it, the declared size next to it. */
#define AT_TYPE		0
#define AT_SIZE		2
#define AT_ID		4

static inline void put_le(u8 *at, u64 value, unsigned int bytes)
{
	unsigned int i;

	for (i = 0; i < bytes; i++)
		at[i] = value >> 8 * i;
}

static inline u64 get_le(const u8 *at, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static inline u64 wire_word(u64 start, u64 count)
{
	return count << 40 | start;
}

static inline u8 hex_digit(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Returns the number of bytes; the spaces between fields count for nothing. */
static inline size_t unhex(const char *hex, u8 *bytes)
{
	size_t len = 0;

	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		bytes[len++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
		hex += 2;
	}
	return len;
}

#endif /* _HVB_BYTES_H */
