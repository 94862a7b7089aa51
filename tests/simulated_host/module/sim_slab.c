// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes pages as slabs of kernels 7.x have them, for tests only.
 *
 * There a page of a slab has no reference, as a free one; its type tells. Here pages
 * are made so on any kernel, one in each pageblock that single movable pages come from,
 * until the module is unloaded.
 *
 * Parameter: pages tells how many there are.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/page_ref.h>
#include <linux/page-flags.h>

#define SIM_TRIES	16384	/* pages to look at, of which most are freed */
#define SIM_PAGEBLOCKS	4096

static int pages;
module_param(pages, int, 0444);
MODULE_PARM_DESC(pages, "How many pages look so");

static LIST_HEAD(sim_slabs);

static void sim_make_slab(struct page *page)
{
	__folio_set_slab(page_folio(page));
	page_ref_freeze(page, 1);
	list_add(&page->lru, &sim_slabs);
	pages++;
}

static void sim_free_all(struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru)
		__free_page(page);
}

static int __init sim_slab_init(void)
{
	DECLARE_BITMAP(has_one, SIM_PAGEBLOCKS) = { };
	struct page *page;
	LIST_HEAD(others);
	unsigned int i;

	for (i = 0; i < SIM_TRIES; i++) {
		unsigned long block;

		page = alloc_page(GFP_KERNEL | __GFP_MOVABLE);
		if (!page)
			break;

		block = page_to_pfn(page) >> pageblock_order;
		if (block >= SIM_PAGEBLOCKS || __test_and_set_bit(block, has_one))
			list_add(&page->lru, &others);
		else
			sim_make_slab(page);
	}
	sim_free_all(&others);
	return 0;
}
module_init(sim_slab_init);

static void __exit sim_slab_exit(void)
{
	struct page *page;

	list_for_each_entry(page, &sim_slabs, lru) {
		page_ref_unfreeze(page, 1);
		__folio_clear_slab(page_folio(page));
	}
	sim_free_all(&sim_slabs);
}
module_exit(sim_slab_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Makes pages as slabs of newer kernels have them, for tests");
MODULE_LICENSE("GPL");
