// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib/usage.c: the demand by use keeps within what the guest uses and has.
 *
 * Assumed: samples and a model of eight bits each, whose rates are 0 before: what holds of
 * the order of figures, not of their overflow.
 */
#include "lib/limits.h"
#include "lib/usage.h"
#include "proof.h"

static struct hvb_usage any_usage(void)
{
	return (struct hvb_usage) {
		nondet_u8(), nondet_u8(), nondet_u8(), nondet_u8(), nondet_u8()
	};
}

void prove_use_model(void)
{
	const struct hvb_usage usage = any_usage();
	struct hvb_use_model model = {
		.last = any_usage(),
		.used = nondet_u8(), .cache = nondet_u8(),
		.begun = nondet_bool(),
	};
	const struct hvb_use_model before = model;

	hvb_use_model_update(&model, &usage);
	prove(model.begun);
	if (before.begun && usage.now_ms > before.last.now_ms) {
		prove(model.used >= usage.used && model.used <= max(usage.used, before.used));
		prove(model.cache <= usage.file_pages);
		prove(model.lead <= usage.used);
		prove(model.last.now_ms == usage.now_ms);
	} else if (!before.begun) {
		prove(model.used == usage.used && !model.cache && !model.lead);
	} else {
		prove(model.used == before.used && model.cache == before.cache);
	}
	prove(hvb_emergency_pages(&model) >= 256 * HVB_PAGES_PER_MIB);
}
