// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Memory for Linux guests of Hyper-V: the core of the driver.
 *
 * The host adapts the memory of a guest to its demand: it asks for pages (the balloon
 * inflates), returns them (it deflates), and adds memory beyond what the guest was
 * started with (hot-add). The guest answers, and reports its demand every second.
 *
 *	             propose          accepted           accepted
 *	   OPENED ------> VERSION --------> CAPABILITIES --------> RUNNING
 *	      ^            | ^ |                 |                    |
 *	      |  refused:  | | | last refused,   | refused,           |
 *	      |  propose   '-' | or no answer    | or no answer       |
 *	      |  the next      v                 |                    |
 *	      |             FAILED <-------------'                    |
 *	      | probe,         |                                      |
 *	      | resume         |                                      |
 *	   CLOSED <------------+--------------------------------------'
 *	      remove, suspend, failed probe; likewise from the states between
 *
 * Only in RUNNING are requests served. hvb_set_state() is the one place that
 * moves along the arrows, and refuses any other move.
 *
 * Which file does what, from those that call to those that are called:
 *	pump.c		the one work item that reads the ring and works on requests
 *	negotiate.c	the arrows from OPENED to RUNNING
 *	balloon.c	inflate and deflate; alloc.c: which blocks are taken;
 *			ballooned.c: the pages that are ballooned; evacuate.c, candidates.c:
 *			chunks of 2 MiB that are made
 *	hot_add.c	hot-add; memory_block.c: memory blocks, and what they cost
 *	memory_notifier.c	memory blocks that go online and offline; online.c,
 *			offline.c: their pages; hotplug_map.c: what is known of them
 *	adopt.c		what an earlier load of the driver left; takeover.c: what the
 *			in-tree driver holds; walk.c: how both look at memory
 *	status.c	the status report; demand.c: the floor and the demand; nodes.c,
 *			zones.c: what a node, and a zone, can spare
 *	oom.c		what happens when the guest is out of memory
 *	reporting.c	free page reporting, by hypercalls (hypercall.c)
 *	channel.c	the channel: transport only
 *	record.c	the last messages and how long all took; trace.h: trace events
 *	sysfs.c		files for administrators; events.c: memory events for programs
 *	device.c	helpers of all files; params.c: the parameters
 *	lib/		pure logic without kernel dependencies: codec, sets, limits
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/crash_dump.h>
#include <linux/hyperv.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/suspend.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <asm/mshyperv.h>

#include "adopt.h"
#include "balloon.h"
#include "channel.h"
#include "compat.h"
#include "debugfs.h"
#include "demand.h"
#include "device.h"
#include "evacuate.h"
#include "events.h"
#include "hot_add.h"
#include "names.h"
#include "negotiate.h"
#include "oom.h"
#include "params.h"
#include "pump.h"
#include "record.h"
#include "reporting.h"
#include "status.h"
#include "sysfs.h"
#include "takeover.h"

/* How long a probe waits until a device that was removed during a freeze is freed. */
#define HVB_EXIT_WAIT		(10 * HZ)

/* How long a kernel thread waits: the next driver needs the online-page callback. */
#define HVB_EXIT_GRACE		HZ

/* Frees removed devices, and the number of those to be freed: see hvb_free_device(). */
static struct workqueue_struct *hvb_exit_wq;
static atomic_t hvb_exits = ATOMIC_INIT(0);

/* Serializes removal with the thaw: protects pausing and exit_due of a device. */
static DEFINE_SPINLOCK(hvb_exit_lock);

static void hvb_set_pausing(struct hvb_dev *hvb, bool pausing)
{
	spin_lock(&hvb_exit_lock);
	WRITE_ONCE(hvb->pausing, pausing);
	if (!pausing && hvb->exit_due) {
		hvb->exit_due = false;
		queue_work(hvb_exit_wq, &hvb->exit);
	}
	spin_unlock(&hvb_exit_lock);
}

/*
 * Operations rest while the system is frozen, and continue after the thaw. A freeze
 * waits for a probe without a limit, and a probe waits for the host: end that wait,
 * the pump continues to negotiate.
 */
static int hvb_pm_event(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct hvb_dev *hvb = container_of(nb, struct hvb_dev, pm_nb);

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		hvb_set_pausing(hvb, true);
		complete(&hvb->negotiated);
		hvb_evacuate_rest(hvb);
		break;
	default:
		hvb_set_pausing(hvb, false);
		break;
	}

	hvb_kick(hvb, 0);
	return NOTIFY_OK;
}

static int hvb_register_pm(struct hvb_dev *hvb)
{
	hvb->pm_nb.notifier_call = hvb_pm_event;
	return register_pm_notifier(&hvb->pm_nb);
}

static int hvb_connect(struct hvb_dev *hvb)
{
	int ret;

	ret = hvb_pump_start(hvb);
	if (ret)
		return ret;

	ret = hvb_wait_negotiated(hvb);
	if (ret)
		hvb_pump_stop(hvb);
	return ret;
}

/* The channel is closed, but a work item may still be in an unbounded wait. */
static void hvb_slow_exit(struct hvb_dev *hvb)
{
	hvb_wait_begin(hvb, "a migration of locked pages");
	hvb_evacuate_exit(hvb);
	hvb_wait_end(hvb);

	hvb_wait_begin(hvb, "add_memory(), which waits for memory hotplug in progress");
	hvb_add_exit(hvb);
	hvb_wait_end(hvb);
}

/* All parts of the driver; the channel stays closed. */
static int hvb_parts_init(struct hvb_dev *hvb)
{
	int ret;

	hvb_device_init(hvb);
	hvb_demand_init(hvb);
	hvb_status_init(hvb);
	hvb_evacuate_init(hvb);
	hvb_events_init(hvb);
	hvb_record_init(&hvb->record);
	ret = hvb_channel_init(hvb);
	if (ret)
		return ret;

	ret = hvb_pump_init(hvb);
	if (ret)
		goto exit_channel;

	/* Before anything that may wait: the system may be about to freeze. */
	ret = hvb_register_pm(hvb);
	if (ret)
		goto exit_pump;

	ret = hvb_balloon_init(hvb);
	if (ret)
		goto unregister_pm;

	ret = hvb_hot_add_init(hvb);
	if (ret)
		goto exit_balloon;
	return 0;

exit_balloon:
	hvb_balloon_exit(hvb);
unregister_pm:
	unregister_pm_notifier(&hvb->pm_nb);
exit_pump:
	hvb_pump_exit(hvb);
exit_channel:
	hvb_channel_exit(hvb);
	return ret;
}

/* The work items first: one of them may add a block, another use the balloon. */
static void hvb_parts_exit(struct hvb_dev *hvb)
{
	hvb_slow_exit(hvb);
	hvb_hot_add_exit(hvb);
	hvb_balloon_exit(hvb);
	unregister_pm_notifier(&hvb->pm_nb);
	hvb_pump_exit(hvb);
	hvb_channel_exit(hvb);
}

static void hvb_exit_work(struct work_struct *work)
{
	struct hvb_dev *hvb = container_of(work, struct hvb_dev, exit);
	struct completion *exited = hvb->exited;
	struct device *dev = hvb_device(hvb);

	hvb_parts_exit(hvb);
	kfree(hvb);
	put_device(dev);
	if (exited)
		complete(exited);
	if (atomic_dec_and_test(&hvb_exits))
		wake_up_var(&hvb_exits);
}

/*
 * This may wait for a task, or for memory hotplug, which hibernation locks: neither
 * continues before the thaw. The thaw waits for the device lock, which the caller holds.
 * So a freezable work item does it: while the system freezes it is left to the notifier
 * of the thaw, as it would block the freeze. A task may wait even then: it is not frozen
 * yet, so nothing that this waits for is. A kernel thread waits for a moment only: a
 * probe that began after the notifiers had run does not know that the system freezes.
 */
static void hvb_free_device(struct hvb_dev *hvb)
{
	DECLARE_COMPLETION_ONSTACK(exited);
	const bool wait = !(current->flags & PF_KTHREAD);

	get_device(hvb_device(hvb));
	hvb->exited = wait ? &exited : NULL;
	INIT_WORK(&hvb->exit, hvb_exit_work);
	atomic_inc(&hvb_exits);

	spin_lock(&hvb_exit_lock);
	if (wait || !hvb->pausing)
		queue_work(hvb_exit_wq, &hvb->exit);
	else
		hvb->exit_due = true;
	spin_unlock(&hvb_exit_lock);
	/* It may be freed from here on. */
	if (wait)
		wait_for_completion(&exited);
	else
		wait_var_event_timeout(&hvb_exits, !atomic_read(&hvb_exits), HVB_EXIT_GRACE);
}

static int hvb_probe(struct hv_device *hdev, const struct hv_vmbus_device_id *id)
{
	struct hvb_takeover_figures figures;
	const bool taking_over = hvb_params_consume_takeover(&figures);
	struct hvb_dev *hvb;
	int ret;

	hvb = kzalloc(sizeof(*hvb), GFP_KERNEL);
	if (!hvb)
		return -ENOMEM;

	if (!wait_var_event_timeout(&hvb_exits, !atomic_read(&hvb_exits), HVB_EXIT_WAIT))
		dev_warn(&hdev->device, "an earlier device is still being freed\n");
	hvb->hdev = hdev;
	hvb->hibernation = hv_is_hibernation_supported();
	ret = hvb_parts_init(hvb);
	if (ret)
		goto free_device;

	ret = hvb_adopt(hvb);
	if (!ret && taking_over)
		ret = hvb_takeover(hvb, &figures);
	if (ret)
		goto free_parts;

	ret = hvb_oom_init(hvb);
	if (ret)
		goto undo_takeover;

	hv_set_drvdata(hdev, hvb);
	ret = hvb_connect(hvb);
	if (ret)
		goto exit_oom;

	if (hvb->hibernation)
		dev_info(&hdev->device,
			 "all requests of the host are refused: this guest can hibernate (ACPI S4)\n");
	hvb_reporting_init(hvb);
	hvb_debugfs_init(hvb);
	return 0;

exit_oom:
	hv_set_drvdata(hdev, NULL);
	hvb_oom_exit(hvb);
undo_takeover:
	hvb_takeover_undo(hvb);
free_parts:
	hvb_free_device(hvb);
	return ret;
free_device:
	kfree(hvb);
	return ret;
}

static HVB_REMOVE_TYPE hvb_remove(struct hv_device *hdev)
{
	struct hvb_dev *hvb = hv_get_drvdata(hdev);

	hvb_debugfs_exit(hvb);
	hvb_reporting_exit(hvb);
	hvb_pump_stop(hvb);
	hvb_oom_exit(hvb);
	if (hvb->balloon.pages)
		dev_warn(&hdev->device,
			 "%llu MiB are still ballooned and stay out of use\n",
			 hvb_pages_to_mib(hvb->balloon.pages));

	hv_set_drvdata(hdev, NULL);
	hvb_free_device(hvb);
	return HVB_REMOVE_DONE;
}

/*
 * Both run in the noirq phase: all tasks and all freezable work items are frozen, and
 * devices are suspended. The work items of this driver rest, or wait for what is frozen;
 * the pump waits for neither a file system nor a disk.
 */
static int hvb_suspend(struct hv_device *hdev)
{
	hvb_pump_stop(hv_get_drvdata(hdev));
	return 0;
}

static int hvb_resume(struct hv_device *hdev)
{
	return hvb_pump_start(hv_get_drvdata(hdev));
}

static const struct hv_vmbus_device_id hvb_id_table[] = {
	{ HV_DM_GUID, },
	{ },
};

HVB_DEVICE_TABLE(hvb_id_table);

static struct hv_driver hvb_driver = {
	.name = KBUILD_MODNAME,
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
	int ret;

	/* Do not balloon in a kdump kernel. */
	if (is_kdump_kernel()) {
		pr_info("not started in a kdump kernel\n");
		return -ENODEV;
	}

	hvb_exit_wq = alloc_workqueue("hv_balloon_exit", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!hvb_exit_wq)
		return -ENOMEM;

	ret = vmbus_driver_register(&hvb_driver);
	if (ret)
		destroy_workqueue(hvb_exit_wq);
	return ret;
}
module_init(hvb_init);

static void __exit hvb_exit(void)
{
	vmbus_driver_unregister(&hvb_driver);
	/* A device that was removed while the system freezes is not queued before the thaw. */
	wait_var_event(&hvb_exits, !atomic_read(&hvb_exits));
	destroy_workqueue(hvb_exit_wq);
}
module_exit(hvb_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Dynamic Memory (balloon and hot-add) for guests of Hyper-V");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
