# SPDX-License-Identifier: GPL-2.0-only
"""Bugs of the pure files, which the program of the layer `unit` finds.

Those that the proofs find are among them: tests/proof/planted.py.
"""

from proof import planted

from .faults import Fault

PROTO, REGION, LIMITS = "lib/proto.c", "lib/region.c", "lib/limits.c"
USAGE, BATCH, NUMBERS = "lib/usage.c", "lib/batch.c", "hv_balloon_proto.h"

MORE = (
    Fault("unknown types have the name of none", PROTO, 'type < HVB_MSG_TYPES ?', "type ?"),
    Fault("start of a range with a bit too few", PROTO,
          ".start = raw & (HVB_RANGE_PFN_LIMIT - 1)", ".start = raw & (HVB_RANGE_PFN_LIMIT / 2 - 1)"),
    Fault("a size that is too large is no mismatch", PROTO,
          "size < needed || size > len;", "size < needed;"),
    Fault("a size that is too small is no mismatch", PROTO,
          "size < needed || size > len;", "size > len;"),
    Fault("no_reports in the version response", PROTO,
          "flags & known & HVB_RESPONSE_NO_REPORTS", "flags & HVB_RESPONSE_NO_REPORTS"),
    Fault("reserved bits of an answer are not noted", PROTO,
          "msg->reserved_bits = flags & ~known;", ""),
    Fault("reserved bits of a request are not noted", PROTO,
          "msg->reserved_bits = req->reserved != 0;", ""),
    Fault("an offer of another size is accepted", PROTO,
          "size > len || (size != HVB_HOT_ADD_REQUEST_SHORT && size < sizeof(*req))",
          "size > len"),
    Fault("the region is not looked at", PROTO,
          "if (!hvb_range_fits(&msg->hot_add.range) ||\n\t    !hvb_range_fits(&msg->hot_add.region))",
          "if (!hvb_range_fits(&msg->hot_add.range))"),
    Fault("any information is the maximum", PROTO,
          "if (le32_to_cpu(info->info_type) != HVB_INFO_MAX_PAGE_COUNT)\n\t\treturn HVB_ACCEPTED;\n",
          ""),
    Fault("a message of the largest size is too long", PROTO,
          "if (len > HVB_MSG_MAX)", "if (len >= HVB_MSG_MAX)"),
    Fault("a message has the size of its header", PROTO,
          "hdr->size = cpu_to_le16(size);", "hdr->size = cpu_to_le16(sizeof(*hdr));"),
    Fault("an extent that ends at a PFN has it", REGION,
          "start ? start - 1 : 0", "start"),
    Fault("pages of a set are counted to its last extent", REGION,
          "for (i = 0; i < set->nr; i++)\n\t\tpages += set->list[i].end",
          "for (i = 0; i + 1 < set->nr; i++)\n\t\tpages += set->list[i].end"),
    Fault("pages are new that were there", REGION,
          "const u64 fresh = end - start - hvb_extents_pages_in(set, start, end);",
          "const u64 fresh = end - start;"),
    Fault("a dropped block leaves its gaps", REGION,
          "hvb_extents_remove(&regions->gaps, block, block_end);", ""),
    Fault("a dropped block stays online", REGION,
          "hvb_extents_remove(&regions->online, block, block_end);", ""),
    Fault("no gap below the first step", REGION,
          "if (start > block)\n\t\thvb_extents_add(&regions->gaps, block, start);\n", ""),
    Fault("gaps count as offline", REGION,
          "pages += end - pos -\n\t\t\t\t\t hvb_extents_pages_in(&regions->gaps, pos, end);",
          "pages += end - pos;"),
    Fault("what is ballooned offline is not backed", REGION,
          " +\n\t\t\t hvb_extents_pages_in(&regions->ballooned, region->start, region->end);",
          ";"),
    Fault("a limit is at the floor", LIMITS, "available > floor ?", "available > floor + 1 ?"),
    Fault("blocks and pages are kept alike", LIMITS, "order ? kept : kept / 2", "kept"),
    Fault("the demand is by use where it is not", LIMITS, "demand->by_use ?", "!demand->by_use ?"),
    Fault("no emergency in the demand", LIMITS, "demand->emergency + demand->extra",
          "demand->extra"),
    Fault("a rate falls as fast as it rises", USAGE,
          "now > rate ? HVB_RATE_RISE_MS : HVB_RATE_FALL_MS", "HVB_RATE_RISE_MS"),
    Fault("the lead is all of the growth of the commit charge", USAGE,
          "min(min(commit, promised), usage->used / HVB_COMMIT_LEAD_SHARE)", "min(commit, promised)"),
    Fault("use falls at once", USAGE,
          "max(usage->used,\n\t\t\t  hvb_approach(model->used, usage->used, ms, HVB_DECAY_MS))",
          "usage->used"),
    Fault("cache never falls", USAGE,
          "hvb_approach(model->cache, 0, ms, HVB_DECAY_MS) + refaults", "model->cache + refaults"),
    Fault("an emergency is as small as the growth", USAGE,
          "max(min(growth, model->used), model->used / HVB_EMERGENCY_SHARE),\n\t\t     HVB_EMERGENCY_PAGES);",
          "min(growth, model->used), 1);"),
    Fault("pages of a batch are those of its last range", BATCH,
          "batch->pages += count;", "batch->pages = count;"),
    Fault("ranges that do not touch are joined", BATCH,
          "last->start + last->count != pfn ||\n\t    ", ""),
    Fault("ranges stay in the order in which they came", BATCH,
          "sort(batch->ranges, nr, sizeof(batch->ranges[0]), hvb_range_compare, NULL);",
          "(void)hvb_range_compare;"),
    Fault("a cleared batch keeps its sum", BATCH, "batch->nr = 0;\n\tbatch->pages = 0;",
          "batch->nr = 0;"),
)

FAULTS = (*(Fault(one.name, one.file, one.old, one.new) for one in planted.PURE), *MORE)
