// SPDX-License-Identifier: GPL-2.0-only
/*
 * The limit of the benchmark: what no balloon driver can do without. Takes
 * pages from the allocator in blocks of 2 MiB, smaller ones where there are no
 * more, and frees them again, and does nothing else: no marks, no messages.
 *
 *   echo PAGES >/sys/module/hvb_limit/parameters/pages
 *
 * takes or frees blocks until that many pages are held.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

#define LIMIT_ORDER	9
#define LIMIT_GFP	(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

static LIST_HEAD(limit_blocks);
static unsigned long limit_held;

static bool limit_take(unsigned long pages)
{
	unsigned int order = min_t(unsigned int, LIMIT_ORDER, ilog2(pages));
	struct page *page;

	while (!(page = alloc_pages(LIMIT_GFP, order)))
		if (!order--)
			return false;

	set_page_private(page, order);
	list_add(&page->lru, &limit_blocks);
	limit_held += 1UL << order;
	return true;
}

static void limit_free(void)
{
	struct page *page = list_first_entry(&limit_blocks, struct page, lru);
	const unsigned int order = page_private(page);

	list_del(&page->lru);
	set_page_private(page, 0);
	limit_held -= 1UL << order;
	__free_pages(page, order);
}

static void limit_reach(unsigned long pages)
{
	while (limit_held < pages && limit_take(pages - limit_held))
		cond_resched();
	while (limit_held > pages) {
		limit_free();
		cond_resched();
	}
}

static int limit_set(const char *value, const struct kernel_param *param)
{
	unsigned long pages;
	int ret = kstrtoul(value, 0, &pages);

	if (!ret)
		limit_reach(pages);
	return ret;
}

static const struct kernel_param_ops limit_ops = {
	.set = limit_set,
	.get = param_get_ulong,
};
module_param_cb(pages, &limit_ops, &limit_held, 0644);
MODULE_PARM_DESC(pages, "Pages to hold");

static int __init limit_init(void)
{
	return 0;
}
module_init(limit_init);

static void __exit limit_exit(void)
{
	limit_reach(0);
}
module_exit(limit_exit);

MODULE_DESCRIPTION("The unavoidable part of ballooning, for the benchmark");
MODULE_LICENSE("GPL");
