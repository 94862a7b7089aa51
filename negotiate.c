// SPDX-License-Identifier: GPL-2.0-only
/*
 * Agrees with the host on a protocol version and on capabilities. A part of
 * the pump, so that it works before user space runs, as after hibernation.
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/pfn.h>
#include <linux/sizes.h>

#include "channel.h"
#include "device.h"
#include "lib/proto.h"
#include "negotiate.h"
#include "status.h"

/* How long the host may take to answer each proposal. */
#define HVB_NEGOTIATION_TIMEOUT	(5 * HZ)

/* Three versions, the capabilities, and some: the pump gives up before this. */
#define HVB_NEGOTIATION_LIMIT	(5 * HVB_NEGOTIATION_TIMEOUT)

static const u32 hvb_versions[] = {
	HVB_VERSION_WIN10,
	HVB_VERSION_WIN8,
	HVB_VERSION_WIN7,
};

static const char * const hvb_state_names[] = {
	[HVB_STATE_CLOSED]		= "closed",
	[HVB_STATE_OPENED]		= "opened",
	[HVB_STATE_VERSION]		= "version",
	[HVB_STATE_CAPABILITIES]	= "capabilities",
	[HVB_STATE_RUNNING]		= "running",
	[HVB_STATE_FAILED]		= "failed",
};

static_assert(ARRAY_SIZE(hvb_state_names) == HVB_STATES);

/**
 * hvb_state_name() - name of a state for people
 * @state: the state
 *
 * Context: any.
 * Return: a constant string.
 */
const char *hvb_state_name(enum hvb_state state)
{
	return hvb_state_names[state];
}

/* The allowed moves: the arrows in hv_balloon.c. */
static const unsigned int hvb_state_moves[HVB_STATES] = {
	[HVB_STATE_CLOSED] = BIT(HVB_STATE_OPENED),
	[HVB_STATE_OPENED] = BIT(HVB_STATE_VERSION) | BIT(HVB_STATE_CLOSED),
	/* The next version is proposed when the host refuses one. */
	[HVB_STATE_VERSION] = BIT(HVB_STATE_VERSION) | BIT(HVB_STATE_CAPABILITIES) |
			      BIT(HVB_STATE_FAILED) | BIT(HVB_STATE_CLOSED),
	[HVB_STATE_CAPABILITIES] = BIT(HVB_STATE_RUNNING) | BIT(HVB_STATE_FAILED) |
				   BIT(HVB_STATE_CLOSED),
	[HVB_STATE_RUNNING] = BIT(HVB_STATE_CLOSED),
	[HVB_STATE_FAILED] = BIT(HVB_STATE_CLOSED),
};

/**
 * hvb_set_state() - the only place that changes the state
 * @hvb: the device
 * @state: the new state; a move that is not allowed is refused with a warning
 *
 * Context: the pump, or while the pump cannot run; may sleep.
 */
void hvb_set_state(struct hvb_dev *hvb, enum hvb_state state)
{
	if (WARN_ONCE(!(hvb_state_moves[hvb->state] & BIT(state)),
		      KBUILD_MODNAME ": refused to move from state %s to %s\n",
		      hvb_state_name(hvb->state), hvb_state_name(state)))
		return;

	dev_dbg(hvb_device(hvb), "%s -> %s\n", hvb_state_name(hvb->state),
		hvb_state_name(state));
	WRITE_ONCE(hvb->state, state);
	hvb_notify(hvb, "state");
	hvb->deadline = jiffies + HVB_NEGOTIATION_TIMEOUT;
}

static void hvb_negotiation_failed(struct hvb_dev *hvb, int error)
{
	hvb->error = error;
	hvb_set_state(hvb, HVB_STATE_FAILED);
	complete(&hvb->negotiated);
}

static void hvb_propose_version(struct hvb_dev *hvb, unsigned int proposal)
{
	const bool last = proposal == ARRAY_SIZE(hvb_versions) - 1;
	struct hvb_wire_version_request req;
	int ret;

	hvb->proposal = proposal;
	hvb->version = hvb_versions[proposal];
	hvb_set_state(hvb, HVB_STATE_VERSION);
	ret = hvb_send(hvb, &req, hvb_encode_version(&req, hvb->version, last));
	if (ret)
		hvb_negotiation_failed(hvb, ret);
}

/* The host aligns new memory to 2^n MiB: the size of a memory block. */
static u64 hvb_block_mib(const struct hvb_dev *hvb)
{
	return PFN_PHYS(hvb->hot_add.map.regions.block_pages) / SZ_1M;
}

/*
 * Hosts expect both capabilities even of a guest that will refuse every request,
 * because it can hibernate or because of its parameters.
 */
static void hvb_send_capabilities(struct hvb_dev *hvb)
{
	struct hvb_wire_capabilities report;
	u16 size;
	int ret;

	hvb_set_state(hvb, HVB_STATE_CAPABILITIES);
	size = hvb_encode_capabilities(&report, HVB_CAN_BALLOON, HVB_CAN_HOT_ADD,
				       min(ilog2(hvb_block_mib(hvb)), HVB_CAP_ALIGNMENT_MAX));
	ret = hvb_send(hvb, &report, size);
	if (ret)
		hvb_negotiation_failed(hvb, ret);
}

static bool hvb_expected_in(struct hvb_dev *hvb, enum hvb_state state)
{
	if (hvb->state == state)
		return true;

	hvb->stats.unexpected++;
	return false;
}

/**
 * hvb_negotiate_version() - the host answered a version request
 * @hvb: the device
 * @msg: its answer; dropped and counted if nothing was asked
 *
 * Context: the pump.
 */
void hvb_negotiate_version(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	if (!hvb_expected_in(hvb, HVB_STATE_VERSION))
		return;

	if (msg->accept.accepted) {
		hvb_send_capabilities(hvb);
	} else if (hvb->proposal + 1 < ARRAY_SIZE(hvb_versions)) {
		hvb_propose_version(hvb, hvb->proposal + 1);
	} else {
		dev_err(hvb_device(hvb),
			"the host accepts none of the protocol versions 2.0, 1.0 and 0.3; Dynamic Memory stays off\n");
		hvb_negotiation_failed(hvb, -EPROTONOSUPPORT);
	}
}

static void hvb_log_agreed(const struct hvb_dev *hvb)
{
	const unsigned int major = HVB_VERSION_MAJOR(hvb->version);
	const unsigned int minor = HVB_VERSION_MINOR(hvb->version);
	const char *reports = hvb->no_reports ? ", no status reports wanted" : "";

	if (HVB_CAN_HOT_ADD)
		dev_info(hvb_device(hvb),
			 "Dynamic Memory protocol %u.%u, hot-add in steps of %llu MiB%s\n",
			 major, minor, hvb_block_mib(hvb), reports);
	else
		dev_info(hvb_device(hvb),
			 "Dynamic Memory protocol %u.%u, no hot-add with this kernel%s\n",
			 major, minor, reports);
}

/**
 * hvb_negotiate_capabilities() - the host answered the capabilities report
 * @hvb: the device
 * @msg: its answer; dropped and counted if nothing was asked
 *
 * Context: the pump.
 */
void hvb_negotiate_capabilities(struct hvb_dev *hvb, const struct hvb_msg *msg)
{
	if (!hvb_expected_in(hvb, HVB_STATE_CAPABILITIES))
		return;

	if (!msg->accept.accepted) {
		dev_err(hvb_device(hvb),
			"the host refuses the capabilities of this guest; Dynamic Memory stays off\n");
		hvb_negotiation_failed(hvb, -EPROTO);
		return;
	}

	WRITE_ONCE(hvb->no_reports, msg->accept.no_reports);
	hvb_set_state(hvb, HVB_STATE_RUNNING);
	hvb_log_agreed(hvb);
	hvb_status_start(hvb);
	complete(&hvb->negotiated);
}

static unsigned long hvb_check_deadline(struct hvb_dev *hvb)
{
	const unsigned long left = hvb_jiffies_until(hvb->deadline);

	if (left)
		return left;

	dev_err(hvb_device(hvb),
		"the host did not answer the %s within %d s; Dynamic Memory stays off\n",
		hvb_msg_name(hvb->state == HVB_STATE_VERSION ? HVB_MSG_VERSION_REQUEST :
							   HVB_MSG_CAPABILITIES_REPORT),
		HVB_NEGOTIATION_TIMEOUT / HZ);
	hvb_negotiation_failed(hvb, -ETIMEDOUT);
	return HVB_NEVER;
}

/**
 * hvb_negotiate_run() - begin to negotiate, or check the deadline
 * @hvb: the device
 *
 * Context: the pump.
 * Return: jiffies until it wants to run again.
 */
unsigned long hvb_negotiate_run(struct hvb_dev *hvb)
{
	switch (hvb->state) {
	case HVB_STATE_OPENED:
		hvb_propose_version(hvb, 0);
		return 0;
	case HVB_STATE_VERSION:
	case HVB_STATE_CAPABILITIES:
		return hvb_check_deadline(hvb);
	default:
		return HVB_NEVER;
	}
}

/**
 * hvb_wait_negotiated() - wait until the pump has agreed with the host
 * @hvb: the device
 *
 * Does not wait while the system freezes: the pump goes on to negotiate when it
 * is thawed, as after a resume.
 *
 * Context: process, sleeps until the host has answered all proposals, up to 20 s;
 * the pump checks the deadlines.
 * Return: 0, or why it failed; -ETIMEDOUT also if the pump cannot run.
 */
int hvb_wait_negotiated(struct hvb_dev *hvb)
{
	if (!READ_ONCE(hvb->pausing) &&
	    !wait_for_completion_timeout(&hvb->negotiated, HVB_NEGOTIATION_LIMIT))
		return -ETIMEDOUT;

	return READ_ONCE(hvb->state) == HVB_STATE_FAILED ? hvb->error : 0;
}
