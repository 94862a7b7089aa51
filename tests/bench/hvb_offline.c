// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the benchmark compares ballooning with: whole memory blocks leave the
 * guest by going offline, with their memory map, and are added again.
 *
 *   insmod hvb_offline.ko first=MIB size=MIB
 *   echo PAGES >/sys/module/hvb_offline/parameters/pages
 *
 * The first adds the memory; the second removes blocks, from the top, or adds
 * them again, until that many pages are out or all blocks have been tried.
 */
#include <linux/bitmap.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

static unsigned int offline_first;
module_param_named(first, offline_first, uint, 0444);
MODULE_PARM_DESC(first, "Where the memory begins, in MiB");

static unsigned int offline_size;
module_param_named(size, offline_size, uint, 0444);
MODULE_PARM_DESC(size, "Size of the memory, in MiB");

static unsigned long *offline_out;	/* blocks that are out */
static unsigned int offline_blocks;
static unsigned long offline_held;	/* of these */

static u64 offline_start(unsigned int block)
{
	return (u64)offline_first * SZ_1M + block * memory_block_size_bytes();
}

static int offline_add(unsigned int block)
{
	return add_memory(numa_mem_id(), offline_start(block),
			  memory_block_size_bytes(), MHP_MERGE_RESOURCE);
}

static void offline_note(unsigned int block, bool out)
{
	__assign_bit(block, offline_out, out);
	offline_held = bitmap_weight(offline_out, offline_blocks) *
			(memory_block_size_bytes() >> PAGE_SHIFT);
}

static void offline_reach(unsigned long pages)
{
	unsigned int block = offline_blocks;

	/* It tries without end, but for a signal: the writer can be killed. */
	while (block-- && offline_held < pages && !fatal_signal_pending(current)) {
		if (!test_bit(block, offline_out) &&
		    !offline_and_remove_memory(offline_start(block),
					       memory_block_size_bytes()))
			offline_note(block, true);
	}
	for (block = 0; block < offline_blocks && offline_held > pages; block++) {
		if (test_bit(block, offline_out) && !offline_add(block))
			offline_note(block, false);
	}
}

static int offline_set(const char *value, const struct kernel_param *param)
{
	unsigned long pages;
	int ret = kstrtoul(value, 0, &pages);

	if (!ret)
		offline_reach(pages);
	return ret;
}

static const struct kernel_param_ops offline_ops = {
	.set = offline_set,
	.get = param_get_ulong,
};
module_param_cb(pages, &offline_ops, &offline_held, 0644);
MODULE_PARM_DESC(pages, "Pages to have out");

static int __init offline_init(void)
{
	unsigned int block;
	int ret = 0;

	offline_blocks = (u64)offline_size * SZ_1M / memory_block_size_bytes();
	offline_out = bitmap_zalloc(offline_blocks, GFP_KERNEL);
	if (!offline_out)
		return -ENOMEM;

	for (block = 0; block < offline_blocks && !ret; block++)
		ret = offline_add(block);
	if (ret)
		bitmap_free(offline_out);
	return ret;
}
module_init(offline_init);

MODULE_DESCRIPTION("Memory blocks that go offline, for the benchmark");
MODULE_LICENSE("GPL");
