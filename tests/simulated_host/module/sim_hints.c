// SPDX-License-Identifier: GPL-2.0-only
/* Hints at free memory, as a hypervisor takes them: what the driver's hypercall.c calls here. */
#include <linux/atomic.h>
#include <linux/hyperv.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <asm/mshyperv.h>

#include "hvb_sim.h"
#include "sim.h"

static enum sim_hints sim_hints;
static atomic_long_t sim_hinted;
static atomic_t sim_small_hints, sim_refused_hints, sim_failed_hints, sim_wrong_hints;

bool sim_takes_hints(void)
{
	return READ_ONCE(sim_hints) != SIM_NO_HINTS;
}
EXPORT_SYMBOL_GPL(sim_takes_hints);

static u64 sim_range_start(const union hv_gpa_page_range *range)
{
	return range->page.largepage ? range->base_large_pfn * (SZ_2M / HV_HYP_PAGE_SIZE) :
				       range->page.basepfn;
}

/* The pages of a range that are memory which the kernel has taken out of use. */
static long sim_hinted_pages(const union hv_gpa_page_range *range)
{
	const u64 size = range->page.largepage ? SZ_2M / HV_HYP_PAGE_SIZE : 1;
	const u64 start = sim_range_start(range);
	const u64 count = (range->page.additional_pages + 1) * size;
	u64 pfn;

	for (pfn = start; pfn < start + count; pfn++)
		if (!pfn_to_online_page(pfn) || page_count(pfn_to_page(pfn)) ||
		    PageOffline(pfn_to_page(pfn)))
			return -1;
	return count;
}

static void sim_take_range(const union hv_gpa_page_range *range, bool right_kind)
{
	const long pages = right_kind ? sim_hinted_pages(range) : -1;

	if (pages < 0) {
		atomic_inc(&sim_wrong_hints);
		return;
	}

	if (!range->page.largepage)
		atomic_inc(&sim_small_hints);
	if (READ_ONCE(sim_hints) == SIM_DISCARDS)
		memset(pfn_to_kaddr(sim_range_start(range)), 0, pages * HV_HYP_PAGE_SIZE);
	atomic_long_add(pages, &sim_hinted);
}

static bool sim_refuses(const struct hv_memory_hint *hint, u16 nr)
{
	u16 i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(sim_hints) == SIM_REFUSES_SMALL && !hint->ranges[i].page.largepage)
			return true;
	return false;
}

u64 sim_hint(const struct hv_memory_hint *hint, u16 nr)
{
	u16 i;

	if (READ_ONCE(sim_hints) == SIM_FAILS_HINTS) {
		atomic_inc(&sim_failed_hints);
		return HV_STATUS_INSUFFICIENT_MEMORY;
	}

	if (sim_refuses(hint, nr)) {
		atomic_inc(&sim_refused_hints);
		return HV_STATUS_INVALID_PARAMETER;
	}

	for (i = 0; i < nr; i++)
		sim_take_range(&hint->ranges[i],
			       hint->type == HV_EXT_MEMORY_HEAT_HINT_TYPE_COLD_DISCARD);
	return HV_STATUS_SUCCESS;
}
EXPORT_SYMBOL_GPL(sim_hint);

int sim_set_hints(int how)
{
	WRITE_ONCE(sim_hints, how);
	return 0;
}

static int sim_report_nothing(struct page_reporting_dev_info *prdev, struct scatterlist *sg,
			      unsigned int nents)
{
	return -EOPNOTSUPP;
}

/* There is room for one driver only. */
int sim_try_reporting(int unused)
{
	static struct page_reporting_dev_info prdev = { .report = sim_report_nothing };
	int ret;

	ret = page_reporting_register(&prdev);
	if (!ret)
		page_reporting_unregister(&prdev);
	return ret;
}

void sim_show_hints(struct seq_file *file)
{
	seq_printf(file, "hinted: %ld\n", atomic_long_read(&sim_hinted));
	seq_printf(file, "small_hints: %d\nrefused_hints: %d\nfailed_hints: %d\nwrong_hints: %d\n",
		   atomic_read(&sim_small_hints), atomic_read(&sim_refused_hints),
		   atomic_read(&sim_failed_hints), atomic_read(&sim_wrong_hints));
}
