/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the in-tree driver holds when this one takes the device over.
 */
#ifndef _HVB_TAKEOVER_H
#define _HVB_TAKEOVER_H

struct hvb_dev;
struct hvb_takeover_figures;

int hvb_takeover(struct hvb_dev *hvb, const struct hvb_takeover_figures *figures);
void hvb_takeover_undo(struct hvb_dev *hvb);

#endif /* _HVB_TAKEOVER_H */
