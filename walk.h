/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk over the struct pages of memory that is online.
 */
#ifndef _HVB_WALK_H
#define _HVB_WALK_H

#include <linux/ioport.h>

struct hvb_dev;

/*
 * Memory that this driver, the in-tree driver or others of that kind have added: its
 * resource is mergeable, that of boot memory is not.
 */
#define HVB_HOT_ADDED	(IORESOURCE_SYSTEM_RAM | IORESOURCE_SYSRAM_MERGEABLE)

/* Memory in which this driver has left a gap. */
#define HVB_DRIVER_MANAGED	(IORESOURCE_SYSTEM_RAM | IORESOURCE_SYSRAM_DRIVER_MANAGED)

/**
 * struct hvb_walk - a walk in search of pages that are out of use
 * @hvb: the device; the walk counts its steps there
 * @look: looks at one PFN. Return: the next one to look at, which may be above @end;
 *	0 if the walk has to end with -ENOMEM
 *
 * What a walk collects is in a structure around this one.
 */
struct hvb_walk {
	struct hvb_dev *hvb;
	unsigned long (*look)(const struct hvb_walk *walk, unsigned long pfn,
			      unsigned long end);
};

unsigned long hvb_walk_next(unsigned long pfn);
int hvb_walk_range(const struct hvb_walk *walk, unsigned long pfn, unsigned long end);
int hvb_walk_all(const struct hvb_walk *walk);

typedef int (*hvb_look_fn)(struct resource *memory, void *arg);

int hvb_walk_resources(unsigned long flags, hvb_look_fn look, void *arg);

#endif /* _HVB_WALK_H */
