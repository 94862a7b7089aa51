// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gates where memory blocks are held up on their way offline and online; one on the way
 * offline lies before the driver, so that it does not know of the block yet.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/memory.h>
#include <linux/notifier.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

#include "sim.h"

#define SIM_SLOW_MS	500

/**
 * struct sim_gate - where memory blocks are held up
 * @what: happens to a block: it passes, is turned away, waits, or takes its time
 * @waits: blocks that do
 */
struct sim_gate {
	enum sim_passage what;
	atomic_t waits;
};

static struct sim_gate sim_isolated, sim_offline, sim_online;
static DECLARE_WAIT_QUEUE_HEAD(sim_gate_change);

static int sim_set_gate(struct sim_gate *gate, int what)
{
	WRITE_ONCE(gate->what, what);
	wake_up_all(&sim_gate_change);
	return 0;
}

int sim_set_offline(int what)
{
	return sim_set_gate(&sim_offline, what);
}

int sim_set_isolated(int what)
{
	return sim_set_gate(&sim_isolated, what);
}

int sim_set_online(int what)
{
	return sim_set_gate(&sim_online, what);
}

static int sim_pass(struct sim_gate *gate)
{
	atomic_inc(&gate->waits);
	wait_event(sim_gate_change, READ_ONCE(gate->what) != SIM_HOLD);
	if (READ_ONCE(gate->what) == SIM_SLOW)
		msleep(SIM_SLOW_MS);
	atomic_dec(&gate->waits);
	return READ_ONCE(gate->what) == SIM_REFUSE ? NOTIFY_BAD : NOTIFY_OK;
}

static int sim_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	switch (event) {
	case MEM_GOING_OFFLINE:
		return sim_pass(&sim_offline);
	case MEM_GOING_ONLINE:
		return sim_pass(&sim_online);
	default:
		return NOTIFY_OK;
	}
}

static int sim_early_memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	return event == MEM_GOING_OFFLINE ? sim_pass(&sim_isolated) : NOTIFY_OK;
}

/* Before the driver, and after it: it is on the list with priority 0. */
static struct notifier_block sim_early_memory_nb = {
	.notifier_call = sim_early_memory_event,
	.priority = 1,
};

static struct notifier_block sim_memory_nb = {
	.notifier_call = sim_memory_event,
	.priority = -1,
};

void sim_show_gates(struct seq_file *file)
{
	seq_printf(file, "isolated_waits: %d\noffline_waits: %d\nonline_waits: %d\n",
		   atomic_read(&sim_isolated.waits), atomic_read(&sim_offline.waits),
		   atomic_read(&sim_online.waits));
}

int sim_gates_init(void)
{
	int ret;

	ret = register_memory_notifier(&sim_early_memory_nb);
	if (ret)
		return ret;

	ret = register_memory_notifier(&sim_memory_nb);
	if (ret)
		unregister_memory_notifier(&sim_early_memory_nb);
	return ret;
}

void sim_gates_exit(void)
{
	unregister_memory_notifier(&sim_memory_nb);
	unregister_memory_notifier(&sim_early_memory_nb);
}
