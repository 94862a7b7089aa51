// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module parameters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "device.h"
#include "lib/limits.h"
#include "params.h"

#define HVB_REPORT_DELAY_MAX	3600U		/* seconds */
#define HVB_OOM_WAIT_MAX	60U		/* seconds */
#define HVB_FLOOR_MIB_MAX	67108864U	/* 64 TiB */

/* From the largest block of the balloon to what the protocol allows. */
#define HVB_RANGE_MIB_MIN	((1U << HVB_CHUNK_ORDER) / HVB_PAGES_PER_MIB)
#define HVB_RANGE_MIB_MAX	(HVB_RANGE_COUNT_MAX / HVB_PAGES_PER_MIB)
static_assert(HVB_RANGE_MIB_MIN == 2);
static_assert(HVB_RANGE_MIB_MAX == 65535);

struct hvb_params hvb_params = {
	.hot_add = true,
	.report_delay = 45,
	.oom_wait = 5,
};

/* Values that were written to sysfs end with a newline. */
static int hvb_bad_value(const char *value, const struct kernel_param *param,
			 const char *expected)
{
	pr_err("parameter %s: \"%.*s\" is not %s\n", param->name,
	       (int)strcspn(value, "\n"), value, expected);
	return -EINVAL;
}

static int hvb_set_uint(const char *value, const struct kernel_param *param,
			unsigned int limit, const char *expected)
{
	unsigned int number;

	if (kstrtouint(value, 0, &number) || number > limit)
		return hvb_bad_value(value, param, expected);

	WRITE_ONCE(*(unsigned int *)param->arg, number);
	return 0;
}

static int hvb_set_report_delay(const char *value, const struct kernel_param *param)
{
	return hvb_set_uint(value, param, HVB_REPORT_DELAY_MAX,
			    "a number of seconds from 0 to 3600");
}

static int hvb_set_floor(const char *value, const struct kernel_param *param)
{
	return hvb_set_uint(value, param, HVB_FLOOR_MIB_MAX,
			    "a number of MiB from 0 to 67108864");
}

static int hvb_set_oom_wait(const char *value, const struct kernel_param *param)
{
	return hvb_set_uint(value, param, HVB_OOM_WAIT_MAX, "a number of seconds from 0 to 60");
}

/* A switch with a word for each position. */
static int hvb_set_switch(const char *value, const struct kernel_param *param,
			  const char *on, const char *off, const char *expected)
{
	if (!sysfs_streq(value, on) && !sysfs_streq(value, off))
		return hvb_bad_value(value, param, expected);

	WRITE_ONCE(*(bool *)param->arg, sysfs_streq(value, on));
	return 0;
}

static int hvb_set_demand(const char *value, const struct kernel_param *param)
{
	return hvb_set_switch(value, param, "used", "committed", "used or committed");
}

static int hvb_get_demand(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", hvb_params.demand_by_use ? "used" : "committed");
}

static int hvb_set_max_range(const char *value, const struct kernel_param *param)
{
	const char *expected = "0 or a number of MiB from 2 to 65535";
	unsigned int number;

	if (!kstrtouint(value, 0, &number) && number && number < HVB_RANGE_MIB_MIN)
		return hvb_bad_value(value, param, expected);
	return hvb_set_uint(value, param, HVB_RANGE_MIB_MAX, expected);
}

static int hvb_set_accounting(const char *value, const struct kernel_param *param)
{
	return hvb_set_switch(value, param, "shrink", "keep", "keep or shrink");
}

static int hvb_get_accounting(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", hvb_params.shrink ? "shrink" : "keep");
}

/* The longest number, a newline and the end of the text. */
#define HVB_DIGITS	sizeof("18446744073709551615\n")

static struct hvb_takeover_figures hvb_figures;
static bool hvb_figures_given;
static DEFINE_SPINLOCK(hvb_figures_lock); /* protects both */

static int hvb_set_takeover(const char *value, const struct kernel_param *param)
{
	const char *expected = "a number of pages, or two of them, as 25600,65536";
	const size_t length = strcspn(value, ",");
	struct hvb_takeover_figures figures = {
		.hot_added_known = value[length],
	};
	char first[HVB_DIGITS];

	if (length >= sizeof(first))
		return hvb_bad_value(value, param, expected);
	strscpy(first, value, length + 1);
	if (kstrtou64(first, 10, &figures.ballooned) ||
	    (figures.hot_added_known && kstrtou64(value + length + 1, 10, &figures.hot_added)))
		return hvb_bad_value(value, param, expected);

	spin_lock(&hvb_figures_lock);
	hvb_figures = figures;
	hvb_figures_given = true;
	spin_unlock(&hvb_figures_lock);
	return 0;
}

/**
 * hvb_params_consume_takeover() - whether this probe is to take over from the in-tree driver
 * @figures: set to what that says of itself
 *
 * Context: process.
 * Return: true once after the parameter was set.
 */
bool hvb_params_consume_takeover(struct hvb_takeover_figures *figures)
{
	bool given;

	spin_lock(&hvb_figures_lock);
	*figures = hvb_figures;
	given = hvb_figures_given;
	hvb_figures_given = false;
	spin_unlock(&hvb_figures_lock);
	return given;
}

static const struct kernel_param_ops hvb_takeover_ops = {
	.set = hvb_set_takeover,
};

static const struct kernel_param_ops hvb_report_delay_ops = {
	.set = hvb_set_report_delay,
	.get = param_get_uint,
};

static const struct kernel_param_ops hvb_floor_ops = {
	.set = hvb_set_floor,
	.get = param_get_uint,
};

static const struct kernel_param_ops hvb_oom_wait_ops = {
	.set = hvb_set_oom_wait,
	.get = param_get_uint,
};

static const struct kernel_param_ops hvb_demand_ops = {
	.set = hvb_set_demand,
	.get = hvb_get_demand,
};

static const struct kernel_param_ops hvb_max_range_ops = {
	.set = hvb_set_max_range,
	.get = param_get_uint,
};

static const struct kernel_param_ops hvb_accounting_ops = {
	.set = hvb_set_accounting,
	.get = hvb_get_accounting,
};

module_param_named(hot_add, hvb_params.hot_add, bool, 0644);
MODULE_PARM_DESC(hot_add, "Add the memory that the host offers (default: Y). While it is N each offer is refused for good: the host may not offer memory again.");

module_param_cb(pressure_report_delay, &hvb_report_delay_ops,
		&hvb_params.report_delay, 0644);
__MODULE_PARM_TYPE(pressure_report_delay, "uint");
MODULE_PARM_DESC(pressure_report_delay, "Seconds from the agreement with the host to the first status report (default: 45, at most 3600)");

module_param_cb(floor_mib, &hvb_floor_ops, &hvb_params.floor_mib, 0644);
__MODULE_PARM_TYPE(floor_mib, "uint");
MODULE_PARM_DESC(floor_mib, "Memory in MiB that ballooning leaves the guest; less than the built-in floor lets the host take what programs need soon (default: 0, the built-in floor, which follows from the guest's size)");

module_param_cb(demand, &hvb_demand_ops, &hvb_params.demand_by_use, 0644);
__MODULE_PARM_TYPE(demand, "charp");
MODULE_PARM_DESC(demand, "What the host is asked for. committed: what programs were promised, as with the driver of the kernel tree (default). used: what they use, the page cache that proved needed, and a lead for growth.");

module_param_cb(oom_wait, &hvb_oom_wait_ops, &hvb_params.oom_wait, 0644);
__MODULE_PARM_TYPE(oom_wait, "uint");
MODULE_PARM_DESC(oom_wait, "Seconds for which a guest that is out of memory waits for the host before a program is killed (default: 5, at most 60; 0: not at all)");

module_param_cb(max_range_mib, &hvb_max_range_ops, &hvb_params.max_range_mib, 0644);
__MODULE_PARM_TYPE(max_range_mib, "uint");
MODULE_PARM_DESC(max_range_mib, "Most memory in MiB in one range of a message to the host, at least 2 (default: 0, up to a memory block)");

module_param_cb(accounting, &hvb_accounting_ops, &hvb_params.shrink, 0444);
__MODULE_PARM_TYPE(accounting, "charp");
MODULE_PARM_DESC(accounting, "keep: ballooned memory stays in the guest's total and shows as used (default). shrink: it leaves the total, as with the driver of the kernel tree. Fixed at load.");

module_param_named(reclaim, hvb_params.reclaim, bool, 0444);
MODULE_PARM_DESC(reclaim, "At load, free pages that an earlier load left ballooned (default: N). Safe only if the host no longer has them, as QEMU after an unload of the driver; else the guest is stopped when it touches them.");

module_param_cb(takeover, &hvb_takeover_ops, NULL, 0200);
__MODULE_PARM_TYPE(takeover, "string");
MODULE_PARM_DESC(takeover, "For hvballoon takeover: take over what the in-tree driver has ballooned, and hot-added, if that is exactly so many pages. Holds for the next probe.");
