// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel reserve pageblocks for atomic allocations, for tests only.
 *
 * The kernel reserves the pageblock of a page that it gives to an atomic allocation of
 * more than one page, if the zone is below its low watermark: a matter of luck on real
 * machines. Here such pages are allocated until enough pageblocks are reserved. They
 * are movable: so they, and the pageblocks, lie where programs have their pages. In
 * the end all of them are freed; the pageblocks stay reserved.
 *
 * Parameters: wanted is how many pageblocks to reserve; reserved tells for how many the
 * zones account.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#define SIM_ORDER	1
#define SIM_MOST	16384	/* allocations */

static unsigned int wanted = 5;
module_param(wanted, uint, 0444);
MODULE_PARM_DESC(wanted, "Pageblocks to reserve");

/* Return: pages that the zones count as reserved. */
static unsigned long sim_reserved(void)
{
	unsigned long pages = 0;
	int nid, i;

	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			pages += READ_ONCE(NODE_DATA(nid)->node_zones[i].nr_reserved_highatomic);
	return pages;
}

static int sim_reserved_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%lu\n", sim_reserved() / pageblock_nr_pages);
}

static const struct kernel_param_ops sim_reserved_ops = { .get = sim_reserved_get };
module_param_cb(reserved, &sim_reserved_ops, NULL, 0444);
MODULE_PARM_DESC(reserved, "Pageblocks that are counted as reserved");

static int __init sim_atomic_init(void)
{
	const unsigned long enough = sim_reserved() + wanted * pageblock_nr_pages;
	struct page *page, *next;
	unsigned int i;
	LIST_HEAD(taken);

	for (i = 0; i < SIM_MOST && sim_reserved() < enough; i++) {
		page = alloc_pages(GFP_ATOMIC | __GFP_MOVABLE | __GFP_NOWARN, SIM_ORDER);
		if (!page)
			break;
		list_add(&page->lru, &taken);
	}
	list_for_each_entry_safe(page, next, &taken, lru)
		__free_pages(page, SIM_ORDER);
	return sim_reserved() < enough ? -EAGAIN : 0;
}
module_init(sim_atomic_init);

static void __exit sim_atomic_exit(void)
{
}
module_exit(sim_atomic_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Has pageblocks reserved for atomic allocations, for tests");
MODULE_LICENSE("GPL");
