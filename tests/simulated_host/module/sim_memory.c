// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host owns of the guest's memory: the pages that the driver has named,
 * and the gaps of blocks that it has added. The host writes a pattern into them
 * and looks for it when it gives them back, and when the channel closes: a guest
 * that writes to what is not its own is found out. So is a driver that names
 * what it has named before. Each is said with "BUG:", which fails a case.
 *
 * Written from the protocol, not from the driver. sim_lock is held throughout.
 */
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/lockdep.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "sim.h"

#define SIM_PAGES	(16ULL * SZ_1G / PAGE_SIZE)	/* those above are not looked at */
#define SIM_STRIDE	512				/* bytes from one mark to the next */
#define SIM_COMPLAINTS	5				/* of each channel: one says enough */

enum { SIM_BALLOON_RESPONSE = 7, SIM_UNBALLOON_REQUEST, SIM_HOT_ADD_REQUEST = 10,
       SIM_HOT_ADD_RESPONSE };

struct sim_message {
	u16 type;
	u16 size;
	u32 number;
	u32 words[2];	/* flags and counts; one range, in a hot-add request */
	u64 ranges[];
};

/* Off: for counts of instructions, of which this would take most. Not while pages are out. */
static bool look = true;
module_param(look, bool, 0644);

static unsigned long *sim_owned;	/* NULL: nothing is looked at */
static u64 sim_offered_range;		/* the last offer that has no answer yet */
static unsigned int sim_complaints;

static u64 sim_first(u64 range)
{
	return range & (BIT_ULL(40) - 1);
}

static u64 sim_end(u64 range)
{
	return min_t(u64, sim_first(range) + (range >> 40), SIM_PAGES);
}

static void sim_complain(const char *what, u64 pfn)
{
	if (sim_complaints++ < SIM_COMPLAINTS)
		pr_err("hvb_sim: BUG: %s PFN 0x%llx\n", what, pfn);
}

static u64 sim_mark(u64 pfn, u32 at)
{
	return 0x6d656d6f72790000ULL ^ pfn << 16 ^ at;
}

static void sim_write(u64 pfn)
{
	void *page = page_address(pfn_to_page(pfn));
	u32 at;

	for (at = 0; at < PAGE_SIZE; at += SIM_STRIDE)
		WRITE_ONCE(*(u64 *)(page + at), sim_mark(pfn, at));
	__set_bit(pfn, sim_owned);
}

static void sim_check(u64 pfn)
{
	void *page;
	u32 at;

	__clear_bit(pfn, sim_owned);
	if (!pfn_valid(pfn))	/* the block was removed */
		return;

	page = page_address(pfn_to_page(pfn));
	for (at = 0; at < PAGE_SIZE; at += SIM_STRIDE) {
		if (READ_ONCE(*(u64 *)(page + at)) != sim_mark(pfn, at)) {
			sim_complain("the guest wrote to what the host has:", pfn);
			return;
		}
	}
}

/* The driver has named these pages. */
static void sim_own_named(u64 range)
{
	u64 pfn;

	for (pfn = sim_first(range); pfn < sim_end(range); pfn++) {
		if (test_bit(pfn, sim_owned))
			sim_complain("the driver named what the host has:", pfn);
		else if (!pfn_valid(pfn))
			sim_complain("the driver named what is no memory:", pfn);
		else if (pfn_to_online_page(pfn))
			sim_write(pfn);
	}
}

/* The driver has added so many pages of an offer: the rest of its last block is a gap. */
static void sim_own_gap(u64 range, u32 added)
{
	u64 end = sim_first(range) + added, pfn;

	for (pfn = end; pfn < ALIGN(end, memory_block_size_bytes() >> PAGE_SHIFT); pfn++)
		if (pfn < SIM_PAGES && pfn_to_online_page(pfn) &&
		    (PageOffline(pfn_to_page(pfn)) || PageReserved(pfn_to_page(pfn))))
			sim_write(pfn);
}

static void sim_give(u64 range)
{
	u64 pfn;

	for (pfn = sim_first(range); pfn < sim_end(range); pfn++)
		if (test_bit(pfn, sim_owned))
			sim_check(pfn);
}

/* For each range that the message has, of the @said that it declares. */
static void sim_each_range(const struct sim_message *message, u32 len, u32 said,
			   void (*act)(u64 range))
{
	const u32 there = (len - sizeof(*message)) / sizeof(message->ranges[0]);
	u32 i;

	for (i = 0; i < min(said, there); i++)
		act(message->ranges[i]);
}

/**
 * sim_memory_read() - the host has read a message of the driver
 * @data: the message
 * @len: its length in bytes
 */
void sim_memory_read(const void *data, u32 len)
{
	const struct sim_message *message = data;

	lockdep_assert_held(&sim_lock);
	if (!sim_owned || !look || len < sizeof(*message))
		return;

	if (message->type == SIM_BALLOON_RESPONSE)
		sim_each_range(message, len, message->words[1] >> 1, sim_own_named);
	else if (message->type == SIM_HOT_ADD_RESPONSE && message->words[0])
		sim_own_gap(sim_offered_range, message->words[0]);
}

/**
 * sim_memory_sends() - the host sends a message to the driver
 * @data: the message, which scripts may have made ill-formed
 * @len: its length in bytes
 */
void sim_memory_sends(const void *data, u32 len)
{
	const struct sim_message *message = data;

	lockdep_assert_held(&sim_lock);
	if (!sim_owned || !look || len < sizeof(*message))
		return;

	if (message->type == SIM_UNBALLOON_REQUEST) {
		sim_each_range(message, len, message->words[1], sim_give);
	} else if (message->type == SIM_HOT_ADD_REQUEST) {
		sim_offered_range = *(const u64 *)message->words;
		sim_give(sim_offered_range);
	}
}

/** sim_memory_forget() - the channel closes: all that the host has is the guest's again */
void sim_memory_forget(void)
{
	unsigned long pfn;

	lockdep_assert_held(&sim_lock);
	if (!sim_owned)
		return;

	for_each_set_bit(pfn, sim_owned, SIM_PAGES)
		sim_check(pfn);
	sim_complaints = 0;
}

int sim_memory_init(void)
{
	/* Of a guest with more memory than there is, the host must not touch much. */
	if (totalram_pages() > SZ_4G / PAGE_SIZE)
		return 0;

	sim_owned = vzalloc(BITS_TO_LONGS(SIM_PAGES) * sizeof(long));
	return sim_owned ? 0 : -ENOMEM;
}

void sim_memory_exit(void)
{
	vfree(sim_owned);
}
