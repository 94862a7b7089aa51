// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a reference to a page of a memory block that goes offline, for tests only.
 *
 * Who walks through PFNs takes a reference to what it finds there, and drops it a moment
 * later. Here it is certain that such a moment is the one in which a block with
 * ballooned pages goes offline: one of them has a reference before the driver is told.
 *
 * Parameters: ms is how long it has it. Counters: held, references that were taken;
 * dropped, those that were dropped; lost, those that were gone by then.
 */
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/workqueue.h>

static unsigned int ms = 20;
module_param(ms, uint, 0644);
MODULE_PARM_DESC(ms, "Milliseconds for which a reference is held");

static int held;
module_param(held, int, 0444);
MODULE_PARM_DESC(held, "References that were taken");

static int dropped;
module_param(dropped, int, 0444);
MODULE_PARM_DESC(dropped, "References that were dropped");

static int lost;
module_param(lost, int, 0444);
MODULE_PARM_DESC(lost, "References that were gone");

static struct page *sim_page;	/* not NULL while the work is queued */

static void sim_drop(struct work_struct *work)
{
	struct page *page = sim_page;

	sim_page = NULL;
	if (page_count(page)) {
		put_page(page);
		dropped++;
	} else {
		lost++;
	}
}

static DECLARE_DELAYED_WORK(sim_drop_work, sim_drop);

static int sim_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	const struct memory_notify *memory = arg;
	unsigned long pfn;

	if (event != MEM_GOING_OFFLINE || sim_page)
		return NOTIFY_OK;

	for (pfn = memory->start_pfn; pfn < memory->start_pfn + memory->nr_pages; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (!PageOffline(page) || !get_page_unless_zero(page))
			continue;
		held++;
		sim_page = page;
		schedule_delayed_work(&sim_drop_work, msecs_to_jiffies(ms));
		break;
	}
	return NOTIFY_OK;
}

/* Before the driver, which is on the list with priority 0. */
static struct notifier_block sim_memory_nb = {
	.notifier_call = sim_memory_event,
	.priority = 1,
};

static int __init sim_ref_init(void)
{
	return register_memory_notifier(&sim_memory_nb);
}
module_init(sim_ref_init);

static void __exit sim_ref_exit(void)
{
	unregister_memory_notifier(&sim_memory_nb);
	flush_delayed_work(&sim_drop_work);
}
module_exit(sim_ref_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Holds a reference to a ballooned page, for tests");
MODULE_LICENSE("GPL");
