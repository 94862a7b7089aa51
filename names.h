/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two names of the driver: hv_balloon takes the place of the in-tree driver of
 * that name, hv_dynmem is loaded beside it and takes the device over at run time.
 *
 * The names of module and driver are KBUILD_MODNAME. What else must not clash with
 * the in-tree driver is here.
 */
#ifndef _HVB_NAMES_H
#define _HVB_NAMES_H

#include <linux/module.h>

/*
 * HVB_IS_BESIDE: this is hv_dynmem.
 *
 * It has no alias: udev would load it beside the in-tree driver at each boot,
 * and which of the two gets the device would be a matter of time.
 */
#ifdef HVB_BESIDE_IN_TREE
#define HVB_IS_BESIDE			true
#define HVB_DEVICE_TABLE(_table)
#else
#define HVB_IS_BESIDE			false
#define HVB_DEVICE_TABLE(_table)	MODULE_DEVICE_TABLE(vmbus, _table)
#endif

#endif /* _HVB_NAMES_H */
