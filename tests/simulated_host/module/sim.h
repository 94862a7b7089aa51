/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the simulated host offer each other. */
#ifndef _SIM_H
#define _SIM_H

#include <linux/hyperv.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

struct file_operations;
struct seq_file;

/**
 * struct sim_device - what is offered to the driver
 * @hdev: the VMBus device
 * @channel: its only channel
 */
struct sim_device {
	struct hv_device hdev;
	struct vmbus_channel channel;
};

/* The device that a script plays the host for, and one that gets no answer. */
enum { SIM_FIRST, SIM_SECOND, SIM_DEVICES };

/* What happens to a memory block: it passes, is turned away, waits, or takes its time. */
enum sim_passage { SIM_LET, SIM_REFUSE, SIM_HOLD, SIM_SLOW };

enum sim_hints {
	SIM_NO_HINTS, SIM_TAKES_HINTS, SIM_FAILS_HINTS, SIM_REFUSES_SMALL, SIM_DISCARDS
};

/* What becomes of the first device when the system freezes. */
enum sim_freeze { SIM_STAYS, SIM_GOES_EARLY, SIM_GOES, SIM_COMES };

/* sim_ring.c */
int sim_ring_init(struct hv_ring_buffer_info *ring, u32 size);
void sim_ring_free(struct hv_ring_buffer_info *ring);
int sim_ring_put(struct hv_ring_buffer_info *ring, const void *data, u32 len);
int sim_ring_get(struct hv_ring_buffer_info *ring, void *data, u32 max, u32 *len);

/* sim_channel.c */
extern struct mutex sim_lock;
extern struct wait_queue_head sim_to_host;	/* there is something to read, or no channel */
void sim_interrupt(unsigned long data);
struct vmbus_channel *sim_open_channel(void);
int sim_set_interrupts(int hold);
int sim_let_open_fail(int unused);
int sim_exchange(bool to_driver, void *message, u32 size, u32 *len);
void sim_show_channel(struct seq_file *file);

/* sim_bus.c */
extern struct sim_device *sim_offered[SIM_DEVICES];
int sim_offer(int which);
int sim_rescind(int which);
void sim_show_bus(struct seq_file *file);
int sim_bus_init(void);
void sim_bus_exit(void);

/* sim_freeze.c */
int sim_set_freeze(int what);
int sim_set_busy(int unused);
bool sim_is_busy(void);
void sim_freeze_sent(const void *message);
void sim_show_freeze(struct seq_file *file);
int sim_freeze_init(void);
void sim_freeze_exit(void);

/* sim_hints.c */
int sim_set_hints(int how);
int sim_try_reporting(int unused);
void sim_show_hints(struct seq_file *file);

/* sim_memory.c */
void sim_memory_read(const void *data, u32 len);
void sim_memory_sends(const void *data, u32 len);
void sim_memory_forget(void);
int sim_memory_init(void);
void sim_memory_exit(void);

/* sim_gate.c */
int sim_set_isolated(int what);
int sim_set_offline(int what);
int sim_set_online(int what);
void sim_show_gates(struct seq_file *file);
int sim_gates_init(void);
void sim_gates_exit(void);

/* sim_user.c */
extern const struct file_operations sim_fops;

#endif /* _SIM_H */
