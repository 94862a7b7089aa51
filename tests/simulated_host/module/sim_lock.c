// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds up the evacuation of a range of memory, for tests only.
 *
 * Migration waits for a page that is locked, or under writeback, for as long as it
 * takes, and cannot be interrupted. On real machines a disk or a server that does
 * not answer keeps pages so, and it is a matter of luck which. Here it is certain:
 * while this module is loaded, a page of a file (in FUSE) is locked in the very moment
 * in which a range of memory that it lies in is being emptied, after all that the
 * caller may have looked at. It stays so until the module is unloaded.
 *
 * Parameters: writeback=1 to have it under writeback rather than locked; pages
 * tells how many are so, 0 or 1.
 */
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/page-flags.h>
#include <linux/ptrace.h>

static bool writeback;
module_param(writeback, bool, 0444);
MODULE_PARM_DESC(writeback, "Put the page under writeback rather than lock it");

static int pages;
module_param(pages, int, 0444);
MODULE_PARM_DESC(pages, "How many pages are held");

static struct folio *sim_held;	/* written by one probe at a time */

static bool sim_may_suit(struct folio *folio)
{
	return folio_test_lru(folio) && !folio_test_large(folio) && !folio_test_anon(folio) &&
	       !folio_test_unevictable(folio) && !folio_test_writeback(folio);
}

/*
 * Of the file system of the tests, which no other task of the guest would wait for.
 * Anonymous pages will not do: one with a reference of ours is not moved at all.
 */
static bool sim_suits(struct folio *folio)
{
	const struct address_space *mapping = folio_mapping(folio);

	return sim_may_suit(folio) && mapping && mapping->host &&
	       mapping->host->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

/* Return: whether the page is locked now, by us, and stays where it is. */
static bool sim_lock(struct folio *folio)
{
	if (!sim_may_suit(folio) || !folio_try_get(folio))
		return false;

	if (folio_trylock(folio)) {
		if (sim_suits(folio))
			return true;
		folio_unlock(folio);
	}
	folio_put(folio);
	return false;
}

static void sim_hold_one(unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct folio *folio = page_folio(pfn_to_page(pfn));

		if (!sim_lock(folio))
			continue;
		if (writeback) {
			folio_start_writeback(folio);
			folio_unlock(folio);
		}
		sim_held = folio;
		WRITE_ONCE(pages, 1);
		return;
	}
}

/* alloc_contig_range(start, end, ...) is about to run. No sleeping here. */
static int sim_range_begins(struct kprobe *probe, struct pt_regs *regs)
{
	static atomic_t busy = ATOMIC_INIT(0);

	if (atomic_xchg(&busy, 1))
		return 0;
	if (!sim_held)
		sim_hold_one(regs_get_kernel_argument(regs, 0),
			     regs_get_kernel_argument(regs, 1));
	atomic_set(&busy, 0);
	return 0;
}

/* By the names that the function has in one kernel or another, the innermost first. */
static const char * const sim_names[] = {
	"alloc_contig_frozen_range_noprof", "alloc_contig_range_noprof", "alloc_contig_range",
};

static struct kprobe sim_probe;

static int __init sim_lock_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(sim_names); i++) {
		sim_probe = (struct kprobe) {
			.symbol_name = sim_names[i],
			.pre_handler = sim_range_begins,
		};
		ret = register_kprobe(&sim_probe);
		if (ret != -ENOENT)
			break;
	}
	return ret;
}
module_init(sim_lock_init);

static void __exit sim_lock_exit(void)
{
	unregister_kprobe(&sim_probe);
	if (!sim_held)
		return;

	if (writeback)
		folio_end_writeback(sim_held);
	else
		folio_unlock(sim_held);
	folio_put(sim_held);
}
module_exit(sim_lock_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Holds up the evacuation of a range of memory, for tests");
MODULE_LICENSE("GPL");
