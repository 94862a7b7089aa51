// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that administrators and programs rely on: dynamic_memory/ under
 * the VMBus device, one value each, described in
 * Documentation/ABI/testing/sysfs-bus-vmbus-hv-balloon.
 *
 * The driver core creates them after probe and removes them before remove, and waits
 * for their readers. So the device is complete while they exist.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "balloon.h"
#include "demand.h"
#include "device.h"
#include "events.h"
#include "hot_add.h"
#include "hotplug_map.h"
#include "negotiate.h"
#include "params.h"
#include "status.h"
#include "sysfs.h"

/* The largest size that can be written: 64 TiB, in KiB. */
#define HVB_SIZE_KB_MAX	(64ULL << 30)

/* For how long a program asks for memory, if it does not say; and at most. */
#define HVB_EXTRA_SECONDS	60
#define HVB_EXTRA_SECONDS_MAX	3600U
#define HVB_EXTRA_LINE		64

static u64 hvb_hot_added(struct hvb_dev *hvb)
{
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	return backed;
}

static u64 hvb_hot_added_online(struct hvb_dev *hvb)
{
	u64 backed, online;

	hvb_hotplug_map_totals(hvb, &backed, &online);
	return online;
}

static struct hvb_demand hvb_demand_now(struct hvb_dev *hvb)
{
	struct hvb_demand demand;

	hvb_demand_read(hvb, &demand);
	return demand;
}

/* A read-only file with a number; @_value is an expression of the local variable hvb. */
#define HVB_FIGURE(_name, _value)						\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct hvb_dev *hvb = dev_get_drvdata(dev);				\
										\
	return sysfs_emit(buf, "%llu\n", (u64)(_value));			\
}										\
static DEVICE_ATTR_RO(_name)

#define HVB_COUNTER(_name, _member)	\
	HVB_FIGURE(_name, READ_ONCE(hvb->stats._member))

/* The same for a counter of pages. */
#define HVB_COUNTER_KB(_name, _member)	\
	HVB_FIGURE(_name, hvb_pages_to_kib(READ_ONCE(hvb->stats._member)))

HVB_FIGURE(hibernation, hvb->hibernation);
HVB_FIGURE(hot_add, hvb_hot_add_possible(hvb));
HVB_FIGURE(ballooned_kb, hvb_pages_to_kib(READ_ONCE(hvb->balloon.pages)));
HVB_FIGURE(hidden_kb, hvb_pages_to_kib(READ_ONCE(hvb->balloon.hidden)));
HVB_FIGURE(hot_added_kb, hvb_pages_to_kib(hvb_hot_added(hvb)));
HVB_FIGURE(hot_added_online_kb, hvb_pages_to_kib(hvb_hot_added_online(hvb)));
HVB_FIGURE(max_kb, hvb_pages_to_kib(READ_ONCE(hvb->hot_add.max_pages)));
HVB_FIGURE(floor_kb, hvb_pages_to_kib(hvb_floor(hvb)));
HVB_FIGURE(reported_available_kb,
	   hvb_pages_to_kib(READ_ONCE(hvb->report.status.available)));
HVB_FIGURE(reported_committed_kb,
	   hvb_pages_to_kib(READ_ONCE(hvb->report.status.committed)));
HVB_FIGURE(demand_used_kb, hvb_pages_to_kib(hvb_demand_now(hvb).used));
HVB_FIGURE(demand_cache_kb, hvb_pages_to_kib(hvb_demand_now(hvb).cache));
HVB_FIGURE(demand_lead_kb, hvb_pages_to_kib(hvb_demand_now(hvb).lead));
HVB_FIGURE(demand_emergency_kb, hvb_pages_to_kib(hvb_demand_now(hvb).emergency));
HVB_FIGURE(page_reporting, READ_ONCE(hvb->reporting.on));
HVB_FIGURE(rejected_messages, hvb_rejected_messages(&hvb->stats));
HVB_FIGURE(events, READ_ONCE(hvb->events.count));

HVB_COUNTER(balloon_requests, balloon_requests);
HVB_COUNTER_KB(balloon_refused_kb, balloon_refused);
HVB_COUNTER_KB(returned_kb, returned);
HVB_COUNTER(hot_add_requests, hot_add_requests);
HVB_COUNTER_KB(hot_add_refused_kb, hot_add_refused);
HVB_COUNTER(foreign_ranges, foreign_ranges);
HVB_COUNTER(status_reports, reports);
HVB_COUNTER(send_failures, send_failures);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct hvb_dev *hvb = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", hvb_state_name(READ_ONCE(hvb->state)));
}
static DEVICE_ATTR_RO(state);

static ssize_t protocol_version_show(struct device *dev, struct device_attribute *attr,
				     char *buf)
{
	const struct hvb_dev *hvb = dev_get_drvdata(dev);
	const u32 version = READ_ONCE(hvb->version);

	return sysfs_emit(buf, "%u.%u\n", HVB_VERSION_MAJOR(version),
			  HVB_VERSION_MINOR(version));
}
static DEVICE_ATTR_RO(protocol_version);

/* What the number of a block takes, and the end of the line. */
#define HVB_BLOCK_NUMBER	24

/* As many numbers as fit; those that do not are there when some have gone. */
static ssize_t new_blocks_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct hvb_dev *hvb = dev_get_drvdata(dev);
	struct hvb_hotplug_map *map = &hvb->hot_add.map;
	u64 block = 0;
	int len = 0;

	while (len < PAGE_SIZE - HVB_BLOCK_NUMBER &&
	       hvb_hotplug_map_next(map, &map->new_blocks, &block)) {
		len += sysfs_emit_at(buf, len, "%s%llu", len ? " " : "",
				     block / map->regions.block_pages);
		block += map->regions.block_pages;
	}
	return len + sysfs_emit_at(buf, len, "\n");
}
static DEVICE_ATTR_RO(new_blocks);

static ssize_t floor_rule_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", hvb_floor_rule(dev_get_drvdata(dev)));
}
static DEVICE_ATTR_RO(floor_rule);

static ssize_t extra_demand_kb_show(struct device *dev, struct device_attribute *attr,
				    char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  hvb_pages_to_kib(hvb_demand_extra(dev_get_drvdata(dev))));
}

/* KiB, and perhaps seconds. */
static int hvb_parse_extra(const char *buf, u64 *kib, unsigned int *seconds)
{
	char text[HVB_EXTRA_LINE], *rest;
	const char *first;

	if (strscpy(text, buf, sizeof(text)) < 0)
		return -EINVAL;
	rest = strim(text);
	first = strsep(&rest, " \t");
	if (kstrtou64(first, 0, kib) || *kib > HVB_SIZE_KB_MAX)
		return -EINVAL;
	if (rest && (kstrtouint(skip_spaces(rest), 0, seconds) || *seconds > HVB_EXTRA_SECONDS_MAX))
		return -EINVAL;
	return 0;
}

/* It ends by itself: a program that dies asks for nothing in the end. */
static ssize_t extra_demand_kb_store(struct device *dev, struct device_attribute *attr,
				     const char *buf, size_t count)
{
	struct hvb_dev *hvb = dev_get_drvdata(dev);
	unsigned int seconds = HVB_EXTRA_SECONDS;
	u64 kib;

	if (hvb_parse_extra(buf, &kib, &seconds)) {
		dev_err_ratelimited(dev, "extra_demand_kb: \"%.*s\" is not a number of KiB from 0 to %llu, and perhaps one of seconds from 0 to %u\n",
				    (int)strcspn(buf, "\n"), buf, HVB_SIZE_KB_MAX,
				    HVB_EXTRA_SECONDS_MAX);
		return -EINVAL;
	}
	hvb_demand_set_extra(hvb, hvb_kib_to_pages(kib), seconds);
	hvb_status_soon(hvb);
	return count;
}
static DEVICE_ATTR_RW(extra_demand_kb);

static ssize_t event_step_kb_show(struct device *dev, struct device_attribute *attr,
				  char *buf)
{
	const struct hvb_dev *hvb = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", READ_ONCE(hvb->events.step_kib));
}

static ssize_t event_step_kb_store(struct device *dev, struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct hvb_dev *hvb = dev_get_drvdata(dev);
	u64 step;

	if (kstrtou64(buf, 0, &step) || step > HVB_SIZE_KB_MAX) {
		dev_err_ratelimited(dev, "event_step_kb: \"%.*s\" is not a number of KiB from 0 to %llu\n",
				    (int)strcspn(buf, "\n"), buf, HVB_SIZE_KB_MAX);
		return -EINVAL;
	}

	hvb_events_set_step(hvb, step);
	return count;
}
static DEVICE_ATTR_RW(event_step_kb);

static struct attribute *hvb_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_protocol_version.attr,
	&dev_attr_hibernation.attr,
	&dev_attr_hot_add.attr,
	&dev_attr_ballooned_kb.attr,
	&dev_attr_hidden_kb.attr,
	&dev_attr_hot_added_kb.attr,
	&dev_attr_hot_added_online_kb.attr,
	&dev_attr_new_blocks.attr,
	&dev_attr_max_kb.attr,
	&dev_attr_floor_kb.attr,
	&dev_attr_floor_rule.attr,
	&dev_attr_reported_available_kb.attr,
	&dev_attr_reported_committed_kb.attr,
	&dev_attr_demand_used_kb.attr,
	&dev_attr_demand_cache_kb.attr,
	&dev_attr_demand_lead_kb.attr,
	&dev_attr_demand_emergency_kb.attr,
	&dev_attr_extra_demand_kb.attr,
	&dev_attr_page_reporting.attr,
	&dev_attr_balloon_requests.attr,
	&dev_attr_balloon_refused_kb.attr,
	&dev_attr_returned_kb.attr,
	&dev_attr_hot_add_requests.attr,
	&dev_attr_hot_add_refused_kb.attr,
	&dev_attr_rejected_messages.attr,
	&dev_attr_foreign_ranges.attr,
	&dev_attr_status_reports.attr,
	&dev_attr_send_failures.attr,
	&dev_attr_event_step_kb.attr,
	&dev_attr_events.attr,
	NULL,
};

static const struct attribute_group hvb_group = {
	.name = HVB_GROUP,
	.attrs = hvb_attrs,
};

/* For device_driver.dev_groups. */
const struct attribute_group *hvb_groups[] = {
	&hvb_group,
	NULL,
};
