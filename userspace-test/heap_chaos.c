// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any operation inside any other: whatever an allocation asks for while it has
 * dropped the lock, a hook does something else first, three deep. What the model
 * would say is not known, but nothing may be handed out twice, lost or dirty, and the
 * heap's own check must hold.
 */
#include "cache.h"
#include "heap_world.h"

#define CHAOS_DEPTH	3
#define CHAOS_LIVE	200
#define CHAOS_BULK	24

static struct live chaos_live[CHAOS_LIVE];
static size_t chaos_n;
static unsigned int chaos_depth, chaos_owner;
static unsigned long nnested, nbulk;
static struct rng chaos_rng;

/* Out of the table: what hooks do must not hit a span that is being worked on. */
static struct live chaos_pick(void)
{
	size_t at = rng_below(&chaos_rng, chaos_n);
	struct live live = chaos_live[at];

	chaos_live[at] = chaos_live[--chaos_n];
	return live;
}

static void chaos_put(const struct live *live)
{
	if (chaos_n < CHAOS_LIVE)
		chaos_live[chaos_n++] = *live;
	else
		EXPECT_EQ(span_heap_free(hw.heap, live->span), 0);
}

/* What is done, indented by how deep. */
#define chaos_say(format, args...) do {						\
	if (hw.talk)								\
		ktap_note("%*s" format, 2 * chaos_depth + 2, "", ##args);	\
} while (0)

static bool may_fail_so(long err, gfp_t gfp)
{
	return err == -ENOMEM || err == -EDQUOT || err == -ENOSPC ||
	       (err == -EAGAIN && !gfpflags_allow_blocking(gfp));
}

/* What was asked for as this; its own pages are marked, and it may be picked from here on. */
static void chaos_take(struct span *span, unsigned long npages, unsigned int flags)
{
	struct live live;
	unsigned long run;

	chaos_say("= %lu pages at %lu", span->node.npages, span->node.base);
	EXPECT(span->node.npages == npages, "%lu pages, not %lu", span->node.npages, npages);
	span_heap_run(hw.heap, span, 0, &run);
	EXPECT(!(flags & SPANALLOC_CONTIG) || run == npages, "not contiguous");
	hw_keep(&live, span);
	if (flags & SPANALLOC_ZERO)
		hw_is_zero(&live);
	else
		hw_is_as_left(&live);
	hw_stamp(&live);
	chaos_put(&live);
}

static void chaos_alloc(bool atomic)
{
	unsigned int flags = rng_below(&chaos_rng, 4);
	unsigned long most = flags & SPANALLOC_CONTIG ? hw.model.granule : 30;
	unsigned long npages = rng_range(&chaos_rng, 1, most);
	unsigned long align = rng_once_in(&chaos_rng, 3) ? 1UL << rng_below(&chaos_rng, 6) : 1;
	gfp_t gfp = atomic || rng_once_in(&chaos_rng, 5) ? GFP_ATOMIC : GFP_KERNEL;
	struct span *span;

	chaos_say("alloc %lu align %lu%s%s%s", npages, align,
		  flags & SPANALLOC_ZERO ? " zero" : "", flags & SPANALLOC_CONTIG ? " contig" : "",
		  gfpflags_allow_blocking(gfp) ? "" : " nowait");
	span = hw_request(npages, align, flags, gfp, ++chaos_owner);
	if (IS_ERR(span)) {
		chaos_say("= %ld", PTR_ERR(span));
		EXPECT(may_fail_so(PTR_ERR(span), gfp), "%ld", PTR_ERR(span));
		return;
	}
	EXPECT(!(span->node.base & (align - 1)), "misplaced");
	chaos_take(span, npages, flags);
}

static void chaos_free(void)
{
	struct live live;

	if (!chaos_n)
		return;
	live = chaos_pick();
	chaos_say("free %lu pages at %lu", live.npages, live.base);
	hw_stamps_are_good(&live);
	EXPECT_EQ(span_heap_free(hw.heap, live.span), 0);
}

static void chaos_alloc_bulk(unsigned long n, unsigned long npages, unsigned int flags, gfp_t gfp)
{
	struct span_request request = {
		.npages = npages, .flags = flags, .gfp = gfp, .owner = chaos_owner,
	};
	struct span *span[CHAOS_BULK];
	long got, i;

	chaos_say("alloc %lu times %lu%s%s%s", n, npages, flags & SPANALLOC_ZERO ? " zero" : "",
		  flags & SPANALLOC_CONTIG ? " contig" : "",
		  gfpflags_allow_blocking(gfp) ? "" : " nowait");
	if (!gfpflags_allow_blocking(gfp))
		shim_enter_atomic();
	got = span_heap_alloc_bulk(hw.heap, &request, n, span);
	if (!gfpflags_allow_blocking(gfp))
		shim_leave_atomic();
	chaos_say("= %ld", got);
	EXPECT(got > 0 ? got <= n : may_fail_so(got, gfp), "%ld", got);
	for (i = 0; i < got; i++) {
		/* Each has marks of its own. */
		span[i]->owner = ++chaos_owner;
		chaos_take(span[i], npages, flags);
		nbulk++;
	}
}

static void chaos_free_bulk(unsigned long n)
{
	struct span *span[CHAOS_BULK];
	unsigned long i;

	n = min(n, chaos_n);
	chaos_say("free %lu at once", n);
	for (i = 0; i < n; i++) {
		struct live live = chaos_pick();

		hw_stamps_are_good(&live);
		span[i] = live.span;
		nbulk++;
	}
	EXPECT_EQ(span_heap_free_bulk(hw.heap, n, span), 0);
}

/* As many bytes of an input as chaos_look() takes, which older ones had here. */
static void chaos_bulk(void)
{
	unsigned int how = rng_below(&chaos_rng, 4);
	unsigned long n = 1 + rng_below(&chaos_rng, 1000) % CHAOS_BULK;
	unsigned long rest = rng_below(&chaos_rng, 1000), npages = 1 + rest % hw.model.granule;

	if (how == 3)
		chaos_free_bulk(n);
	else
		chaos_alloc_bulk(n, min(npages, 9UL), how, rest % 3 ? GFP_KERNEL : GFP_ATOMIC);
}

static void chaos_split(void)
{
	struct live lower, upper;
	unsigned long n;

	if (!chaos_n)
		return;
	lower = chaos_pick();
	n = rng_range(&chaos_rng, 0, lower.npages);
	chaos_say("split %lu pages at %lu after %lu", lower.npages, lower.base, n);
	upper = lower;
	upper.span = span_heap_split(hw.heap, lower.span, n, GFP_KERNEL);
	if (IS_ERR(upper.span)) {
		EXPECT(PTR_ERR(upper.span) == -ENOMEM || !n || n == lower.npages, "%ld",
		       PTR_ERR(upper.span));
	} else {
		upper.npages -= n;
		upper.stamp += n;
		upper.base += n;
		lower.npages = n;
		chaos_put(&upper);
	}
	chaos_put(&lower);
}

static void chaos_scavenge(void)
{
	unsigned long npages = rng_below(&chaos_rng, 100);

	chaos_say("scavenge %lu", npages);
	span_heap_scavenge(hw.heap, npages);
}

static void chaos_prezero(void)
{
	unsigned long n = rng_range(&chaos_rng, 1, 3);

	chaos_say("prezero %lu", n);
	n = span_heap_prezero(hw.heap, n);
	chaos_say("= %lu", n);
}

static void chaos_repair(void)
{
	unsigned long n = rng_range(&chaos_rng, 1, 3);
	bool refused;

	chaos_say("repair %lu", n);
	n = span_heap_repair(hw.heap, n, &refused);
	chaos_say("= %lu", n);
}

/* What only a keeper does: steps, and the system's wish for memory. */
static void chaos_keep(void)
{
	unsigned long npages = rng_below(&chaos_rng, 100);

	if (npages < 20) {
		chaos_say("reclaim %lu", npages);
		span_scavenger_reclaim(hw.heap, npages);
		return;
	}
	hw.keeper.now += npages * hw.geometry.window_ms * 20000;
	chaos_say("step");
	fake_keeper_step(&hw.keeper);
}

void chaos_look(void)
{
	unsigned int batch = rng_below(&chaos_rng, 4);
	struct span_report report;
	struct span_info info;

	chaos_say("look, and check in batches of %u", batch);
	EXPECT(!span_heap_check(hw.heap, batch, &report), "check(%u): %d at %lu", batch,
	       report.invariant, report.page);
	span_heap_next_span(hw.heap, rng_below(&chaos_rng, 1000), &info);
	span_heap_lookup(hw.heap, rng_below(&chaos_rng, 1000));
}

/* Whose cache it is changes from step to step; and caches are emptied, or somebody tries. */
static bool chaos_caches(void)
{
	if (!hw.geometry.cache)
		return false;
	shim_cpu = rng_below(&chaos_rng, SHIM_CPUS);
	if (!rng_once_in(&chaos_rng, 20))
		return false;
	chaos_say("drain on CPU %d", shim_cpu);
	if (rng_once_in(&chaos_rng, 2))
		span_cache_drain(hw.heap);
	else
		span_cache_try_drain(hw.heap);
	return true;
}

/* Blocks or metadata are refused, whatever asks for them. */
static void chaos_arm(void)
{
	if (rng_once_in(&chaos_rng, 20)) {
		hw.fake.fail_in = rng_range(&chaos_rng, 1, 3);
		chaos_say("block %lu from here is refused", hw.fake.fail_in);
	}
	if (rng_once_in(&chaos_rng, 40)) {
		unsigned long nth = rng_range(&chaos_rng, 1, 8);

		shim_fail_nth(nth);
		chaos_say("metadata allocation %lu from here is refused", nth);
	}
}

void chaos_step(void)
{
	/* The upper half is for heaps that have a keeper. */
	unsigned int both = rng_below(&chaos_rng, 200), roll = both % 100;

	if (chaos_caches())
		return;
	chaos_arm();
	if (hw.keeper.heap && both >= 130 && both < 180)
		chaos_keep();
	else if (both >= 193)
		chaos_bulk();
	else if (roll < 45)
		chaos_alloc(false);
	else if (roll < 80)
		chaos_free();
	else if (roll < 86)
		chaos_split();
	else if (roll < 88)
		chaos_scavenge();
	else if (roll < 91)
		chaos_prezero();
	else if (roll < 93)
		chaos_repair();
	else
		chaos_look();
}

/* Another task could wait for the end of a drain; we are the one who drains. */
static bool draining(void)
{
	if (!mutex_trylock(&hw.heap->cache_drain))
		return true;
	mutex_unlock(&hw.heap->cache_drain);
	return false;
}

static void chaos(void *unused)
{
	int cpu = shim_cpu;

	if (chaos_depth == CHAOS_DEPTH || chaos_at_end() || !rng_once_in(&chaos_rng, 2) ||
	    ktap_failures || draining())
		return;
	chaos_depth++;
	nnested++;
	/* Down here the hooks may run again, to a depth. */
	hw.fake.hook = chaos;
	hw.fake.fill_hook = chaos;
	chaos_step();
	chaos_depth--;
	shim_cpu = cpu;
}

/* While this CPU is at work on its cache; nothing else may come in between there. */
static void chaos_interrupt(void)
{
	unsigned int depth = chaos_depth;

	if (chaos_at_end() || !rng_once_in(&chaos_rng, 4) || ktap_failures)
		return;
	chaos_depth = CHAOS_DEPTH;
	chaos_say("an interrupt");
	if (rng_once_in(&chaos_rng, 2))
		chaos_alloc(true);
	else
		chaos_free();
	chaos_depth = depth;
	nnested++;
}

static void chaos_in_alloc(void)
{
	chaos(NULL);
}

static void set_hooks(void (*hook)(void *unused), void (*hook_in_alloc)(void))
{
	hw.fake.hook = hook;
	hw.fake.give_hook = hook;
	hw.fake.fill_hook = hook;
	hw.fake.verify_hook = hook;
	shim_alloc_hook = hook_in_alloc;
	shim_resched_hook = hook_in_alloc;
	shim_irq_hook = hook && hw.geometry.cache ? chaos_interrupt : NULL;
}

void chaos_start(const struct rng *rng, bool hooks)
{
	chaos_rng = *rng;
	chaos_n = 0;
	chaos_depth = 0;
	chaos_owner = 0;
	nnested = 0;
	nbulk = 0;
	if (hooks)
		set_hooks(chaos, chaos_in_alloc);
}

void chaos_seed(uint64_t seed, size_t number)
{
	rng_seed_nth(&chaos_rng, seed, number);
}

bool chaos_at_end(void)
{
	return rng_at_end(&chaos_rng);
}

unsigned long chaos_nested(void)
{
	return nnested;
}

unsigned long chaos_in_bulk(void)
{
	return nbulk;
}

void chaos_calm(void)
{
	set_hooks(NULL, NULL);
	shim_fail_nth(0);
	hw.fake.fail_in = 0;
}

void chaos_finish(void)
{
	struct spanalloc_stats stats;

	while (chaos_n)
		chaos_free();
	shim_cpu = 0;
	span_cache_drain(hw.heap);
	chaos_look();
	span_heap_stats(hw.heap, &stats);
	EXPECT_EQ(stats.in_use_pages, 0);
	EXPECT_EQ(stats.claimed_pages, 0);
	EXPECT_EQ(stats.allocs + stats.splits, stats.frees);
	EXPECT_EQ(stats.free_spans, stats.address_pages > 0);
	EXPECT(!hw.geometry.account || !stats.idle_pages, "%llu pages are idle",
	       (unsigned long long)stats.idle_pages);
	EXPECT_EQ(stats.backed_pages, (hw.fake.ntaken - hw.fake.ngiven) * hw.model.granule);
	EXPECT_EQ(hw.fake.nerrors, 0);
	EXPECT_EQ(shim_live().objects, stats.free_spans);
	/* Nobody has written to what is not his. */
	EXPECT_EQ(stats.poison_broken, 0);
	EXPECT_EQ(hw.fake.nbroken, 0);
	hw_end();
}
