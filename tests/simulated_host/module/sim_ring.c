// SPDX-License-Identifier: GPL-2.0-only
/* The rings of the simulated host: a header that both sides share, then the data. */
#include <linux/hyperv.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "sim.h"

#define SIM_TRAILER	sizeof(u64)

/* A ring is vmalloc()ed: the header that both sides share, then the data. */
int sim_ring_init(struct hv_ring_buffer_info *ring, u32 size)
{
	memset(ring, 0, sizeof(*ring));
	/* Scripts let it fail; vmalloc() would say so with a stack trace. */
	ring->ring_buffer = __vmalloc(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	if (!ring->ring_buffer)
		return -ENOMEM;

	spin_lock_init(&ring->ring_lock);
	ring->ring_size = size;
	ring->ring_datasize = size - sizeof(struct hv_ring_buffer);
	return 0;
}

void sim_ring_free(struct hv_ring_buffer_info *ring)
{
	vfree(ring->ring_buffer);
	ring->ring_buffer = NULL;
}

static u32 sim_copy(struct hv_ring_buffer_info *ring, u32 at, void *data, u32 len, bool in)
{
	u8 *bytes = ring->ring_buffer->buffer, *other = data;
	u32 i;

	for (i = 0; i < len; i++, at = (at + 1) % ring->ring_datasize) {
		if (in)
			bytes[at] = other[i];
		else
			other[i] = bytes[at];
	}
	return at;
}

int sim_ring_put(struct hv_ring_buffer_info *ring, const void *data, u32 len)
{
	const u32 padded = ALIGN(len, 8);
	struct vmpacket_descriptor head = {
		.type = VM_PKT_DATA_INBAND,
		.offset8 = sizeof(head) / 8,
		.len8 = (sizeof(head) + padded) / 8,
	};
	const u64 zero = 0;
	unsigned long flags;
	int ret = -EAGAIN;
	u32 at;

	spin_lock_irqsave(&ring->ring_lock, flags);
	if (hv_get_bytes_to_write(ring) > sizeof(head) + padded + SIM_TRAILER) {
		at = ring->ring_buffer->write_index;
		at = sim_copy(ring, at, &head, sizeof(head), true);
		at = sim_copy(ring, at, (void *)data, len, true);
		at = sim_copy(ring, at, (void *)&zero, padded - len, true);
		at = sim_copy(ring, at, (void *)&zero, SIM_TRAILER, true);
		/* The reader must not see the index before the bytes. */
		smp_store_release(&ring->ring_buffer->write_index, at);
		ret = 0;
	}
	spin_unlock_irqrestore(&ring->ring_lock, flags);
	return ret;
}

/* As on VMBus: 0 with *@len 0 if there is none; not consumed if it is too long. */
int sim_ring_get(struct hv_ring_buffer_info *ring, void *data, u32 max, u32 *len)
{
	struct vmpacket_descriptor head;
	unsigned long flags;
	int ret = 0;
	u32 at;

	*len = 0;
	spin_lock_irqsave(&ring->ring_lock, flags);
	if (hv_get_bytes_to_read(ring) < sizeof(head))
		goto unlock;

	at = sim_copy(ring, ring->ring_buffer->read_index, &head, sizeof(head), false);
	*len = head.len8 * 8 - sizeof(head);
	if (*len > max) {
		ret = -ENOBUFS;
		goto unlock;
	}
	at = sim_copy(ring, at, data, *len, false);
	/* The writer must not see the room before the bytes were copied. */
	smp_store_release(&ring->ring_buffer->read_index,
			  (at + SIM_TRAILER) % ring->ring_datasize);
unlock:
	spin_unlock_irqrestore(&ring->ring_lock, flags);
	return ret;
}
