// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims, backing and scavenging: allocations, frees and TRIM that are held while they do
 * not hold the heap's lock, and one that does.
 */
#include "race.h"

static uint64_t granule;

/* Nothing is backed, and the address space has room for all cases. */
static int start(void)
{
	int fd = dev_open();

	granule = dev_info(fd).granule_pages;
	dev_trim(fd, ~0ULL);
	CHECK_EQ(dev_stats(fd).backed_pages, 0);
	return fd;
}

/* What FIRST is to be given; nothing is allocated yet. */
static struct call *call_of(int fd, uint64_t npages)
{
	struct call *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(call != MAP_FAILED);
	*call = (struct call){ .fd = fd, .npages = npages, .seed = 3 };
	return call;
}

static void check_contents(const struct call *call)
{
	void *address = dev_map(call->fd, call->offset, call->npages);

	CHECK(is_filled(address, call->npages, call->seed));
	dev_unmap(address, call->npages);
}

/* One granule whose pages are backed, idle and not zero. */
static void make_dirty(int fd, uint64_t ngranules)
{
	struct spanalloc_alloc alloc;

	dev_unmap(dev_alloc_filled(fd, ngranules * granule, 9, &alloc), ngranules * granule);
	dev_free(fd, alloc.handle);
	CHECK_EQ(dev_stats(fd).idle_pages, ngranules * granule);
}

/* FIRST shares its second granule, which is backed, with a free span. */
static void trim_between_claim_and_backing(void)
{
	int fd = start();
	struct call *call = call_of(fd, granule + granule / 2), *rest = call_of(fd, granule / 2);
	struct spanalloc_alloc low = dev_alloc(fd, granule), high = dev_alloc(fd, granule);
	pid_t first;

	dev_free(fd, low.handle);
	CHECK_EQ(dev_trim(fd, ~0ULL), granule);
	dev_free(fd, high.handle);
	meet_at(IN_MODULE(buddy_take), 1);
	first = task_start(FIRST, call_alloc, call);
	meet_held();
	CHECK_EQ(dev_stats(fd).claimed_pages, call->npages);
	CHECK_EQ(dev_trim(fd, ~0ULL), 0);
	call_alloc(rest);
	CHECK_EQ(rest->base, call->npages);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(call->base, 0);
	check_contents(call);
	check_contents(rest);
	CHECK_EQ(dev_stats(fd).backed_pages, 2 * granule);
}

/* Everything is backed, and FIRST is about to zero it. */
static void trim_between_backing_and_publishing(void)
{
	int fd = start();
	struct call *call = call_of(fd, 2 * granule), *other = call_of(fd, 1);
	pid_t first;

	make_dirty(fd, 2);
	meet_at(IN_MODULE(buddy_fill), 1);
	first = task_start(FIRST, call_alloc, call);
	meet_held();
	CHECK_EQ(dev_stats(fd).claimed_pages, 2 * granule);
	CHECK_EQ(dev_stats(fd).in_use_pages, 0);
	CHECK_EQ(dev_trim(fd, ~0ULL), 0);
	call_alloc(other);
	CHECK_EQ(other->base, 2 * granule);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(call->base, 0);
	check_contents(call);
	check_contents(other);
}

/* FIRST holds blocks that are detached and not given back. */
static void alloc_where_trim_has_detached(void)
{
	int fd = start();
	struct call *call = call_of(fd, 2 * granule);
	struct call *trim = call_of(fd, 0);
	pid_t first;

	make_dirty(fd, 2);
	meet_at(IN_MODULE(buddy_give), 1);
	first = task_start(FIRST, call_trim, trim);
	meet_held();
	CHECK_EQ(dev_stats(fd).backed_pages, 0);
	call_alloc(call);
	CHECK_EQ(call->base, 0);
	CHECK_EQ(dev_stats(fd).backed_pages, 2 * granule);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(trim->released, 2 * granule);
	check_contents(call);
	CHECK_EQ(dev_stats(fd).backed_pages, 2 * granule);
}

/* More granules than TRIM detaches in one batch. */
#define NMANY	17

/* Between two batches, the span that TRIM works on grows at its lower end. */
static void free_below_what_trim_has_detached(void)
{
	int fd = start();
	struct spanalloc_alloc low = dev_alloc(fd, granule), high = dev_alloc(fd, NMANY * granule);
	struct call *trim = call_of(fd, 0);
	pid_t first;

	dev_free(fd, high.handle);
	meet_at(IN_MODULE(buddy_give), 1);
	first = task_start(FIRST, call_trim, trim);
	meet_held();
	/* Some are detached, and some wait for the next batch. */
	CHECK(dev_stats(fd).idle_pages > 0);
	CHECK(dev_stats(fd).backed_pages < NMANY * granule);
	dev_free(fd, low.handle);
	CHECK_EQ(dev_stats(fd).free_spans, 1);
	CHECK(dev_heap_is_sound());
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(trim->released, (NMANY + 1) * granule);
	CHECK_EQ(dev_stats(fd).backed_pages, 0);
}

/* FIRST frees, and holds the heap's lock. */
static void trim_waits_for_free(void)
{
	int fd = start();
	struct call *call = call_of(fd, granule);
	struct spanalloc_alloc high;
	pid_t first;

	call_alloc(call);
	high = dev_alloc(fd, 2 * granule);
	dev_free(fd, high.handle);
	meet_at_until(IN_MODULE(span_space_coalesce), SECOND, IN_MODULE(span_heap_scavenge));
	first = task_start(FIRST, call_free, call);
	/* Looking at the statistics would take the lock. */
	meet_held();
	CHECK_EQ(dev_trim(fd, ~0ULL), 3 * granule);
	CHILD_SUCCEEDS(first);
	meet_met();
	CHECK_EQ(call->error, 0);
	CHECK_EQ(dev_stats(fd).backed_pages, 0);
	CHECK_EQ(dev_stats(fd).free_spans, 1);
}

/* FIRST has found the granule released, and takes memory for it. */
static void claims_of_one_granule(void)
{
	int fd = start();
	struct call *call = call_of(fd, 100), *other = call_of(fd, 50);
	struct spanalloc_heap_stats before = dev_stats(fd);
	pid_t first;

	other->seed = 4;
	meet_at(IN_MODULE(buddy_take), 1);
	first = task_start(FIRST, call_alloc, call);
	meet_held();
	call_alloc(other);
	CHECK_EQ(other->base, 100);
	CHECK_EQ(dev_stats(fd).backing_races, before.backing_races);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(call->base, 0);
	CHECK_EQ(dev_stats(fd).backing_races, before.backing_races + 1);
	CHECK_EQ(dev_stats(fd).backed, before.backed + 1);
	CHECK_EQ(dev_stats(fd).backed_pages, granule);
	check_contents(call);
	check_contents(other);
}

/* The same, but nobody comes between, and the other one is freed before FIRST goes on. */
static void claim_whose_granule_comes_and_goes(void)
{
	int fd = start();
	struct call *call = call_of(fd, 100), *other = call_of(fd, 50);
	struct spanalloc_heap_stats before = dev_stats(fd);
	pid_t first;

	meet_at(IN_MODULE(buddy_take), 1);
	first = task_start(FIRST, call_alloc, call);
	meet_held();
	call_alloc(other);
	dev_free(fd, other->handle);
	/* The granule is FIRST's in part, who does not know that it is backed. */
	CHECK_EQ(dev_trim(fd, ~0ULL), 0);
	meet_go();
	CHILD_SUCCEEDS(first);
	CHECK_EQ(dev_stats(fd).backing_races, before.backing_races + 1);
	CHECK_EQ(dev_stats(fd).backed_pages, granule);
	check_contents(call);
}

static const struct test_case cases[] = {
	CASE(trim_between_claim_and_backing),
	CASE(trim_between_backing_and_publishing),
	CASE(alloc_where_trim_has_detached),
	CASE(free_below_what_trim_has_detached),
	CASE(trim_waits_for_free),
	CASE(claims_of_one_granule),
	CASE(claim_whose_granule_comes_and_goes),
};

const struct test_suite memory_suite = SUITE(cases);
