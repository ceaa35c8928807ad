// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps that sequences are made of, whoever makes these: a generator of random
 * numbers, or a fuzzer.
 */
#include <linux/time64.h>

#include "heap_world.h"

static enum hw_op_kind random_kind(struct rng *rng, bool shrinking)
{
	/* What does not belong to an owner; and nonsense. */
	static const enum hw_op_kind background[] = {
		OP_SCAVENGE, OP_PREZERO, OP_SCAVENGE, OP_BEFORE_TAKE, OP_REPAIR, OP_BAD_REQUEST,
	};
	/* The upper half is for heaps that have a keeper. */
	unsigned int both = rng_below(rng, 200), roll = both % 100;

	if (both >= 170 && both < 180)
		return OP_TIME;
	if (both == 187 || both == 188)
		return OP_RECLAIM;
	if (both == 189)
		return OP_POLICY;
	if (roll < (shrinking ? 30 : 50))
		return OP_ALLOC;
	if (roll < 80)
		return OP_FREE;
	if (roll < 85)
		return OP_SPLIT;
	if (roll < 87)
		return OP_QUARANTINE;
	if (roll < 93)
		return background[roll - 87];
	if (roll < 94)
		return OP_SPOIL;
	return roll < 97 ? OP_FAIL_BLOCK : OP_FAIL_METADATA;
}

struct hw_op hw_random_op(struct rng *rng, bool shrinking)
{
	struct hw_op op = { .kind = random_kind(rng, shrinking) };

	op.a = rng_below(rng, 1U << 16);
	op.b = rng_below(rng, 1U << 24);
	return op;
}

static unsigned long some_length(const struct hw_op *op)
{
	unsigned long granule = hw.model.granule;

	switch (op->b % 16) {
	case 0:
		return 1 + op->a % (hw.model.limit / 3);
	case 1:
		return granule * (1 + op->a % 3);
	case 2:
		/* As much as there is, and more; or so much that sums overflow. */
		return op->a < 60000 ? 1 + op->a % (hw.model.limit + 2) : ~0UL - op->a % 4;
	case 3:
	case 4:
	case 5:
		return 1 + op->a % (2 * granule + 1);
	default:
		return 1 + op->a % 7;
	}
}

static bool do_alloc(const struct hw_op *op)
{
	unsigned int flags = (op->b >> 4) % 4, kind = (op->b >> 8) % 16;
	unsigned long npages = some_length(op), align = 0;
	gfp_t gfp = (op->b >> 12) % 8 ? GFP_KERNEL : GFP_ATOMIC;

	if ((op->b >> 16) % 4 == 0)
		align = 1UL << (op->b >> 18) % 12;
	if (kind % 4)
		flags &= ~SPANALLOC_CONTIG;
	if (flags & SPANALLOC_CONTIG)
		npages = 1 + npages % hw.model.granule;
	/* What goes nowhere. */
	if ((op->b >> 22) % 4 == 0)
		gfp |= __GFP_ZERO | __GFP_DMA32;
	return hw_alloc(npages, align, flags, gfp);
}

/* Refused as it stands: the model is not asked, and nothing may change. */
static bool do_bad_request(const struct hw_op *op)
{
	unsigned long npages = 1 + op->a % 7, align = 1;
	unsigned int flags = 0;
	struct span *span;

	switch (op->b % 4) {
	case 0:
		npages = 0;
		break;
	case 1:
		align = 3UL << (op->b >> 2) % 8;
		break;
	case 2:
		flags = (SPANALLOC_ZERO | SPANALLOC_CONTIG) + 1;
		break;
	default:
		flags = SPANALLOC_CONTIG;
		npages += hw.model.granule;
	}
	if (hw.talk)
		ktap_note("  a bad request: %lu pages, align %lu, flags %x", npages, align,
			  flags);
	span = hw_request(npages, align, flags, GFP_KERNEL, 0);
	return EXPECT_EQ(PTR_ERR_OR_ZERO(span), -EINVAL);
}

/* From a moment to some windows. */
static bool do_time(const struct hw_op *op)
{
	u64 most = (hw.geometry.window_ms + 1) * (u64)NSEC_PER_MSEC;

	switch (op->b % 8) {
	case 0:
		return hw_pass(op->a);
	case 1:
		return hw_pass(2 * most + op->a * (u64)NSEC_PER_MSEC);
	case 2:
		/* To where an epoch ends, exactly. */
		return hw_pass(most / 16 * (1 + op->a % 4));
	default:
		return hw_pass(most / 8 * op->a >> 16);
	}
}

static bool do_policy(const struct hw_op *op)
{
	static const int percents[] = { -1, 0, 5, 10, 33, 250 };
	static const unsigned int windows[] = { 0, 1, 100, 32000 }, paces[] = { 1, 10, 1000 };

	return hw_set_policy(percents[op->a % 6], windows[op->b % 4], paces[op->b / 4 % 3]);
}

static bool arms(const struct hw_op *op)
{
	return op->kind == OP_FAIL_BLOCK || op->kind == OP_FAIL_METADATA;
}

/* The one disarms the other. */
static bool do_arm(const struct hw_op *op)
{
	unsigned long block = op->kind == OP_FAIL_BLOCK ? 1 + op->a % 4 : 0;
	unsigned long metadata = op->kind == OP_FAIL_METADATA ? 1 + op->a % 7 : 0;

	if (hw.talk)
		ktap_note("  in the next step, %s %lu is refused",
			  block ? "block" : "metadata allocation", block + metadata);
	hw_fail_block(block);
	hw_fail_metadata(metadata);
	return true;
}

static bool do_op(const struct hw_op *op)
{
	size_t at = hw.nlive ? op->a % hw.nlive : 0;
	enum hw_op_kind kind = op->kind;

	/* What only a keeper does. */
	if (!hw.keeper.heap && kind == OP_TIME)
		kind = OP_FREE;
	if (!hw.keeper.heap && (kind == OP_RECLAIM || kind == OP_POLICY))
		kind = OP_SCAVENGE;
	switch (kind) {
	case OP_ALLOC:
		return hw.nlive + 2 > LIVE_MAX || do_alloc(op);
	case OP_FREE:
		return !hw.nlive || hw_free(at);
	case OP_SPLIT:
		return !hw.nlive || hw.nlive + 2 > LIVE_MAX ||
		       hw_split(at, op->b % (hw.live[at].npages + 2));
	case OP_QUARANTINE:
		return !hw.nlive || hw_quarantine(at);
	case OP_SCAVENGE:
		return hw_scavenge(op->b % 4 ? op->a % (4 * hw.model.granule + 2) : ~0UL);
	case OP_RECLAIM:
		return hw_reclaim(op->b % 4 ? op->a % (4 * hw.model.granule + 2) : ~0UL);
	case OP_TIME:
		return do_time(op);
	case OP_POLICY:
		return do_policy(op);
	case OP_BEFORE_TAKE:
		return hw_before_take();
	case OP_PREZERO:
		return hw_prezero(op->b % 4 ? op->a % 5 : ~0UL);
	case OP_REPAIR:
		return hw_repair(op->b % 4 ? op->a % 5 : ~0UL);
	case OP_SPOIL:
		hw_spoil(op->b);
		return true;
	case OP_BAD_REQUEST:
		return do_bad_request(op);
	default:
		return do_arm(op);
	}
}

static void disarm(void)
{
	hw_fail_block(0);
	hw_fail_metadata(0);
}

bool hw_step(const struct hw_op *op, bool all)
{
	if (!do_op(op) || !hw_verify() || (all && !hw_verify_all()))
		return false;
	if (!arms(op))
		disarm();
	return true;
}

bool hw_finish(void)
{
	disarm();
	hw_verify_all();
	hw_destroy();
	return !ktap_failures;
}
