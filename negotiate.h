/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Agrees with the host on a version and on capabilities.
 */
#ifndef _HVB_NEGOTIATE_H
#define _HVB_NEGOTIATE_H

#include <linux/types.h>

#include "device.h"

struct hvb_msg;

const char *hvb_state_name(enum hvb_state state);
int hvb_wait_negotiated(struct hvb_dev *hvb);
unsigned long hvb_negotiate_run(struct hvb_dev *hvb);
void hvb_negotiate_version(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_negotiate_capabilities(struct hvb_dev *hvb, const struct hvb_msg *msg);
void hvb_set_state(struct hvb_dev *hvb, enum hvb_state state);

#endif /* _HVB_NEGOTIATE_H */
