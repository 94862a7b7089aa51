// SPDX-License-Identifier: GPL-2.0-only
/* The bus of the simulated host: its devices come, go, sleep and wake up. */
#include <linux/device.h>
#include <linux/hyperv.h>
#include <linux/interrupt.h>
#include <linux/pm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "sim.h"
#include "sim_compat.h"

static const char * const sim_names[] = { "dynamic-memory", "dynamic-memory-2" };

struct sim_device *sim_offered[SIM_DEVICES];

static struct device *sim_root;
static atomic_t sim_suspends, sim_resumes;

static int sim_match(struct device *dev, SIM_MATCH_DRIVER *driver)
{
	return 1;
}

static int sim_probe(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	return driver->probe(container_of(dev, struct hv_device, device), driver->id_table);
}

static void sim_remove(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	driver->remove(container_of(dev, struct hv_device, device));
}

/* The device may have no driver: nothing to do then, as on VMBus. */
static int sim_suspend(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	if (!dev->driver)
		return 0;

	atomic_inc(&sim_suspends);
	return driver->suspend(container_of(dev, struct hv_device, device));
}

static int sim_resume(struct device *dev)
{
	struct hv_driver *driver = container_of(dev->driver, struct hv_driver, driver);

	if (!dev->driver)
		return 0;

	atomic_inc(&sim_resumes);
	return driver->resume(container_of(dev, struct hv_device, device));
}

static const struct dev_pm_ops sim_pm = {
	.freeze_noirq = sim_suspend,
	.thaw_noirq = sim_resume,
	.poweroff_noirq = sim_suspend,
	.restore_noirq = sim_resume,
};

static struct bus_type sim_bus = {
	.name = "vmbus",
	.match = sim_match,
	.probe = sim_probe,
	.remove = sim_remove,
	.pm = &sim_pm,
};

int __vmbus_driver_register(struct hv_driver *hv_driver, struct module *owner,
			    const char *mod_name)
{
	hv_driver->driver.name = hv_driver->name;
	hv_driver->driver.owner = owner;
	hv_driver->driver.mod_name = mod_name;
	hv_driver->driver.bus = &sim_bus;
	return driver_register(&hv_driver->driver);
}
EXPORT_SYMBOL_GPL(__vmbus_driver_register);

void vmbus_driver_unregister(struct hv_driver *hv_driver)
{
	driver_unregister(&hv_driver->driver);
}
EXPORT_SYMBOL_GPL(vmbus_driver_unregister);

/* As on VMBus: by it programs know what kind of device this is. */
static ssize_t class_id_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const struct hv_vmbus_device_id class = { HV_DM_GUID };

	return sysfs_emit(buf, "{%pUl}\n", &class.guid);
}
static DEVICE_ATTR_RO(class_id);

static struct attribute *sim_attrs[] = {
	&dev_attr_class_id.attr,
	NULL,
};
ATTRIBUTE_GROUPS(sim);

static void sim_release(struct device *dev)
{
	kfree(container_of(dev, struct sim_device, hdev.device));
}

int sim_offer(int which)
{
	struct sim_device *sim;
	int ret;

	if (sim_offered[which])
		return -EBUSY;

	sim = kzalloc(sizeof(*sim), GFP_KERNEL);
	if (!sim)
		return -ENOMEM;

	sim->hdev.channel = &sim->channel;
	sim->hdev.device.bus = &sim_bus;
	sim->hdev.device.parent = sim_root;
	sim->hdev.device.groups = sim_groups;
	sim->hdev.device.release = sim_release;
	sim->channel.device_obj = &sim->hdev;
	sim->channel.state = CHANNEL_OPEN_STATE;
	tasklet_init(&sim->channel.callback_event, sim_interrupt,
		     (unsigned long)&sim->channel);
	dev_set_name(&sim->hdev.device, "%s", sim_names[which]);

	WRITE_ONCE(sim_offered[which], sim);
	ret = device_register(&sim->hdev.device);
	if (ret) {
		WRITE_ONCE(sim_offered[which], NULL);
		put_device(&sim->hdev.device);
	}
	return ret;
}

int sim_rescind(int which)
{
	struct sim_device *sim = sim_offered[which];

	if (!sim)
		return -ENODEV;

	/* The channel is a part of the device, whose last reference may be that of the bus. */
	get_device(&sim->hdev.device);
	mutex_lock(&sim_lock);
	if (which == SIM_FIRST)
		sim_memory_forget();
	WRITE_ONCE(sim->channel.rescind, true);
	mutex_unlock(&sim_lock);
	wake_up(&sim_to_host);
	device_unregister(&sim->hdev.device);
	tasklet_kill(&sim->channel.callback_event);
	mutex_lock(&sim_lock);
	sim_offered[which] = NULL;
	mutex_unlock(&sim_lock);
	put_device(&sim->hdev.device);
	return 0;
}

void sim_show_bus(struct seq_file *file)
{
	seq_printf(file, "suspends: %d\nresumes: %d\n", atomic_read(&sim_suspends),
		   atomic_read(&sim_resumes));
}

int sim_bus_init(void)
{
	int ret;

	ret = bus_register(&sim_bus);
	if (ret)
		return ret;

	sim_root = root_device_register("hvb_sim");
	if (IS_ERR(sim_root)) {
		bus_unregister(&sim_bus);
		return PTR_ERR(sim_root);
	}
	return 0;
}

void sim_bus_exit(void)
{
	int which;

	for (which = 0; which < SIM_DEVICES; which++)
		sim_rescind(which);
	root_device_unregister(sim_root);
	bus_unregister(&sim_bus);
}
