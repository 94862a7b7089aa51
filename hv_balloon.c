// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Memory for Linux guests of Hyper-V: the core of the driver.
 *
 * The host keeps or releases the memory of a guest as the guest needs it. It
 * asks for pages (the balloon inflates), gives them back (it deflates), and
 * adds memory beyond what the guest was started with (hot-add). The guest
 * answers, and reports its memory pressure every second.
 *
 *	 probe, resume
 *	      |
 *	      v         version         host           host
 *	   OPENED ---> proposed ---> VERSION ---> CAPABILITIES ---> RUNNING
 *	      ^                         |  accepts      |   accepts     |
 *	      |                         | refuses,      | refuses,      |
 *	      |                         v silent        v silent        |
 *	      |                           FAILED <------'               |
 *	      |                             |                           |
 *	   CLOSED <-------------------------+---------------------------'
 *	                     remove, suspend, failed probe
 *
 * Only in RUNNING are requests served. hvb_set_state() is the one place that
 * moves along the arrows.
 *
 * Which file does what:
 *	channel.c	the channel; the pump, which does all work on requests
 *	negotiate.c	the arrows from OPENED to RUNNING
 *	lib/proto.c	bytes to checked structures and back
 *	balloon.c	inflate and deflate; chunks.c: the memory that they move;
 *			lib/batch.c, lib/limits.c: their arithmetic
 *	hot_add.c	hot-add; online.c, offline.c: what becomes of its blocks;
 *			hotplug_map.c: what is known of them, lib/region.c: its arithmetic
 *	adopt.c		what an earlier load of the driver left
 *	status.c	the status report
 *	reporting.c		free page reporting, by hypercalls (hypercall.c)
 *	record.c	the last messages and how long all took; trace.h: trace events
 *	sysfs.c		files for administrators; events.c: what programs are told
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crash_dump.h>
#include <linux/hyperv.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <asm/mshyperv.h>

#include "compat.h"
#include "hv_balloon.h"

/* Give nothing for so long after the guest ran out of memory. */
#define HVB_OOM_PAUSE		(10 * HZ)

/* How long a wait takes of which the log says what it is for. */
#define HVB_WAIT_LOGGED		HZ

#define HVB_REPORT_DELAY_MAX	3600U		/* seconds */
#define HVB_FLOOR_MIB_MAX	67108864U	/* 64 TiB */

/* A range has a whole block at least, and at most what the protocol allows. */
#define HVB_RANGE_MIB_MIN	((1U << HVB_CHUNK_ORDER) / HVB_PAGES_PER_MIB)
#define HVB_RANGE_MIB_MAX	(HVB_RANGE_COUNT_MAX / HVB_PAGES_PER_MIB)
static_assert(HVB_RANGE_MIB_MIN == 2);
static_assert(HVB_RANGE_MIB_MAX == 65535);

struct hvb_params hvb_params = {
	.hot_add = true,
	.report_delay = 45,
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
	if (sysfs_streq(value, "keep"))
		hvb_params.shrink = false;
	else if (sysfs_streq(value, "shrink"))
		hvb_params.shrink = true;
	else
		return hvb_bad_value(value, param, "keep or shrink");
	return 0;
}

static int hvb_get_accounting(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", hvb_params.shrink ? "shrink" : "keep");
}

static const struct kernel_param_ops hvb_report_delay_ops = {
	.set = hvb_set_report_delay,
	.get = param_get_uint,
};

static const struct kernel_param_ops hvb_floor_ops = {
	.set = hvb_set_floor,
	.get = param_get_uint,
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
MODULE_PARM_DESC(hot_add, "Add the memory that the host offers (default: Y). While it is N the host is told not to ask again, and it may not.");

module_param_cb(pressure_report_delay, &hvb_report_delay_ops,
		&hvb_params.report_delay, 0644);
__MODULE_PARM_TYPE(pressure_report_delay, "uint");
MODULE_PARM_DESC(pressure_report_delay, "Seconds from the agreement with the host to the first status report (default: 45, at most 3600)");

module_param_cb(floor_mib, &hvb_floor_ops, &hvb_params.floor_mib, 0644);
__MODULE_PARM_TYPE(floor_mib, "uint");
MODULE_PARM_DESC(floor_mib, "Memory in MiB that ballooning leaves the guest, if that is more than the built-in floor for its size (default: 0)");

module_param_cb(max_range_mib, &hvb_max_range_ops, &hvb_params.max_range_mib, 0644);
__MODULE_PARM_TYPE(max_range_mib, "uint");
MODULE_PARM_DESC(max_range_mib, "Most memory in MiB that is named to the host in one range, at least 2 (default: 0, up to a memory block)");

module_param_cb(accounting, &hvb_accounting_ops, NULL, 0444);
__MODULE_PARM_TYPE(accounting, "charp");
MODULE_PARM_DESC(accounting, "keep: ballooned memory stays in the guest's total and shows as used (default). shrink: it leaves the total, as with the driver of the kernel tree. Fixed at load.");

module_param_named(reclaim, hvb_params.reclaim, bool, 0444);
MODULE_PARM_DESC(reclaim, "At load, put pages to use that an earlier load left ballooned (default: N). Safe only if the host has forgotten that it has them, as QEMU does when the driver is unloaded; a host that still has them will stop the guest when it touches them.");

/*
 * Operations rest while the system is frozen, and go on after the thaw. A probe is
 * waited for without a limit before the freeze, and itself waits for the host: let
 * it go, the pump goes on to negotiate.
 */
static int hvb_pm_event(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, pm_nb);

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(hvb->pausing, true);
		complete(&hvb->negotiated);
		break;
	default:
		WRITE_ONCE(hvb->pausing, false);
		break;
	}

	hvb_kick(hvb, 0);
	return NOTIFY_OK;
}

/*
 * Frees nothing of the balloon, as that memory is the host's; but gives it no
 * more for now. And where hot-added memory is about to come, nobody has to be
 * killed: the kernel kills nobody if it hears of freed pages.
 */
static int hvb_oom_event(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, oom_nb);
	unsigned long *pages = freed;

	WRITE_ONCE(hvb->oom_until, get_jiffies_64() + HVB_OOM_PAUSE);
	*pages += hvb_hot_add_await(&hvb->hot_add);
	return NOTIFY_OK;
}

static int hvb_register_pm(struct hvb_dev *hvb)
{
	hvb->pm_nb.notifier_call = hvb_pm_event;
	return register_pm_notifier(&hvb->pm_nb);
}

static int hvb_register_oom(struct hvb_dev *hvb)
{
	hvb->oom_nb.notifier_call = hvb_oom_event;
	return register_oom_notifier(&hvb->oom_nb);
}

static void hvb_log_wait(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(to_delayed_work(work), struct hvb_dev, wait_log);

	dev_warn(hvb_device(hvb), "waiting for %s\n", hvb->waits_for);
}

/**
 * hvb_wait_begin() - log what is waited for, if that takes more than a second
 * @hvb: the device
 * @what: what it is
 *
 * For what cannot be interrupted. Ends with hvb_wait_end().
 *
 * Context: probe or remove; may sleep.
 */
void hvb_wait_begin(struct hvb_dev *hvb, const char *what)
{
	hvb->waits_for = what;
	schedule_delayed_work(&hvb->wait_log, HVB_WAIT_LOGGED);
}

/**
 * hvb_wait_end() - the wait is over
 * @hvb: the device
 *
 * Context: probe or remove; may sleep.
 */
void hvb_wait_end(struct hvb_dev *hvb)
{
	cancel_delayed_work_sync(&hvb->wait_log);
}

static int hvb_connect(struct hvb_dev *hvb)
{
	int ret;

	ret = hvb_channel_open(hvb);
	if (ret)
		return ret;

	ret = hvb_wait_negotiated(hvb);
	if (ret)
		hvb_channel_close(hvb);
	return ret;
}

/* The channel is closed, but a work item may still wait for somebody else. */
static void hvb_slow_exit(struct hvb_dev *hvb)
{
	hvb_wait_begin(hvb, "pages to be migrated, which somebody keeps locked");
	hvb_evacuate_exit(hvb);
	hvb_wait_end(hvb);

	hvb_wait_begin(hvb, "a memory block to be added, behind memory hotplug in progress");
	hvb_add_exit(hvb);
	hvb_wait_end(hvb);
}

static int hvb_probe(struct hv_device *hdev, const struct hv_vmbus_device_id *id)
{
	struct hvb_dev *hvb;
	int ret;

	hvb = kzalloc(sizeof(*hvb), GFP_KERNEL);
	if (!hvb)
		return -ENOMEM;

	hvb->hdev = hdev;
	hvb->hibernation = hv_is_hibernation_supported();
	INIT_DELAYED_WORK(&hvb->wait_log, hvb_log_wait);
	hvb_evacuate_init(hvb);
	hvb_events_init(hvb);
	hvb_record_init(&hvb->record);
	ret = hvb_channel_init(hvb);
	if (ret)
		goto free_device;

	/* Before anything that may wait: the system may be about to freeze. */
	ret = hvb_register_pm(hvb);
	if (ret)
		goto exit_channel;

	ret = hvb_balloon_init(hvb);
	if (ret)
		goto unregister_pm;

	ret = hvb_hot_add_init(hvb);
	if (ret)
		goto exit_balloon;

	ret = hvb_adopt(hvb);
	if (ret)
		goto exit_hot_add;

	ret = hvb_register_oom(hvb);
	if (ret)
		goto exit_hot_add;

	hv_set_drvdata(hdev, hvb);
	ret = hvb_connect(hvb);
	if (ret)
		goto unregister_oom;

	hvb_reporting_init(hvb);
	hvb_debugfs_init(hvb);
	return 0;

unregister_oom:
	hv_set_drvdata(hdev, NULL);
	unregister_oom_notifier(&hvb->oom_nb);
exit_hot_add:
	hvb_slow_exit(hvb);
	hvb_hot_add_exit(hvb);
exit_balloon:
	hvb_balloon_exit(hvb);
unregister_pm:
	unregister_pm_notifier(&hvb->pm_nb);
exit_channel:
	hvb_channel_exit(hvb);
free_device:
	kfree(hvb);
	return ret;
}

static HVB_REMOVE_TYPE hvb_remove(struct hv_device *hdev)
{
	struct hvb_dev *hvb = hv_get_drvdata(hdev);

	hvb_debugfs_exit(hvb);
	hvb_reporting_exit(hvb);
	hvb_channel_close(hvb);
	unregister_oom_notifier(&hvb->oom_nb);
	hvb_slow_exit(hvb);
	hvb_hot_add_exit(hvb);
	unregister_pm_notifier(&hvb->pm_nb);

	if (hvb->balloon.pages)
		dev_warn(&hdev->device,
			 "%llu MiB are still ballooned and stay out of use; a driver that is loaded later takes them over\n",
			 hvb_pages_to_mib(hvb->balloon.pages));

	hvb_balloon_exit(hvb);
	hvb_channel_exit(hvb);
	hv_set_drvdata(hdev, NULL);
	kfree(hvb);
	return HVB_REMOVE_DONE;
}

/* Both run while no task and no work item does. */
static int hvb_suspend(struct hv_device *hdev)
{
	hvb_channel_close(hv_get_drvdata(hdev));
	return 0;
}

static int hvb_resume(struct hv_device *hdev)
{
	return hvb_channel_open(hv_get_drvdata(hdev));
}

static const struct hv_vmbus_device_id hvb_id_table[] = {
	{ HV_DM_GUID, },
	{ },
};
MODULE_DEVICE_TABLE(vmbus, hvb_id_table);

static struct hv_driver hvb_driver = {
	.name = "hv_balloon",
	.id_table = hvb_id_table,
	.probe = hvb_probe,
	.remove = hvb_remove,
	.suspend = hvb_suspend,
	.resume = hvb_resume,
	.driver = {
		.probe_type = PROBE_PREFER_ASYNCHRONOUS,
		.dev_groups = hvb_groups,
	},
};

static int __init hvb_init(void)
{
	/* The little memory of a crash kernel is not to be given away. */
	if (is_kdump_kernel()) {
		pr_info("not for a crash kernel\n");
		return -ENODEV;
	}
	return vmbus_driver_register(&hvb_driver);
}
module_init(hvb_init);

static void __exit hvb_exit(void)
{
	vmbus_driver_unregister(&hvb_driver);
}
module_exit(hvb_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Dynamic Memory (balloon and hot-add) for guests of Hyper-V");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
