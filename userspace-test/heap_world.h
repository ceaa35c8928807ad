/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A heap and its model side by side: what the heap's tests share.
 */
#ifndef _HEAP_WORLD_H
#define _HEAP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "heap.h"

#include "fake_backing.h"
#include "fake_keeper.h"
#include "ktap.h"
#include "model/heap_model.h"
#include "rng.h"
#include "shim.h"
#include "trial.h"

#define LIVE_MAX	16384

/**
 * struct geometry - what kind of heap
 * @order: log2 of a granule's pages
 * @arena: pages of an arena
 * @limit: end of the address space
 * @retain: see struct spanalloc_attr
 * @account: see struct spanalloc_attr
 * @scatter_every: see struct fake_backing
 * @dirty: see struct fake_backing
 * @wipe: see struct spanalloc_attr
 * @poison: see struct spanalloc_attr
 * @prezero: see struct spanalloc_attr
 * @keeper: with a keeper
 * @window_ms: see struct spanalloc_attr
 * @pace: in thousandths, see struct spanalloc_attr
 * @give_ns: see struct fake_backing
 * @cache: pages, see cache_pages in struct spanalloc_attr
 */
struct geometry {
	unsigned int order;
	unsigned long arena;
	unsigned long limit;
	int retain;
	bool account;
	unsigned long scatter_every;
	bool dirty;
	bool wipe;
	bool poison;
	bool prezero;
	bool keeper;
	unsigned int window_ms;
	unsigned int pace;
	u64 give_ns;
	unsigned long cache;
};

/**
 * struct live - a span that a test has
 * @span: the span
 * @base: its first page, by the model
 * @npages: its length
 * @owner: its number: owner in the model and in the heap
 * @stamp: its first page's stamp; the others follow
 * @quarantined: it is in quarantine
 */
struct live {
	struct span *span;
	unsigned long base;
	unsigned long npages;
	unsigned int owner;
	u64 stamp;
	bool quarantined;
};

/**
 * struct heap_world - a heap, its memory, its model
 * @geometry: what kind
 * @heap: the heap under test
 * @fake: its memory
 * @keeper: its keeper, if it has one
 * @model: the model
 * @live: the spans handed out
 * @nlive: how many
 * @last_owner: the last number given to a span
 * @last_stamp: the last page's stamp
 * @talk: say what is done
 */
struct heap_world {
	struct geometry geometry;
	struct span_heap *heap;
	struct fake_backing fake;
	struct fake_keeper keeper;
	struct model model;
	struct live live[LIVE_MAX];
	size_t nlive;
	unsigned int last_owner;
	u64 last_stamp;
	bool talk;
};

extern struct heap_world hw;

bool hw_create(const struct geometry *geometry);
/* Frees all spans, and verifies that nothing is left. */
void hw_destroy(void);
/* What follows the last free: ends the heap, and verifies that nothing is left. */
void hw_end(void);

/* Do it to both and compare; false if something was wrong. */
bool hw_alloc(unsigned long npages, unsigned long align, unsigned int flags, gfp_t gfp);
bool hw_free(size_t at);
/* Index of the span at @base, which there is. */
size_t hw_at(unsigned long base);
bool hw_split(size_t at, unsigned long npages);
bool hw_quarantine(size_t at);
bool hw_scavenge(unsigned long npages);
bool hw_reclaim(unsigned long npages);
bool hw_before_take(void);
bool hw_prezero(unsigned long ngranules);
bool hw_repair(unsigned long ngranules);
/* Write to a free page, the @nth of those that have memory, if free pages are poisoned. */
void hw_spoil(unsigned long nth);
bool hw_set_policy(int percent, unsigned int window_ms, unsigned int pace);
/* Time passes, and the scavenger does what it has to. */
bool hw_pass(u64 ns);

/* The next request for a block, the n-th of the next operation, is refused. */
void hw_fail_block(unsigned long nth);
void hw_fail_metadata(unsigned long nth);

/* Stamp the pages of a span; are they as they were stamped? */
void hw_stamp(const struct live *live);
bool hw_stamps_are_good(const struct live *live);
bool hw_is_zero(const struct live *live);
/* Do the pages hold what free pages do, or what hw_spoil() wrote? */
bool hw_is_as_left(const struct live *live);
struct page *hw_page(const struct live *live, unsigned long index);

/* Statistics, and the check in one hold. */
bool hw_verify(void);
/* Also every span by walk, every page by lookup, and the check in batches. */
bool hw_verify_all(void);
bool hw_check(unsigned int batch);

/* A plain request to the heap alone. */
struct span *hw_request(unsigned long npages, unsigned long align, unsigned int flags,
			gfp_t gfp, unsigned int owner);
/* What such a request got, in a form that can be stamped. */
void hw_keep(struct live *live, struct span *span);

/* heap_steps.c */

enum hw_op_kind {
	OP_ALLOC,
	OP_FREE,
	OP_SPLIT,
	OP_QUARANTINE,
	OP_SCAVENGE,
	OP_BEFORE_TAKE,
	OP_PREZERO,
	OP_REPAIR,
	OP_SPOIL,
	OP_BAD_REQUEST,
	OP_FAIL_BLOCK,		/* in the step that follows */
	OP_FAIL_METADATA,
	OP_RECLAIM,
	OP_TIME,
	OP_POLICY,
};

/**
 * struct hw_op - a step of a sequence, which means something in any state
 * @kind: what to do
 * @a: which, or how much: taken modulo what there is
 * @b: how
 */
struct hw_op {
	enum hw_op_kind kind;
	uint32_t a;
	uint32_t b;
};

/* A step, more likely to give back than to take if @shrinking. */
struct hw_op hw_random_op(struct rng *rng, bool shrinking);
/* Do it to both, compare, and verify: everything if @all. */
bool hw_step(const struct hw_op *op, bool all);
/* At the end of a sequence: verify everything, and destroy. */
bool hw_finish(void);

/* heap_chaos.c: any operation inside any other; the model plays no part */

/* On a fresh heap, with decisions from @rng; steps are nested if @hooks. */
void chaos_start(const struct rng *rng, bool hooks);
/* From here on decide by the seed, and by the number of the step that follows. */
void chaos_seed(uint64_t seed, size_t number);
void chaos_step(void);
void chaos_look(void);
/* Were all decisions of a tape made? */
bool chaos_at_end(void);
/* Steps that were done inside of others. */
unsigned long chaos_nested(void);
/* Spans that came or went with others. */
unsigned long chaos_in_bulk(void);
/* No more hooks and failures. */
void chaos_calm(void);
/* Frees all, verifies, and destroys. */
void chaos_finish(void);

/* heap_random.c */
void random_small_granules(void);
void random_granules_of_eight(void);
void random_large_granules(void);
void random_retention(void);
void random_time(void);
void random_scattered(void);
void random_accounted(void);
void random_contents(void);

/* heap_small.c */
void every_sequence_of_six(void);
void every_sequence_of_five(void);

/* heap_fault.c */
void metadata_failures(void);
void backing_failures(void);
void contig_without_blocks(void);
void idle_memory_helps_out(void);
void contig_keeps_the_idle_block(void);
void split_failures(void);
void create_failures(void);
void fatal_signal(void);
void fatal_signal_while_zeroing(void);
void drain_before_no_memory(void);
void drain_before_no_tables(void);

/* heap_cache.c */
void cache_serves_pairs(void);
void cache_refills_from_below(void);
void cache_refills_from_holes(void);
void cache_full_shelf_flushes_half(void);
void cache_is_bounded(void);
void cache_is_patient(void);
void cache_grows_with_the_heap(void);
void cache_long_spans_share(void);
void cache_drains_before_failing(void);
void cache_drains_on_demand(void);
void cache_flushed_at_once(void);
void cache_drained_while_used(void);
void cache_shrinks_with_the_heap(void);
void cache_of_a_dead_cpu(void);
void cache_in_use(void);
void cache_interrupted(void);
void cache_tells_heaps_apart(void);
void cache_ages(void);
void cache_parked_unheard(void);
void cache_ages_in_a_long_window(void);
void cache_shelves_age(void);
void cache_drained_into_damage(void);
void cache_in_use_when_filled(void);
void cache_drains_before_growing(void);
void cache_reclaim_asks_last(void);
void cache_zeroes_what_is_dirty(void);
void cache_contiguous_only_if_it_is(void);
void cache_refuses_what_is_parked(void);
void cache_without_objects(void);
void cache_in_an_interrupt(void);
void cache_is_not_for_all_heaps(void);
void cache_of_a_damaged_heap(void);
void bulk_is_carved_and_merged(void);
void bulk_fails_in_part(void);
void bulk_of_long_spans(void);
void bulk_finds_damage(void);
void bulk_is_for_all_heaps(void);

/* heap_contents.c */
void freed_pages_are_wiped(void);
void refused_frees_fill_nothing(void);
void half_freed_is_nobodys(void);
void long_frees_let_others_work(void);
void damaged_while_wiping(void);
void freed_pages_are_poisoned(void);
void broken_pages_are_told(void);
void few_broken_pages_are_told(void);
void broken_pages_do_not_get_away(void);
void failures_leave_poison_as_it_is(void);
void contents_are_forgotten_in_the_end(void);

/* heap_upkeep.c */
void clearing_goes_from_below(void);
void clearing_stops_at_the_mark(void);
void upkeep_rests(void);
void upkeep_comes_back(void);
void repair_brings_dirt(void);
void long_upkeep(void);
void clearing_is_for_dirt(void);
void repair_goes_from_below(void);
void repair_goes_nowhere_else(void);
void scavenger_tends(void);
void prezero_wakes_where_it_clears(void);
void races_for_a_granule_that_is_cleared(void);
void claims_are_not_given_a_cleared_granule(void);
void races_for_a_granule_that_is_repaired(void);

/* heap_race.c */
void race_for_a_granule(void);
void race_won_before_failure(void);
void race_lost_by_failure(void);
void claims_are_invisible(void);
void race_of_two_growths(void);
void race_won_before_growth_fails(void);
void long_searches(void);
void freed_behind_a_search(void);
void damaged_behind_a_search(void);
void race_contig_scattered(void);
void race_everything_in_the_hook(void);
void race_everything_accounted(void);
void race_with_a_keeper(void);
void race_with_caches(void);
void check_in_batches_of_a_changing_heap(void);

/* heap_accounted.c */
void accounted_keeps_nothing(void);
void accounted_looks_at_what_is_freed(void);
void accounted_failures(void);

/* demand_window.c */
void window_is_absent(void);
void window_forgets(void);
void window_by_shape(void);
void window_unseen(void);
void window_far_ahead(void);
void window_at_random(void);

/* heap_scavenger.c */
void load_falls_to_the_goal(void);
void work_keeps_the_pace(void);
void preempted_batch(void);
void free_wakes_once(void);
void quarantine_wakes(void);
void waves_are_kept(void);
void rare_waves_go(void);
void spike_goes(void);
void slow_decline(void);
void nothing_is_retained(void);
void all_is_retained(void);
void taking_gives_back_two(void);
void policies_change(void);

/* heap_pressure.c */
void reclaim_knows_no_goal(void);
void reclaim_does_not_wait(void);
void reclaim_does_not_wait_for_caches(void);
void reclaim_waits_with_spans_in_hand(void);
void reclaim_ends_at_a_lock(void);
void steps_inside_an_allocation(void);
void work_inside_of_steps(void);
void damaged_heap_keeps_all(void);
void places_stay_the_same(void);
void spans_with_nothing_cost_nothing(void);

/* heap_threads.c */
void threads_at_work(void);
void threads_on_an_accounted_heap(void);
void threads_with_caches(void);

/* heap_damage.c */
void damage_is_named(void);
void damaged_heap_refuses(void);
void hidden_span_is_noticed(void);
void lies_of_the_map_are_noticed(void);
void second_free_is_refused(void);

/* heap_direct.c */
void bad_requests(void);
void absurd_lengths(void);
void bad_attributes(void);
void limit_is_rounded(void);
void empty_heap(void);
void first_fit_positions(void);
void carve_in_place(void);
void coalesce_in_place(void);
void align_and_boundary(void);
void zero_after_dirt(void);
void nothing_is_zeroed_twice(void);
void limits_have_their_errors(void);
void nowait_never_grows(void);
void nowait_takes_once(void);
void caller_flags_are_masked(void);
void contig_avoids_scattered(void);
void scavenge_from_above(void);
void scavenge_in_batches(void);
void retention(void);
void split_in_use(void);
void quarantine(void);
void views_keep_a_span(void);
void views_are_counted(void);
void drain_before_failing(void);
void destroy_with_leaks(void);
void fragmentation(void);
void large_address_space(void);

#endif /* _HEAP_WORLD_H */
