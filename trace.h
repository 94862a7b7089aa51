/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events. balloon_status has the name and the fields that tools know from
 * the driver in the kernel tree: these, their order and their types stay. Beside that
 * driver the events need a system of their own.
 */
#undef TRACE_SYSTEM
#ifdef HVB_BESIDE_IN_TREE
#define TRACE_SYSTEM hv_dynmem
#else
#define TRACE_SYSTEM hyperv
#endif

#if !defined(_HVB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _HVB_TRACE_H

#include <linux/tracepoint.h>

#include "lib/limits.h"
#include "record.h"

/* Tools find the numbers of these names in the format of an event. */
TRACE_DEFINE_ENUM(HVB_MSG_ERROR);
TRACE_DEFINE_ENUM(HVB_MSG_VERSION_REQUEST);
TRACE_DEFINE_ENUM(HVB_MSG_VERSION_RESPONSE);
TRACE_DEFINE_ENUM(HVB_MSG_CAPABILITIES_REPORT);
TRACE_DEFINE_ENUM(HVB_MSG_CAPABILITIES_RESPONSE);
TRACE_DEFINE_ENUM(HVB_MSG_STATUS_REPORT);
TRACE_DEFINE_ENUM(HVB_MSG_BALLOON_REQUEST);
TRACE_DEFINE_ENUM(HVB_MSG_BALLOON_RESPONSE);
TRACE_DEFINE_ENUM(HVB_MSG_UNBALLOON_REQUEST);
TRACE_DEFINE_ENUM(HVB_MSG_UNBALLOON_RESPONSE);
TRACE_DEFINE_ENUM(HVB_MSG_HOT_ADD_REQUEST);
TRACE_DEFINE_ENUM(HVB_MSG_HOT_ADD_RESPONSE);
TRACE_DEFINE_ENUM(HVB_MSG_INFO);

TRACE_DEFINE_ENUM(HVB_REJECT_SHORT);
TRACE_DEFINE_ENUM(HVB_REJECT_LONG);
TRACE_DEFINE_ENUM(HVB_REJECT_SIZE);
TRACE_DEFINE_ENUM(HVB_REJECT_TYPE);
TRACE_DEFINE_ENUM(HVB_REJECT_COUNT);
TRACE_DEFINE_ENUM(HVB_REJECT_RANGE);

TRACE_DEFINE_ENUM(HVB_OP_INFLATE);
TRACE_DEFINE_ENUM(HVB_OP_DEFLATE);
TRACE_DEFINE_ENUM(HVB_OP_HOT_ADD);

#define hvb_trace_type(type) __print_symbolic(type, \
	{ HVB_MSG_ERROR, "error" }, \
	{ HVB_MSG_VERSION_REQUEST, "version_request" }, \
	{ HVB_MSG_VERSION_RESPONSE, "version_response" }, \
	{ HVB_MSG_CAPABILITIES_REPORT, "capabilities_report" }, \
	{ HVB_MSG_CAPABILITIES_RESPONSE, "capabilities_response" }, \
	{ HVB_MSG_STATUS_REPORT, "status_report" }, \
	{ HVB_MSG_BALLOON_REQUEST, "balloon_request" }, \
	{ HVB_MSG_BALLOON_RESPONSE, "balloon_response" }, \
	{ HVB_MSG_UNBALLOON_REQUEST, "unballoon_request" }, \
	{ HVB_MSG_UNBALLOON_RESPONSE, "unballoon_response" }, \
	{ HVB_MSG_HOT_ADD_REQUEST, "hot_add_request" }, \
	{ HVB_MSG_HOT_ADD_RESPONSE, "hot_add_response" }, \
	{ HVB_MSG_INFO, "info" })

#define hvb_trace_reject(reason) __print_symbolic(reason, \
	{ HVB_REJECT_SHORT, "short" }, \
	{ HVB_REJECT_LONG, "long" }, \
	{ HVB_REJECT_SIZE, "size" }, \
	{ HVB_REJECT_TYPE, "type" }, \
	{ HVB_REJECT_COUNT, "count" }, \
	{ HVB_REJECT_RANGE, "range" })

#define hvb_trace_op(op) __print_symbolic(op, \
	{ HVB_OP_INFLATE, "inflate" }, \
	{ HVB_OP_DEFLATE, "deflate" }, \
	{ HVB_OP_HOT_ADD, "hot_add" })

/* A status report, and what its figures were computed from; in pages. */
TRACE_EVENT(balloon_status,
	    TP_PROTO(const struct hvb_status *status, const struct hvb_demand *demand,
		     u64 added, u64 online),
	    TP_ARGS(status, demand, added, online),
	    TP_STRUCT__entry(__field(u64, available)
			     __field(u64, committed)
			     __field(unsigned long, vm_memory_committed)
			     __field(unsigned long, pages_ballooned)
			     __field(unsigned long, pages_added)
			     __field(unsigned long, pages_onlined)
			     ),
	    TP_fast_assign(__entry->available = status->available;
			   __entry->committed = status->committed;
			   __entry->vm_memory_committed = demand->vm_committed;
			   __entry->pages_ballooned = demand->ballooned;
			   __entry->pages_added = added;
			   __entry->pages_onlined = online;
			   ),
	    TP_printk("available=%llu committed=%llu vm_memory_committed=%lu pages_ballooned=%lu pages_added=%lu pages_onlined=%lu",
		      __entry->available, __entry->committed, __entry->vm_memory_committed,
		      __entry->pages_ballooned, __entry->pages_added, __entry->pages_onlined)
);

/* What the demand is made of, in pages; see struct hvb_demand. */
TRACE_EVENT(balloon_demand,
	    TP_PROTO(const struct hvb_demand *demand),
	    TP_ARGS(demand),
	    TP_STRUCT__entry(__field(bool, by_use)
			     __field(u64, committed)
			     __field(u64, used)
			     __field(u64, cache)
			     __field(u64, lead)
			     __field(u64, floor)
			     __field(u64, emergency)
			     __field(u64, extra)
			     ),
	    TP_fast_assign(__entry->by_use = demand->by_use;
			   __entry->committed = demand->vm_committed;
			   __entry->used = demand->used;
			   __entry->cache = demand->cache;
			   __entry->lead = demand->lead;
			   __entry->floor = demand->floor;
			   __entry->emergency = demand->emergency;
			   __entry->extra = demand->extra;
			   ),
	    TP_printk("by=%s committed=%llu used=%llu cache=%llu lead=%llu floor=%llu emergency=%llu extra=%llu",
		      __entry->by_use ? "used" : "committed", __entry->committed,
		      __entry->used, __entry->cache, __entry->lead, __entry->floor,
		      __entry->emergency, __entry->extra)
);

DECLARE_EVENT_CLASS(balloon_message,
		    TP_PROTO(u16 type, u32 id, u32 size, u64 pages),
		    TP_ARGS(type, id, size, pages),
		    TP_STRUCT__entry(__field(u16, type)
				     __field(u32, id)
				     __field(u32, size)
				     __field(u64, pages)
				     ),
		    TP_fast_assign(__entry->type = type;
				   __entry->id = id;
				   __entry->size = size;
				   __entry->pages = pages;
				   ),
		    TP_printk("type=%s id=%u size=%u pages=%llu",
			      hvb_trace_type(__entry->type), __entry->id,
			      __entry->size, __entry->pages)
);

/* A message of the host that was accepted. */
DEFINE_EVENT(balloon_message, balloon_message_in,
	     TP_PROTO(u16 type, u32 id, u32 size, u64 pages),
	     TP_ARGS(type, id, size, pages)
);

/* A message to the host, when it is in the ring. */
DEFINE_EVENT(balloon_message, balloon_message_out,
	     TP_PROTO(u16 type, u32 id, u32 size, u64 pages),
	     TP_ARGS(type, id, size, pages)
);

/* A message of the host that was not accepted; the type may be anything. */
TRACE_EVENT(balloon_message_rejected,
	    TP_PROTO(u16 type, u32 size, unsigned int reason),
	    TP_ARGS(type, size, reason),
	    TP_STRUCT__entry(__field(u16, type)
			     __field(u32, size)
			     __field(unsigned int, reason)
			     ),
	    TP_fast_assign(__entry->type = type;
			   __entry->size = size;
			   __entry->reason = reason;
			   ),
	    TP_printk("reason=%s type=%u size=%u", hvb_trace_reject(__entry->reason),
		      __entry->type, __entry->size)
);

/* The host asks for pages, returns some, offers memory. */
TRACE_EVENT(balloon_operation_start,
	    TP_PROTO(unsigned int op, u64 pages),
	    TP_ARGS(op, pages),
	    TP_STRUCT__entry(__field(unsigned int, op)
			     __field(u64, pages)
			     ),
	    TP_fast_assign(__entry->op = op;
			   __entry->pages = pages;
			   ),
	    TP_printk("op=%s pages=%llu", hvb_trace_op(__entry->op), __entry->pages)
);

/* Pages that were given, released or added, and how long that took. */
TRACE_EVENT(balloon_operation_end,
	    TP_PROTO(unsigned int op, u64 pages, u64 us),
	    TP_ARGS(op, pages, us),
	    TP_STRUCT__entry(__field(unsigned int, op)
			     __field(u64, pages)
			     __field(u64, us)
			     ),
	    TP_fast_assign(__entry->op = op;
			   __entry->pages = pages;
			   __entry->us = us;
			   ),
	    TP_printk("op=%s pages=%llu us=%llu", hvb_trace_op(__entry->op),
		      __entry->pages, __entry->us)
);

/* The allocator had no block of that order: a step down to the next. */
TRACE_EVENT(balloon_order_down,
	    TP_PROTO(unsigned int order, u64 wanted),
	    TP_ARGS(order, wanted),
	    TP_STRUCT__entry(__field(unsigned int, order)
			     __field(u64, wanted)
			     ),
	    TP_fast_assign(__entry->order = order;
			   __entry->wanted = wanted;
			   ),
	    TP_printk("order=%u wanted=%llu", __entry->order, __entry->wanted)
);

#endif /* _HVB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
