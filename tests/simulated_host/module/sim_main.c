// SPDX-License-Identifier: GPL-2.0-only
/*
 * A simulated Dynamic Memory host, for tests only.
 *
 * Stands in for hv_vmbus toward a Dynamic Memory driver, in a guest without
 * Hyper-V: exports the calls that such a driver makes, offers one device, and
 * hands each message to a program in user space, which plays the host.
 *
 *	/dev/hvb_sim	read: a message of the driver; write: a message to it.
 *			One message each, without the headers of VMBus. read()
 *			waits; what was read is off the ring.
 *	/sys/class/misc/hvb_sim/control
 *			write "offer": the device appears; "rescind": it goes;
 *			"rescind-frozen": it goes when the system is frozen next;
 *			"rescind-freezing": it goes when tasks are, but nothing else;
 *			"offer-frozen": it appears when the system begins to freeze,
 *			and the host, which is not frozen, agrees with the driver;
 *			"busy-until-frozen": its ring has no room until the system is;
 *			"offer-second", "rescind-second": a second one, to which
 *			no listener;
 *			"fail-open": the channel cannot be opened the next time;
 *			"hints", "fail-hints", "no-hints": the host takes hints at
 *			free memory, says that it does and fails, takes none;
 *			"refuse-small-hints": it takes those of 2 MiB and more;
 *			"discard-hints": it takes them, and makes the memory zeroes;
 *			"try-reporting": fails if a driver is registered for them;
 *			"hold-offline": a memory block that is on its way offline
 *			waits, until "let-offline" or "refuse-offline";
 *			"hold-isolated", "let-isolated": likewise, before the
 *			driver knows of it;
 *			"hold-online", "let-online", "refuse-online": likewise;
 *			"slow-online": it takes half a second;
 *			"hold-interrupts", "let-interrupts": the driver does not
 *			hear of messages, and then, by one interrupt, of all.
 *	/sys/kernel/debug/hvb_sim/status
 *			opens, closes, interrupts, suspends and resumes so far;
 *			pages in hints, ranges of small pages in hints that were
 *			taken, hints that were refused, that failed and that were
 *			wrong; blocks that wait on their way offline and online;
 *			messages that were sent while the system was frozen;
 *			callback_mode: enum hv_callback_mode of the channel, -1
 *			if there is none.
 *
 * The rings are real: a host program that does not read fills them, and the
 * driver meets -EAGAIN. The callback of the driver runs in a tasklet, as on
 * VMBus. So is the driver suspended and resumed: when the guest hibernates, not
 * when it suspends to idle.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "sim.h"

static const struct {
	const char *word;
	int (*act)(int argument);
	int argument;
} sim_controls[] = {
	{ "offer", sim_offer, SIM_FIRST },
	{ "rescind", sim_rescind, SIM_FIRST },
	{ "rescind-freezing", sim_set_freeze, SIM_GOES_EARLY },
	{ "rescind-frozen", sim_set_freeze, SIM_GOES },
	{ "offer-frozen", sim_set_freeze, SIM_COMES },
	{ "busy-until-frozen", sim_set_busy },
	{ "offer-second", sim_offer, SIM_SECOND },
	{ "rescind-second", sim_rescind, SIM_SECOND },
	{ "fail-open", sim_let_open_fail },
	{ "hints", sim_set_hints, SIM_TAKES_HINTS },
	{ "fail-hints", sim_set_hints, SIM_FAILS_HINTS },
	{ "no-hints", sim_set_hints, SIM_NO_HINTS },
	{ "refuse-small-hints", sim_set_hints, SIM_REFUSES_SMALL },
	{ "discard-hints", sim_set_hints, SIM_DISCARDS },
	{ "try-reporting", sim_try_reporting },
	{ "hold-isolated", sim_set_isolated, SIM_HOLD },
	{ "let-isolated", sim_set_isolated, SIM_LET },
	{ "hold-offline", sim_set_offline, SIM_HOLD },
	{ "let-offline", sim_set_offline, SIM_LET },
	{ "refuse-offline", sim_set_offline, SIM_REFUSE },
	{ "hold-online", sim_set_online, SIM_HOLD },
	{ "let-online", sim_set_online, SIM_LET },
	{ "refuse-online", sim_set_online, SIM_REFUSE },
	{ "slow-online", sim_set_online, SIM_SLOW },
	{ "hold-interrupts", sim_set_interrupts, true },
	{ "let-interrupts", sim_set_interrupts, false },
};

static ssize_t control_store(struct device *dev, struct device_attribute *attribute,
			     const char *word, size_t size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sim_controls); i++)
		if (sysfs_streq(word, sim_controls[i].word))
			return sim_controls[i].act(sim_controls[i].argument) ?: size;
	return -EINVAL;
}

/* Not in debugfs, where a kernel in lockdown permits no write. */
static DEVICE_ATTR_WO(control);

/* A driver of another kind of memory adds or removes a block, at an address. */
static ssize_t foreign_add_store(struct device *dev, struct device_attribute *attribute,
				 const char *text, size_t size)
{
	u64 start;

	return kstrtou64(text, 0, &start) ?:
	       add_memory(first_online_node, start, memory_block_size_bytes(), MHP_NONE) ?: size;
}
static DEVICE_ATTR_WO(foreign_add);

static ssize_t foreign_remove_store(struct device *dev, struct device_attribute *attribute,
				    const char *text, size_t size)
{
	u64 start;

	return kstrtou64(text, 0, &start) ?:
	       remove_memory(start, memory_block_size_bytes()) ?: size;
}
static DEVICE_ATTR_WO(foreign_remove);

static struct attribute *sim_control_attrs[] = {
	&dev_attr_control.attr,
	&dev_attr_foreign_add.attr,
	&dev_attr_foreign_remove.attr,
	NULL
};
ATTRIBUTE_GROUPS(sim_control);

static struct miscdevice sim_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hvb_sim",
	.fops = &sim_fops,
	.groups = sim_control_groups,
};

static int sim_status_show(struct seq_file *file, void *unused)
{
	sim_show_channel(file);
	sim_show_bus(file);
	sim_show_hints(file);
	sim_show_gates(file);
	sim_show_freeze(file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sim_status);

static struct dentry *sim_debugfs;

static int __init sim_init(void)
{
	int ret;

	ret = sim_memory_init();
	if (ret)
		return ret;

	ret = sim_bus_init();
	if (ret)
		goto exit_memory;

	ret = sim_gates_init();
	if (ret)
		goto exit_bus;

	ret = sim_freeze_init();
	if (ret)
		goto exit_gates;

	ret = misc_register(&sim_misc);
	if (ret)
		goto exit_freeze;

	sim_debugfs = debugfs_create_dir("hvb_sim", NULL);
	debugfs_create_file("status", 0444, sim_debugfs, NULL, &sim_status_fops);
	return 0;

exit_freeze:
	sim_freeze_exit();
exit_gates:
	sim_gates_exit();
exit_bus:
	sim_bus_exit();
exit_memory:
	sim_memory_exit();
	return ret;
}
module_init(sim_init);

static void __exit sim_exit(void)
{
	debugfs_remove(sim_debugfs);
	misc_deregister(&sim_misc);
	sim_freeze_exit();
	sim_gates_exit();
	sim_bus_exit();
	sim_memory_exit();
}
module_exit(sim_exit);

MODULE_AUTHOR("The hv_balloon authors");
MODULE_DESCRIPTION("Simulated Dynamic Memory host, for tests");
MODULE_LICENSE("GPL");
