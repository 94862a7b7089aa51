// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the simulated host does while the guest freezes: the first device comes or goes,
 * or its ring has no room until then. The program that plays the host is frozen as well,
 * so its part in the agreement with a new device is played here.
 */
#include <linux/atomic.h>
#include <linux/notifier.h>
#include <linux/seq_file.h>
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

/* How long a turn that the driver has begun may take, before the ring has room again. */
#define SIM_ROOM_DELAY	(HZ / 2)

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

static bool sim_busy, sim_frozen;
static atomic_t sim_sent_frozen;

int sim_set_busy(int unused)
{
	WRITE_ONCE(sim_busy, true);
	return 0;
}

bool sim_is_busy(void)
{
	return READ_ONCE(sim_busy);
}

static void sim_make_room(struct work_struct *work)
{
	WRITE_ONCE(sim_frozen, true);
	WRITE_ONCE(sim_busy, false);
}

static DECLARE_DELAYED_WORK(sim_room_work, sim_make_room);

/* The driver has sent a message. */
void sim_freeze_sent(const void *message)
{
	if (READ_ONCE(sim_frozen))
		atomic_inc(&sim_sent_frozen);
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
		if (sim_is_busy())
			schedule_delayed_work(&sim_room_work, SIM_ROOM_DELAY);
		break;
	default:
		cancel_delayed_work_sync(&sim_room_work);
		WRITE_ONCE(sim_frozen, false);
		WRITE_ONCE(sim_busy, false);
		sim_set_freeze(SIM_STAYS);
		break;
	}
	return NOTIFY_OK;
}

/* Before the driver, which is on the list with priority 0: the thaw ends here first. */
static struct notifier_block sim_pm_nb = {
	.notifier_call = sim_pm_event,
	.priority = 1,
};

void sim_show_freeze(struct seq_file *file)
{
	seq_printf(file, "sent_frozen: %d\n", atomic_read(&sim_sent_frozen));
}

int sim_freeze_init(void)
{
	return register_pm_notifier(&sim_pm_nb);
}

void sim_freeze_exit(void)
{
	unregister_pm_notifier(&sim_pm_nb);
	cancel_delayed_work_sync(&sim_change_work);
	cancel_delayed_work_sync(&sim_agree_work);
	cancel_delayed_work_sync(&sim_room_work);
}
