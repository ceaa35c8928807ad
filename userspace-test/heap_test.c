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

#define NCASES	60

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
	{ "a span in use splits anywhere inside, nowhere else", split_in_use },
	{ "a quarantined span keeps its pages until it is freed", quarantine },
	{ "a span with views is neither freed nor split", views_keep_a_span },
	{ "views are counted, and only of spans in use", views_are_counted },
	{ "what holds address space back is drained before failing", drain_before_failing },
	{ "destroying a heap counts the leaks and loses their granules", destroy_with_leaks },
	{ "fragmentation in thousandths", fragmentation },
	{ "an address space without limit", large_address_space },
	{ "every metadata allocation of an allocation fails once", metadata_failures },
	{ "every block of an allocation is refused once", backing_failures },
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
	{ "a check in batches on a changing heap", check_in_batches_of_a_changing_heap },
	{ "threads at work beside one that looks and scavenges", threads_at_work },
	{ "each invariant, broken by hand, is named", damage_is_named },
	{ "a damaged heap refuses work and loses its memory on purpose", damaged_heap_refuses },
	{ "a span that the map does not know is not freed", lies_of_the_map_are_noticed },
	{ "a second free is refused", second_free_is_refused },
	{ "all 262144 sequences of six steps in six pages", every_short_sequence },
	{ "random sequences, granules of 1 and 2 pages", random_small_granules },
	{ "random sequences, granules of 8 pages", random_granules_of_eight },
	{ "random sequences, granules of 512 pages", random_large_granules },
	{ "random sequences, with a share of idle memory kept", random_retention },
	{ "random sequences, scattered granules", random_scattered },
};

static void before(void)
{
	shim_take_warnings();
	EXPECT_EQ(span_cache_init(), 0);
}

static void after(void)
{
	unsigned long warnings;

	span_cache_exit();
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
