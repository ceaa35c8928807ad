// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU caches: when they let go of what they hold.
 */
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/time64.h>

#include "cache.h"
#include "space.h"

#include "cache_world.h"

/* How often a CPU was called. */
static unsigned int ncalls;

/* Eight spans of eight pages, which are all that can be, parked on all CPUs. */
static void park_everywhere(void)
{
	struct span *span[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		span[i] = hw_request(8, 8, 0, GFP_KERNEL, 0);
	for (i = 0; i < 8; i++) {
		shim_cpu = i % SHIM_CPUS;
		cw_put(span[i]);
	}
	shim_cpu = 0;
	EXPECT_EQ(cw_stats().cached_pages, 64);
}

void cache_drains_before_failing(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[2], *all, *other;

	geometry.limit = 128;
	REQUIRE(hw_create(&geometry), "heap");
	/* Caches may hold half of a heap. */
	other = cw_get_at(0, 64);
	EXPECT_EQ(per_cpu_ptr(hw.heap->caches, 0)->limit, 64 / SHIM_CPUS);
	park_everywhere();
	all = hw_request(64, 0, 0, GFP_KERNEL, 0);
	EXPECT(!IS_ERR(all), "%ld", PTR_ERR(all));
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(PTR_ERR(hw_request(1, 0, 0, GFP_KERNEL, 0)), -EDQUOT);
	cw_put(all);
	span_cache_drain(hw.heap);
	/* Who may not sleep can ask no other CPU. */
	park_everywhere();
	span[0] = hw_request(4, 0, 0, GFP_ATOMIC, 0);
	EXPECT_EQ(span[0]->node.base, 64);
	EXPECT_EQ(cw_stats().cached_pages, 48);
	EXPECT_EQ(PTR_ERR(hw_request(16, 0, 0, GFP_ATOMIC, 0)), -EAGAIN);
	EXPECT_EQ(cw_stats().cached_pages, 48);
	EXPECT_EQ(cw_stats().fails_again, 1);
	cw_put(span[0]);
	span_cache_drain(hw.heap);
	/* Nor does the last failure have to be of address space. */
	span[0] = cw_get_at(64, 4);
	span[1] = cw_get_at(68, 4);
	cw_put(span[0]);
	cw_put(span[1]);
	span_heap_release(hw.heap, ~0UL, NULL);
	hw.fake.fail_in = 1;
	all = cw_get(16);
	EXPECT_EQ(hw.fake.fail_in, 0);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	cw_put(all);
	cw_put(other);
	cw_end();
}

/* Nor is address space what is missing, for who cannot wait for more of it. */
void cache_drains_before_growing(void)
{
	struct geometry geometry = cw_geometry;
	struct span *span[2], *rest, *both;

	geometry.limit = 128;
	REQUIRE(hw_create(&geometry), "heap");
	span[0] = cw_get_at(0, 8);
	span[1] = cw_get_at(8, 8);
	rest = cw_get_at(16, 48);
	cw_put(span[0]);
	cw_put(span[1]);
	EXPECT_EQ(cw_stats().cached_pages, 16);
	both = hw_request(16, 0, 0, GFP_ATOMIC, 0);
	REQUIRE(!IS_ERR(both), "%ld", PTR_ERR(both));
	EXPECT_EQ(both->node.base, 0);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(PTR_ERR(hw_request(16, 0, 0, GFP_ATOMIC, 0)), -EAGAIN);
	cw_put(both);
	cw_put(rest);
	cw_end();
}

static void count_call(int cpu)
{
	ncalls++;
}

/* Whoever reclaims memory asks CPUs for theirs if what is idle is not enough. */
void cache_reclaim_asks_last(void)
{
	struct span *parked, *idle;

	REQUIRE(hw_create(&cw_geometry), "heap");
	parked = cw_get_at(0, 8);
	idle = hw_request(24, 8, 0, GFP_KERNEL, 0);
	hw.heap->cache_pages = 8;
	cw_put(idle);
	hw.heap->cache_pages = CW_CACHE_PAGES;
	cw_put(parked);
	EXPECT_EQ(cw_stats().cached_pages, 8);
	ncalls = 0;
	shim_called_hook = count_call;
	EXPECT_EQ(span_scavenger_reclaim(hw.heap, 16), 16);
	EXPECT_EQ(ncalls, 0);
	EXPECT_EQ(cw_stats().cached_pages, 8);
	EXPECT_EQ(span_heap_scavenge_some(hw.heap), 8);
	EXPECT_EQ(ncalls, 0);
	EXPECT_EQ(span_scavenger_reclaim(hw.heap, 16), 8);
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(cw_stats().scavenged_reclaim_pages, 16 + 8);
	EXPECT_EQ(span_scavenger_reclaim(hw.heap, 16), 0);
	cw_put(cw_get(8));
	EXPECT_EQ(span_heap_scavenge_some(hw.heap), 8);
	shim_called_hook = NULL;
	cw_end();
}

static void damage_it(int cpu)
{
	hw.heap->damaged = true;
}

/* What is on its way to a heap that is found damaged then stays with nobody, and is counted. */
void cache_drained_into_damage(void)
{
	struct span *span;

	REQUIRE(hw_create(&cw_geometry), "heap");
	span = cw_get(8);
	cw_put(span);
	shim_cpu = 1;
	cw_put(cw_get(3));
	shim_cpu = 0;
	shim_called_hook = damage_it;
	EXPECT_EQ(span_cache_drain(hw.heap), 0);
	shim_called_hook = NULL;
	EXPECT_EQ(span->node.state, SPAN_CACHED);
	EXPECT_EQ(hw.heap->handed_spans, 1);
	EXPECT_EQ(hw.heap->handed_pages, 8);
	hw.heap->damaged = false;
	hw.heap->handed_spans = 0;
	hw.heap->handed_pages = 0;
	span->node.state = SPAN_IN_USE;
	cw_put(span);
	cw_end();
}

static void begin_to_work(void)
{
	per_cpu_ptr(hw.heap->caches, 0)->busy = true;
}

/* Somebody is at work on the cache when there are objects to fill it. */
void cache_in_use_when_filled(void)
{
	struct span *span;

	REQUIRE(hw_create(&cw_geometry), "heap");
	cw_put(cw_get(7));
	shim_alloc_hook = begin_to_work;
	span = cw_get(1);
	shim_alloc_hook = NULL;
	EXPECT_EQ(cw_stats().cache_refills, 0);
	EXPECT_EQ(cw_stats().cached_pages, 7);
	EXPECT(per_cpu_ptr(hw.heap->caches, 0)->busy, "nobody came");
	per_cpu_ptr(hw.heap->caches, 0)->busy = false;
	cw_put(span);
	cw_end();
}

/* What is on its way to the tree is nobody's, either. */
static void look_in_between(int cpu)
{
	EXPECT_EQ(cw_stats().cached_pages, 8);
	EXPECT_EQ(cw_stats().cached_spans, 1);
	EXPECT_EQ(cw_stats().in_use_pages, 0);
	ncalls++;
}

void cache_drains_on_demand(void)
{
	REQUIRE(hw_create(&cw_geometry), "heap");
	cw_put(cw_get(8));
	ncalls = 0;
	shim_called_hook = look_in_between;
	EXPECT_EQ(span_cache_drain(hw.heap), 8);
	shim_called_hook = NULL;
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	cw_put(cw_get(8));
	EXPECT_EQ(span_heap_release(hw.heap, ~0UL, NULL), 0);
	EXPECT_EQ(span_heap_scavenge(hw.heap, 0), 0);
	EXPECT_EQ(cw_stats().cached_pages, 8);
	EXPECT_EQ(span_heap_scavenge(hw.heap, ~0UL), 8);
	cw_put(cw_get(8));
	EXPECT_EQ(span_scavenger_purge(hw.heap), 8);
	cw_put(cw_get(8));
	EXPECT_EQ(span_scavenger_reclaim(hw.heap, 8), 8);
	/* Who may not wait finds somebody draining. */
	cw_put(cw_get(8));
	mutex_lock(&hw.heap->cache_drain);
	EXPECT_EQ(span_cache_try_drain(hw.heap), 0);
	mutex_unlock(&hw.heap->cache_drain);
	EXPECT_EQ(cw_stats().cached_pages, 8);
	EXPECT_EQ(span_cache_try_drain(hw.heap), 8);
	/* One CPU alone. */
	cw_put(cw_get(8));
	shim_cpu = 2;
	cw_put(cw_get(5));
	shim_cpu = 1;
	EXPECT_EQ(span_cache_drain_own(hw.heap), 0);
	shim_cpu = 2;
	EXPECT_EQ(span_cache_drain_own(hw.heap), 5);
	EXPECT_EQ(cw_stats().cached_pages, 8);
	shim_cpu = 0;
	cw_end();
}

/* Whoever looks as soon as the lock is free again. */
static void look_after_flush(void)
{
	EXPECT_EQ(cw_stats().in_use_pages, 16);
	EXPECT_EQ(cw_stats().cached_pages, 32);
	ncalls++;
}

/* What is flushed is parked or in the tree, to whoever has the lock, and never both. */
void cache_flushed_at_once(void)
{
	struct span *span[10];
	unsigned int i;

	REQUIRE(hw_create(&cw_geometry), "heap");
	for (i = 0; i < 10; i++)
		span[i] = hw_request(8, 8, 0, GFP_KERNEL, 0);
	for (i = 0; i < 8; i++)
		cw_put(span[i]);
	ncalls = 0;
	shim_irq_hook = look_after_flush;
	cw_put(span[8]);
	shim_irq_hook = NULL;
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(cw_stats().cached_pages, 40);
	cw_put(span[9]);
	cw_end();
}

/* CPU 1 goes on while it is drained. */
static void go_on(int cpu)
{
	shim_cpu = cpu;
	cw_put(cw_get(1));
	shim_cpu = 0;
	ncalls++;
}

void cache_drained_while_used(void)
{
	struct span *span[3];

	REQUIRE(hw_create(&cw_geometry), "heap");
	span[0] = hw_request(20, 32, 0, GFP_KERNEL, 0);
	span[1] = hw_request(1, 32, 0, GFP_KERNEL, 0);
	span[2] = hw_request(30, 32, 0, GFP_KERNEL, 0);
	shim_cpu = 1;
	cw_put(span[0]);
	cw_put(span[1]);
	cw_put(span[2]);
	shim_cpu = 0;
	EXPECT_EQ(cw_stats().cached_pages, 51);
	ncalls = 0;
	shim_called_hook = go_on;
	EXPECT(span_cache_drain(hw.heap) >= 51, "something is left");
	shim_called_hook = NULL;
	EXPECT(ncalls >= 3 && ncalls <= 4, "%u calls", ncalls);
	EXPECT(cw_stats().cached_pages <= SPAN_BATCH, "%llu pages", cw_stats().cached_pages);
	cw_end();
}

/* A heap that got much smaller lets nobody keep what was little then, though he is busy. */
void cache_shrinks_with_the_heap(void)
{
	struct geometry geometry = cw_geometry;
	struct span *big[80], *span[6];
	unsigned int i, round;

	geometry.retain = 0;
	geometry.keeper = true;
	geometry.limit = 50000;
	REQUIRE(hw_create(&geometry), "heap");
	for (i = 0; i < 80; i++)
		big[i] = cw_get(520);
	/* The first time, a flush finds out how much is in use. */
	for (round = 0; round < 4; round++) {
		for (i = 0; i < 6; i++)
			span[i] = hw_request(16 - round, 16, 0, GFP_KERNEL, 0);
		for (i = 0; i < 6; i++)
			cw_put(span[i]);
	}
	EXPECT(cw_stats().cached_pages > 2 * CW_CACHE_PAGES, "%llu pages",
	       cw_stats().cached_pages);
	for (i = 0; i < 80; i++)
		cw_put(big[i]);
	/* All lengths, so that no shelf is drained since nobody uses it. */
	for (i = 0; i < 40; i++) {
		cw_put(cw_get(16 - i % 4));
		if (i % 4 == 3)
			fake_keeper_run(&hw.keeper, hw.keeper.now + NSEC_PER_SEC);
	}
	EXPECT(cw_stats().cached_pages <= CW_CACHE_PAGES, "%llu pages", cw_stats().cached_pages);
	cw_end();
}

/* What is parked for a CPU that is gone waits for who buries it, and nobody for that CPU. */
void cache_of_a_dead_cpu(void)
{
	REQUIRE(hw_create(&cw_geometry), "heap");
	shim_cpu = 1;
	cw_put(cw_get(5));
	shim_cpu = 0;
	cw_put(cw_get(8));
	shim_cpu_offline[1] = true;
	EXPECT_EQ(span_cache_drain(hw.heap), 8);
	EXPECT_EQ(cw_stats().cached_pages, 5);
	EXPECT_EQ(span_cache_drain_unused(hw.heap, 2), 0);
	EXPECT_EQ(span_cache_drain_unused(hw.heap, 1), 5);
	shim_cpu_offline[1] = false;
	EXPECT_EQ(cw_stats().cached_pages, 0);
	/* Nobody has to, if the heap ends before. */
	shim_cpu = 1;
	cw_put(cw_get(5));
	shim_cpu = 0;
	EXPECT(cw_stats().cached_pages >= 5, "nothing is parked");
	hw_end();
}

/* CPU 1 is done when it is asked for the third time. */
static void get_done(int cpu)
{
	if (++ncalls == 3)
		per_cpu_ptr(hw.heap->caches, cpu)->busy = false;
}

/* An interrupt, and who drains, find the cache in use. */
void cache_in_use(void)
{
	struct span *span[3];
	u64 done;

	REQUIRE(hw_create(&cw_geometry), "heap");
	shim_cpu = 1;
	span[0] = cw_get(4);
	span[1] = cw_get(4);
	span[2] = cw_get(4);
	cw_put(span[0]);
	per_cpu_ptr(hw.heap->caches, 1)->busy = true;
	done = cw_stats().cache_allocs + cw_stats().cache_frees + cw_stats().cache_refills;
	cw_put(span[1]);
	span[1] = hw_request(4, 0, 0, GFP_ATOMIC, 0);
	EXPECT(span[1] != span[0], "taken from under somebody's hands");
	EXPECT_EQ(span_cache_drain_own(hw.heap), 0);
	cw_put(hw_request(1, 0, 0, GFP_ATOMIC, 0));
	EXPECT_EQ(cw_stats().cache_allocs + cw_stats().cache_frees + cw_stats().cache_refills,
		  done);
	shim_cpu = 0;
	ncalls = 0;
	shim_call_hook = get_done;
	EXPECT_EQ(span_cache_try_drain(hw.heap), 0);
	EXPECT_EQ(ncalls, 1);
	EXPECT_EQ(span_cache_drain(hw.heap), 4);
	shim_call_hook = NULL;
	EXPECT_EQ(ncalls, 3);
	cw_put(span[1]);
	cw_put(span[2]);
	cw_end();
}

/* What is in use when an interrupt comes, and how often that was. */
static struct span *between;
static unsigned int ninterrupts;

static void use_in_interrupt(void)
{
	struct span *span = hw_request(3, 0, 0, GFP_ATOMIC, 0);

	/* It may have to wait for address space. */
	if (PTR_ERR(span) == -EAGAIN)
		return;
	EXPECT(!IS_ERR(span) && span != between, "in an interrupt");
	cw_put(span);
	span_cache_drain_own(hw.heap);
	ninterrupts++;
}

/* Interrupts come while shelves are filled and flushed. */
void cache_interrupted(void)
{
	struct span *span[12];
	unsigned int i, round;

	REQUIRE(hw_create(&cw_geometry), "heap");
	ninterrupts = 0;
	shim_irq_hook = use_in_interrupt;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 12; i++) {
			span[i] = cw_get(8 - round % 6);
			between = span[i];
		}
		between = NULL;
		for (i = 0; i < 12; i++)
			cw_put(span[i]);
		EXPECT(cw_sound(0), "round %u", round);
	}
	shim_irq_hook = NULL;
	EXPECT(ninterrupts > 20, "%u interrupts", ninterrupts);
	cw_end();
}

/* What nobody uses is not parked for ever, and nobody looks at empty caches. */
void cache_ages(void)
{
	struct geometry geometry = cw_geometry;
	struct span *busy, *idle;
	unsigned long wakes;
	unsigned int i;

	geometry.retain = 0;
	geometry.keeper = true;
	REQUIRE(hw_create(&geometry), "heap");
	busy = cw_get_at(0, 8);
	idle = cw_get_at(8, 8);
	wakes = hw.keeper.nwakes;
	cw_put(busy);
	shim_cpu = 1;
	cw_put(idle);
	shim_cpu = 0;
	EXPECT_EQ(hw.keeper.nwakes, wakes + 1);
	for (i = 0; i < 10; i++) {
		cw_put(cw_get_at(0, 8));
		fake_keeper_run(&hw.keeper, hw.keeper.now + NSEC_PER_SEC);
	}
	/* CPU 1 did nothing; CPU 0 goes on. */
	EXPECT_EQ(cw_stats().cached_pages, 8);
	EXPECT_EQ(hw.heap->backed_granules, 1);
	EXPECT(hw.heap->caches_watched && hw.keeper.pending, "nobody looks");
	fake_keeper_run(&hw.keeper, hw.keeper.now + 10 * (u64)NSEC_PER_SEC);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(hw.heap->backed_granules, 0);
	EXPECT(!hw.heap->caches_watched && !hw.keeper.pending, "somebody looks still");
	wakes = hw.keeper.nwakes;
	cw_put(cw_get(3));
	EXPECT_EQ(hw.keeper.nwakes, wakes + 1);
	fake_keeper_run(&hw.keeper, hw.keeper.now + 10 * (u64)NSEC_PER_SEC);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	cw_end();
}

/* A CPU that is at work with one length keeps no others. */
void cache_shelves_age(void)
{
	struct geometry geometry = cw_geometry;
	struct span *busy, *cold;
	unsigned int i;

	geometry.retain = 0;
	geometry.keeper = true;
	REQUIRE(hw_create(&geometry), "heap");
	busy = cw_get_at(0, 8);
	cold = cw_get_at(8, 5);
	cw_put(cold);
	cw_put(busy);
	EXPECT_EQ(cw_stats().cached_pages, 13);
	ncalls = 0;
	shim_called_hook = count_call;
	for (i = 0; i < 10; i++) {
		cw_put(cw_get_at(0, 8));
		fake_keeper_run(&hw.keeper, hw.keeper.now + NSEC_PER_SEC);
	}
	shim_called_hook = NULL;
	EXPECT_EQ(cw_stats().cached_pages, 8);
	/* Once for what is handed over, once to hear that this was all. */
	EXPECT(ncalls >= 1 && ncalls <= 2, "%u calls", ncalls);
	cw_end();
}

/*
 * Who parks something while the scavenger goes to rest may still see that it looks: what he
 * parked is found though nobody was told.
 */
void cache_parked_unheard(void)
{
	struct geometry geometry = cw_geometry;
	struct span *late;
	unsigned int looks;

	geometry.retain = 0;
	geometry.keeper = true;
	REQUIRE(hw_create(&geometry), "heap");
	late = cw_get_at(0, 8);
	cw_put(cw_get_at(8, 8));
	/* Until the caches are found empty. */
	for (looks = 0; hw.heap->caches_watched && looks < 10; looks++)
		fake_keeper_run(&hw.keeper, hw.keeper.now + 2 * (u64)NSEC_PER_SEC);
	EXPECT(!hw.heap->caches_watched, "it looks for ever");
	EXPECT(hw.keeper.pending, "it rests already");
	hw.heap->caches_watched = true;
	cw_put(late);
	hw.heap->caches_watched = false;
	EXPECT_EQ(cw_stats().cached_pages, 8);
	fake_keeper_run(&hw.keeper, hw.keeper.now + 10 * (u64)NSEC_PER_SEC);
	EXPECT_EQ(cw_stats().cached_pages, 0);
	EXPECT_EQ(hw.heap->backed_granules, 0);
	EXPECT(!hw.keeper.pending, "it does not rest");
	cw_end();
}

/* However long the scavenger remembers, and whatever else it waits for. */
void cache_ages_in_a_long_window(void)
{
	struct geometry geometry = cw_geometry;
	struct span *first, *second;
	unsigned int parked_late;

	geometry.retain = 10;
	geometry.window_ms = 16 * 1000 * 1000;
	geometry.keeper = true;
	for (parked_late = 0; parked_late < 2; parked_late++) {
		REQUIRE(hw_create(&geometry), "heap");
		first = cw_get_at(0, 8);
		second = hw_request(64, 8, 0, GFP_KERNEL, 7);
		/* Too long to be parked in 64 pages with others, so idle; an epoch is 1000 s. */
		if (!parked_late)
			cw_put(first);
		hw.heap->cache_pages = 32;
		cw_put(second);
		hw.heap->cache_pages = CW_CACHE_PAGES;
		EXPECT(hw.heap->treap.ngranules_idle, "nothing idle");
		if (parked_late) {
			fake_keeper_run(&hw.keeper, hw.keeper.now + 5 * (u64)NSEC_PER_SEC);
			cw_put(first);
		}
		EXPECT_EQ(cw_stats().cached_pages, 8);
		fake_keeper_run(&hw.keeper, hw.keeper.now + 5 * (u64)NSEC_PER_SEC);
		EXPECT_EQ(cw_stats().cached_pages, 0);
		cw_end();
	}
}
