// SPDX-License-Identifier: GPL-2.0-only
/*
 * The span heap against an array of pages: directed tests, random sequences,
 * failures, forced races, threads, planted damage.
 *
 * heap-test [--seed N] [--ops N] [--no-shrink] [CASE]
 */
#include <getopt.h>
#include <stdlib.h>

#include "heap_world.h"

#define NCASES	159

uint64_t opt_seed;
uint64_t opt_ops = 3000;
bool opt_shrink = true;

static const struct ktap_case cases[] = {
	{ "requests that make no sense are refused", bad_requests },
	{ "absurd lengths are over the limit, whatever the sum", absurd_lengths },
	{ "attributes that make no sense are refused", bad_attributes },
	{ "the limit is rounded to granules, whatever the arena", limit_is_rounded },
	{ "an empty heap answers every question", empty_heap },
	{ "the lowest run that fits is taken", first_fit_positions },
	{ "allocation changes a free span in its tree node", carve_in_place },
	{ "freeing changes a free neighbour in its tree node", coalesce_in_place },
	{ "aligned and contiguous runs are the lowest, exactly", align_and_boundary },
	{ "no page asked for as zero holds what was there before", zero_after_dirt },
	{ "nothing is zeroed that is known to be zero", nothing_is_zeroed_twice },
	{ "limit, space and memory have their own errors", limits_have_their_errors },
	{ "without sleeping the address space never grows", nowait_never_grows },
	{ "without sleeping memory is asked for once", nowait_takes_once },
	{ "zone and zeroing bits of the caller go nowhere", caller_flags_are_masked },
	{ "contiguous requests avoid scattered granules", contig_avoids_scattered },
	{ "without contiguous blocks a backed granule serves", contig_without_blocks },
	{ "without memory an idle granule elsewhere serves", idle_memory_helps_out },
	{ "scavenging takes whole granules from the highest down", scavenge_from_above },
	{ "scavenging goes on after a batch", scavenge_in_batches },
	{ "idle memory above the share goes back before more is taken", retention },
	{ "an accounted heap keeps nothing idle, in any context", accounted_keeps_nothing },
	{ "an accounted heap looks only at what was freed", accounted_looks_at_what_is_freed },
	{ "a span in use splits anywhere inside, nowhere else", split_in_use },
	{ "a quarantined span keeps its pages until it is freed", quarantine },
	{ "a span with views is neither freed nor split", views_keep_a_span },
	{ "views are counted, and only of spans in use", views_are_counted },
	{ "what holds address space back is drained before failing", drain_before_failing },
	{ "destroying a heap counts the leaks and loses their granules", destroy_with_leaks },
	{ "fragmentation in thousandths", fragmentation },
	{ "an address space without limit", large_address_space },
	{ "a cache serves pairs without the lock and the tree", cache_serves_pairs },
	{ "a cache is refilled from below, by one change", cache_refills_from_below },
	{ "a cache is refilled from what is backed, in several places", cache_refills_from_holes },
	{ "a full shelf gives the older half back", cache_full_shelf_flushes_half },
	{ "no CPU parks more than it may", cache_is_bounded },
	{ "a full cache is patient", cache_is_patient },
	{ "a large heap parks more in its caches", cache_grows_with_the_heap },
	{ "long spans share shelves", cache_long_spans_share },
	{ "caches are drained before an allocation fails", cache_drains_before_failing },
	{ "caches are drained where the heap would have to grow", cache_drains_before_growing },
	{ "reclaim asks the caches last", cache_reclaim_asks_last },
	{ "a cache is drained into a heap that is damaged", cache_drained_into_damage },
	{ "a cache that is in use is not filled", cache_in_use_when_filled },
	{ "caches are drained on demand", cache_drains_on_demand },
	{ "a cache is flushed in one hold of the lock", cache_flushed_at_once },
	{ "a cache is drained though it is used", cache_drained_while_used },
	{ "caches shrink with the heap", cache_shrinks_with_the_heap },
	{ "caches of dead CPUs are drained", cache_of_a_dead_cpu },
	{ "a cache that is in use is left alone", cache_in_use },
	{ "caches at work, and interrupted", cache_interrupted },
	{ "no two heaps have one mark", cache_tells_heaps_apart },
	{ "caches that nobody uses are drained, and then nobody looks", cache_ages },
	{ "shelves that nobody uses are drained", cache_shelves_age },
	{ "what is parked unheard is found", cache_parked_unheard },
	{ "caches are looked at in time, whatever the window", cache_ages_in_a_long_window },
	{ "what comes from a cache is zeroed if it is not zero", cache_zeroes_what_is_dirty },
	{ "what comes from a cache is contiguous if it has to be", cache_contiguous_only_if_it_is },
	{ "what is parked is not freed again", cache_refuses_what_is_parked },
	{ "no objects, no batch", cache_without_objects },
	{ "caches in an interrupt", cache_in_an_interrupt },
	{ "which heaps have caches", cache_is_not_for_all_heaps },
	{ "the caches of a damaged heap", cache_of_a_damaged_heap },
	{ "many at once, side by side", bulk_is_carved_and_merged },
	{ "many at once, of which some fail", bulk_fails_in_part },
	{ "many at once, and long", bulk_of_long_spans },
	{ "many at once, one of which shows damage", bulk_finds_damage },
	{ "many at once, in every kind of heap", bulk_is_for_all_heaps },
	{ "freed pages are wiped at once, and never again", freed_pages_are_wiped },
	{ "a span that is not freed is not filled", refused_frees_fill_nothing },
	{ "a span is nobody's while its pages are filled", half_freed_is_nobodys },
	{ "long frees let others have the processor", long_frees_let_others_work },
	{ "a heap is found damaged while pages are wiped", damaged_while_wiping },
	{ "freed pages are poisoned, and verified", freed_pages_are_poisoned },
	{ "a page that was written to while free is told once", broken_pages_are_told },
	{ "many broken pages are counted, few told", few_broken_pages_are_told },
	{ "what leaves a heap is verified, on each way", broken_pages_do_not_get_away },
	{ "an allocation that fails leaves poison as it is", failures_leave_poison_as_it_is },
	{ "contents are forgotten before a heap ends", contents_are_forgotten_in_the_end },
	{ "idle granules are cleared from the lowest up", clearing_goes_from_below },
	{ "what is known to be zero is not cleared", clearing_stops_at_the_mark },
	{ "nothing is looked at until something is freed", upkeep_rests },
	{ "clearing and repairing let others have the lock", long_upkeep },
	{ "neither wiped nor poisoned memory is cleared", clearing_is_for_dirt },
	{ "scattered granules are repaired until a block is refused", repair_goes_from_below },
	{ "repair takes no block of another node", repair_goes_nowhere_else },
	{ "the scavenger sees to idle granules", scavenger_tends },
	{ "where nothing is to be cleared, nobody is woken for it", prezero_wakes_where_it_clears },
	{ "a granule is wanted while it is cleared", races_for_a_granule_that_is_cleared },
	{ "a claim keeps away a cleared granule", claims_are_not_given_a_cleared_granule },
	{ "a granule is wanted while it is repaired", races_for_a_granule_that_is_repaired },
	{ "every metadata allocation of an allocation fails once", metadata_failures },
	{ "every block of an allocation is refused once", backing_failures },
	{ "a failed allocation of an accounted heap keeps nothing", accounted_failures },
	{ "splitting without memory leaves the span whole", split_failures },
	{ "creating without memory leaves nothing", create_failures },
	{ "a fatal signal ends an allocation and loses nothing", fatal_signal },
	{ "a fatal signal while pages are zeroed", fatal_signal_while_zeroing },
	{ "what can be drained is before memory is missing", drain_before_no_memory },
	{ "what can be drained is before tables are missing", drain_before_no_tables },
	{ "two claims race for a granule: one block goes back", race_for_a_granule },
	{ "a refusal does not matter when the other claim had luck", race_won_before_failure },
	{ "the other claim of a granule fails and goes back", race_lost_by_failure },
	{ "claims are invisible but to walk and check", claims_are_invisible },
	{ "two growths race at every allocation of the slower one", race_of_two_growths },
	{ "no tables, but somebody else has grown the heap", race_won_before_growth_fails },
	{ "long searches let others have the lock", long_searches },
	{ "what is freed behind a search is found", freed_behind_a_search },
	{ "a heap is found damaged in the middle of a search", damaged_behind_a_search },
	{ "a granule turns scattered under a contiguous claim", race_contig_scattered },
	{ "any operation inside any other, three deep", race_everything_in_the_hook },
	{ "the same on an accounted heap, which is left without idle memory",
	  race_everything_accounted },
	{ "the same beside a scavenger, and a system in need", race_with_a_keeper },
	{ "the same with caches, drained and interrupted", race_with_caches },
	{ "a check in batches on a changing heap", check_in_batches_of_a_changing_heap },
	{ "threads at work beside one that looks, scavenges and tends", threads_at_work },
	{ "threads at work on an accounted heap", threads_on_an_accounted_heap },
	{ "threads at work, with per-CPU caches", threads_with_caches },
	{ "without a window only the present counts", window_is_absent },
	{ "what was needed counts for sixteen epochs", window_forgets },
	{ "swings are kept, spikes are not", window_by_shape },
	{ "what nobody looked at counts for long", window_unseen },
	{ "a clock far ahead", window_far_ahead },
	{ "the window against a list of samples", window_at_random },
	{ "when the load ends, memory falls to the goal, in time", load_falls_to_the_goal },
	{ "giving back keeps its pace", work_keeps_the_pace },
	{ "a batch that was preempted", preempted_batch },
	{ "a heap at rest sleeps; the free that makes work wakes once", free_wakes_once },
	{ "a span in quarantine is not in use", quarantine_wakes },
	{ "a load that comes and goes is kept, and counted", waves_are_kept },
	{ "a load that comes too rarely is not", rare_waves_go },
	{ "a spike goes after the short part of the window", spike_goes },
	{ "a slow decline is followed", slow_decline },
	{ "a heap that retains nothing does not wait", nothing_is_retained },
	{ "a heap that retains all gives what is asked for", all_is_retained },
	{ "taking a granule gives two back, above the goal", taking_gives_back_two },
	{ "another policy holds at once", policies_change },
	{ "the system gets what it wants, whatever the goal", reclaim_knows_no_goal },
	{ "reclaim does not wait for the lock", reclaim_does_not_wait },
	{ "what reclaim had before the lock was taken counts", reclaim_ends_at_a_lock },
	{ "steps and reclaim inside an allocation", steps_inside_an_allocation },
	{ "allocation, free, trim and reclaim inside a step", work_inside_of_steps },
	{ "a damaged heap keeps all, and its scavenger rests", damaged_heap_keeps_all },
	{ "scavenging changes no place", places_stay_the_same },
	{ "free spans with nothing idle cost nothing", spans_with_nothing_cost_nothing },
	{ "each invariant, broken by hand, is named", damage_is_named },
	{ "a damaged heap refuses work and loses its memory on purpose", damaged_heap_refuses },
	{ "sums that hide a free span", hidden_span_is_noticed },
	{ "a span that the map does not know is not freed", lies_of_the_map_are_noticed },
	{ "a second free is refused", second_free_is_refused },
	{ "all 262144 sequences of six steps in six pages", every_short_sequence },
	{ "random sequences, granules of 1 and 2 pages", random_small_granules },
	{ "random sequences, granules of 8 pages", random_granules_of_eight },
	{ "random sequences, granules of 512 pages", random_large_granules },
	{ "random sequences, with a share of idle memory kept", random_retention },
	{ "random sequences, while time passes", random_time },
	{ "random sequences, scattered granules", random_scattered },
	{ "random sequences, accounted heaps", random_accounted },
	{ "random sequences, free pages wiped or poisoned", random_contents },
};

static void before(void)
{
	shim_take_warnings();
	EXPECT_EQ(span_objects_init(), 0);
}

static void after(void)
{
	unsigned long warnings;

	span_objects_exit();
	warnings = shim_take_warnings();
	EXPECT(!warnings, "%lu warnings, the last: %s", warnings, shim_last_warning);
	EXPECT_EQ(shim_live().caches, 0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "no-shrink", no_argument, NULL, 'n' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 'n')
			opt_shrink = false;
		else
			*(c == 's' ? &opt_seed : &opt_ops) = strtoull(optarg, NULL, 0);
	}
	ktap_only = argv[optind];
	return ktap_run(cases, ARRAY_SIZE(cases), NCASES, before, after);
}
