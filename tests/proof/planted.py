# SPDX-License-Identifier: GPL-2.0-only
"""Faults that are planted in a copy of a file, each with the proof that must refute it."""

import dataclasses

from mutants.faults import Planted


@dataclasses.dataclass(frozen=True)
class Fault(Planted):
    """Text of a file that is replaced, and what of it fails."""

    proof: str  # a proof of CBMC, or what takes part in the model
    sign: str  # what its output has


def of_model(name, old, new, parts, sign="assertion violated"):
    """A fault in the order in which the model does something."""
    return Fault(name, "tests/proof/pump.pml", old, new, parts, sign)


PURE = (
    Fault("last page frame refused", "lib/proto.c",
          "range->start + range->count <= HVB_RANGE_PFN_LIMIT", "true",
          "prove_decode_short", "in_limits"),
    Fault("ranges are not looked at", "lib/proto.c",
          "if (!hvb_range_fits(&range))\n\t\t\treturn HVB_REJECT_RANGE;", ";",
          "prove_decode_ranges", "invariant"),
    Fault("count compared with the whole message", "lib/proto.c",
          "(len - sizeof(*req)) / sizeof(req->ranges[0])", "len / sizeof(req->ranges[0])",
          "prove_decode_short", "ranges"),
    Fault("size of the count in 32 bits", "lib/proto.c",
          "count > (len - sizeof(*req)) / sizeof(req->ranges[0])", "count * 8 > len - sizeof(*req)",
          "prove_decode_ranges", "overflow"),
    Fault("region read in the short form", "lib/proto.c",
          "if (size >= sizeof(*req))\n", "if (size)\n",
          "prove_decode_fixed", "outside object bounds"),
    Fault("information read before its length is known", "lib/proto.c",
          "len < sizeof(*info) ||", "", "prove_decode_fixed", "outside object bounds"),
    Fault("too long a message accepted", "lib/proto.c",
          "len > HVB_MSG_MAX", "len > HVB_MSG_MAX + 8", "prove_decode_fixed", "HVB_MSG_MAX"),
    Fault("rejected message has no flag", "lib/proto.c",
          "offsetof(struct hvb_wire_unballoon_request, range_count)", "sizeof(*req)",
          "prove_decode_short", "unballoon.more"),
    Fault("count shifted by a bit too few", "lib/proto.c",
          "raw >> HVB_RANGE_PFN_BITS", "raw >> (HVB_RANGE_PFN_BITS - 1)",
          "prove_range_round_trip", "read.count"),
    Fault("floor above all memory", "lib/limits.c",
          "min(wish ?: hvb_floor_by_size(assigned), assigned)",
          "(wish ?: hvb_floor_by_size(assigned))", "prove_floor", "floor <= assigned"),
    Fault("wish not heeded", "lib/limits.c",
          "wish ?: hvb_floor_by_size(assigned)", "hvb_floor_by_size(assigned)",
          "prove_floor", "wish"),
    Fault("floor with a jump", "lib/limits.c", "104, 3", "105, 3", "prove_floor_grows",
          "high"),
    Fault("limit leaves less than the floor", "lib/limits.c",
          "available - floor)", "available)", "prove_inflate_limit", "floor"),
    Fault("all of the whole blocks taken", "lib/limits.c",
          "order ? kept : kept / 2", "kept / 2", "prove_may_take", "kept"),
    Fault("demand without ballooned pages", "lib/limits.c",
          " + demand->ballooned", "", "prove_demand", "ballooned"),
    Fault("a costly window is not waited out", "lib/cost.c",
          "cost->costly || hvb_cost_exceeds(cost, count - cost->begin)",
          "hvb_cost_exceeds(cost, count - cost->begin)", "prove_cost_look_within", "look"),
    Fault("a window of four seconds counts as one", "lib/cost.c",
          "hvb_cost_rate(count - cost->begin, ms)", "count - cost->begin",
          "prove_cost_look_ends_window", "costly"),
    Fault("calm windows count for nothing", "lib/cost.c",
          "cost->score -= min_t(u64, calm, cost->score);", "(void)calm;",
          "prove_cost_look_ends_window", "score"),
    Fault("a pause doubles without an end", "lib/cost.c",
          "again ? min(2 * cost->pause_ms, HVB_COST_PAUSE_MAX_MS) : 0",
          "again ? 2 * cost->pause_ms : 0", "prove_cost_is_over", "is_valid"),
    Fault("cache above all that is cached", "lib/usage.c",
          "min(hvb_approach(model->cache, 0, ms, HVB_DECAY_MS) + refaults,\n"
          "\t\t\t   usage->file_pages)",
          "hvb_approach(model->cache, 0, ms, HVB_DECAY_MS) + refaults",
          "prove_use_model", "file_pages"),
    Fault("first order not limited", "lib/limits.c",
          "min_t(unsigned int, ilog2(wanted), highest)", "ilog2(wanted)",
          "prove_first_order", "order <= highest"),
    Fault("host pages shifted the wrong way", "lib/limits.c",
          "page_shift - HVB_HOST_PAGE_SHIFT", "HVB_HOST_PAGE_SHIFT",
          "prove_host_pages", "host"),
    Fault("span ends one frame late", "lib/region.c",
          "set->list[middle].end <= pos", "set->list[middle].end < pos", "prove_set_span", "range"),
    Fault("the lower neighbour is forgotten", "lib/region.c",
          "joined.start = min(joined.start, set->list[last].start);", "", "prove_set_add", "before"),
    Fault("what is behind a middle that was removed is lost", "lib/region.c",
          "if (old->end > end)\n", "if (old->end > end && !nr_rest)\n", "prove_set_remove", "before"),
    Fault("ranges joined over the end of a block", "lib/batch.c",
          "batch->nr == batch->marks[1] || !(pfn & (batch->block_pages - 1))",
          "batch->nr == batch->marks[1]",
          "prove_add", "in_limits"),
    Fault("range longer than the limit", "lib/batch.c",
          "(u64)last->count + count > batch->range_pages", "false", "prove_add", "in_limits"),
    Fault("ranges compared in 32 bits", "lib/batch.c",
          "left->start < right->start", "(u32)left->start < (u32)right->start",
          "prove_merge", "start"),
)

MODEL = (
    of_model("kick while stopping", ":: !stopping && !cancelled[PUMP] -> queued[PUMP] = 1",
             ":: true -> queued[PUMP] = 1", "-DREQUESTS=1 -DREMOVE"),
    of_model("add work does not kick", "busy = 0;\n\t\tkick();", "busy = 0;", "-DREQUESTS=1"),
    of_model("busy cleared after the kick", "busy = 0;\n\t\tkick();", "kick();\n\t\tbusy = 0;",
             "-DREQUESTS=1"),
    of_model("second offer before the first is answered", "hot_add_end();\n\t\tif\n\t\t:: set_offer",
             "if\n\t\t:: set_offer", "-DREQUESTS=2"),
    of_model("request for pages not answered at stop",
             "cancel_sync(PUMP);\n\t\tinflate_end();", "cancel_sync(PUMP);\n\t\tinflating = 0;\n"
             "\t\tanswer(INFLATE);", "-DREQUESTS=1 -DREMOVE"),
    of_model("answer after the channel is closed", "inflate_end();\n\t\thot_add_end();\n\t\tatomic {",
             "atomic {", "-DREQUESTS=1 -DREMOVE"),
    of_model("add work not waited for", "\tcancel_sync(ADD);\n", "", "-DREQUESTS=1 -DREMOVE"),
    of_model("chunk work not waited for", "\tcancel_sync(CHUNK);\n", "", "-DREQUESTS=1 -DREMOVE"),
    of_model("slow work waits for the hotplug lock with the transfer lock held",
             "\t\tlock(hotplug_lock);\n\t\tif\n\t\t:: failed = 0",
             "\t\tlock(transfer_lock);\n\t\tlock(hotplug_lock);\n\t\tunlock(transfer_lock);\n"
             "\t\tif\n\t\t:: failed = 0", "-DREQUESTS=1 -DOFFLINE", "errors: 1"),
    of_model("who is out of memory waits without a limit",
             ":: true -> pending_block = 0		/* a second has passed */\n", "",
             "-DREQUESTS=1 -DOOM", "errors: 1"),
    of_model("no wait at MEM_OFFLINE", "unlock(transfer_lock);\n\t\t\t/* Isolated pageblocks: a "
             "migration there ends at once. */\n\t\t\t!evacuating\n", "unlock(transfer_lock)\n",
             "-DREQUESTS=1 -DOFFLINE", "present"),
    of_model("no kick at the thaw", "kick();\n\t\t\tin_pm = 0\n\t\t:: freed", "in_pm = 0\n\t\t:: freed",
             "-DREQUESTS=1 -DPM"),
    of_model("agreed without capabilities", "set_state(HVB_STATE_CAPABILITIES);", "set_state(HVB_STATE_RUNNING);",
             "-DREQUESTS=1", "assertion violated"),
)
