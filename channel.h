/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The channel to the host: transport only.
 */
#ifndef _HVB_CHANNEL_H
#define _HVB_CHANNEL_H

#include <linux/types.h>

struct hvb_dev;

int hvb_channel_init(struct hvb_dev *hvb);
void hvb_channel_exit(struct hvb_dev *hvb);
int hvb_channel_open(struct hvb_dev *hvb);
void hvb_channel_close(struct hvb_dev *hvb);
u32 hvb_read(struct hvb_dev *hvb);
bool hvb_message_waits(struct hvb_dev *hvb);
int hvb_send(struct hvb_dev *hvb, void *msg, u16 size);
int hvb_send_now(struct hvb_dev *hvb, void *msg, u16 size);

#endif /* _HVB_CHANNEL_H */
