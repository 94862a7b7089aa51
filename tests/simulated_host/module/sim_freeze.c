// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the simulated host does while the guest freezes: the first device comes or goes.
 * The program that plays the host is frozen as well, so its part in the agreement with
 * a new device is played here.
 */
#include <linux/notifier.h>
#include <linux/suspend.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "sim.h"

/*
 * When the device goes: once tasks are frozen, but work items are not yet, as a
 * hibernation makes room for its image; or once all is frozen. How long the host
 * thinks about what a new one says.
 */
#define SIM_EARLY_DELAY	(HZ / 5)
#define SIM_GOES_DELAY	(2 * HZ)
#define SIM_AGREE_DELAY	(2 * HZ)

static enum sim_freeze sim_when_frozen;
static u16 sim_asked;	/* type of the message that has to be answered */

/* Neither work is frozen, as those of VMBus are not that hear of devices and messages. */
static void sim_change(struct work_struct *work)
{
	if (READ_ONCE(sim_when_frozen) == SIM_COMES)
		sim_offer(SIM_FIRST);
	else
		sim_rescind(SIM_FIRST);
}

static DECLARE_DELAYED_WORK(sim_change_work, sim_change);

static void sim_agree(struct work_struct *work)
{
	struct {
		u16 type, size;
		u32 id;
		u64 accepted;
	} answer = { READ_ONCE(sim_asked) + 1, sizeof(answer), 0, 1 };

	sim_exchange(true, &answer, sizeof(answer), NULL);
}

static DECLARE_DELAYED_WORK(sim_agree_work, sim_agree);

/* The driver has sent a message. */
void sim_freeze_sent(const void *message)
{
	if (READ_ONCE(sim_when_frozen) != SIM_COMES)
		return;

	WRITE_ONCE(sim_asked, *(const u16 *)message);
	schedule_delayed_work(&sim_agree_work, SIM_AGREE_DELAY);
}

int sim_set_freeze(int what)
{
	WRITE_ONCE(sim_when_frozen, what);
	return 0;
}

static unsigned long sim_change_delay(void)
{
	switch (sim_when_frozen) {
	case SIM_GOES_EARLY:
		return SIM_EARLY_DELAY;
	case SIM_GOES:
		return SIM_GOES_DELAY;
	default:
		return 0;
	}
}

static int sim_pm_event(struct notifier_block *nb, unsigned long event, void *unused)
{
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
		if (sim_when_frozen != SIM_STAYS)
			schedule_delayed_work(&sim_change_work, sim_change_delay());
		break;
	default:
		sim_set_freeze(SIM_STAYS);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block sim_pm_nb = { .notifier_call = sim_pm_event };

int sim_freeze_init(void)
{
	return register_pm_notifier(&sim_pm_nb);
}

void sim_freeze_exit(void)
{
	unregister_pm_notifier(&sim_pm_nb);
	cancel_delayed_work_sync(&sim_change_work);
	cancel_delayed_work_sync(&sim_agree_work);
}
