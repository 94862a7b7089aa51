# SPDX-License-Identifier: GPL-2.0-only
# What holds in each turn of the loop over the ranges of an unballoon request: one of
# them, any, was found to fit once it was looked at. For a message of any length.
/^static enum hvb_reject hvb_decode_unballoon/i\
extern u32 proof_at;
s/for (i = 0; i < count; i++) {/for (i = 0; i < count; i++)\
		__CPROVER_assigns(i)\
		__CPROVER_loop_invariant(i <= count \&\&\
			(proof_at >= i || (req->ranges[proof_at] \& (HVB_RANGE_PFN_LIMIT - 1)) +\
					  (req->ranges[proof_at] >> HVB_RANGE_PFN_BITS) <=\
					  HVB_RANGE_PFN_LIMIT)) {/
