/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an earlier load of the driver left.
 */
#ifndef _HVB_ADOPT_H
#define _HVB_ADOPT_H

struct hvb_dev;

int hvb_adopt(struct hvb_dev *hvb);

#endif /* _HVB_ADOPT_H */
