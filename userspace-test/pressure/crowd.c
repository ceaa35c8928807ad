// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who have memory, of the heap and of the system: see pressure.h.
 */
#include "pressure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Lengths of spans, and how many stay of those that are thinned out: one in so many. */
#define SPAN_PAGES_MAX	200
#define STAYS_ONE_IN	40
#define HELD_MAX	4096

/* What the eater takes at a time. */
#define BITE	(1 << 20)

#define WORKERS_MAX	4
/* A worker that holds more pages than this has so many spans at most. */
#define WORKER_SPANS	256

/* Shared by all processes of a case. */
static struct crowd {
	atomic_ulong eaten;
	atomic_ulong allocated;
	atomic_bool stop;
} *crowd;

static pid_t workers[WORKERS_MAX];
static unsigned int nworkers;
static pid_t eater;
static uint64_t eater_wants;

static void gather(void)
{
	if (crowd)
		return;
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	CHECK(crowd != MAP_FAILED);
}

uint64_t fill_bytes(void)
{
	uint64_t nbytes = meminfo_bytes("MemAvailable") / 4;

	return nbytes < 96 * MIB ? nbytes : 96 * MIB;
}

static bool try_take(int fd, uint64_t npages, uint64_t seed, struct kept *kept)
{
	struct spanalloc_alloc alloc = {
		.npages = npages, .flags = SPANALLOC_ALLOC_POPULATE,
	};

	if (dev_try_alloc(fd, &alloc))
		return false;
	*kept = (struct kept) { .npages = npages, .seed = seed, .handle = alloc.handle };
	kept->address = dev_map(fd, alloc.offset, npages);
	CHECK(is_zero(kept->address, npages * page_size));
	fill(kept->address, npages, seed);
	return true;
}

static void give_up(int fd, struct kept *kept)
{
	CHECK(is_filled(kept->address, kept->npages, kept->seed));
	dev_unmap(kept->address, kept->npages);
	dev_free(fd, kept->handle);
}

bool holder_try_add(struct holder *holder, uint64_t npages)
{
	if (!holder->kept) {
		holder->fd = dev_open();
		holder->kept = calloc(HELD_MAX, sizeof(*holder->kept));
		CHECK(holder->kept);
	}
	CHECK(holder->n < HELD_MAX);
	if (!try_take(holder->fd, npages, holder->n + 1, &holder->kept[holder->n]))
		return false;
	holder->n++;
	holder->npages += npages;
	return true;
}

void holder_fill(struct holder *holder, uint64_t nbytes)
{
	uint64_t npages = nbytes / page_size;
	struct rng rng;

	rng_seed(&rng, npages);
	while (holder->npages < npages) {
		if (!holder_try_add(holder, rng_range(&rng, 1, SPAN_PAGES_MAX)))
			FAIL("no span: errno %d (%s)", errno, errno_name(errno));
	}
}

void holder_thin_out(struct holder *holder)
{
	size_t i, n = 0;

	for (i = 0; i < holder->n; i++) {
		if (i % STAYS_ONE_IN) {
			holder->npages -= holder->kept[i].npages;
			give_up(holder->fd, &holder->kept[i]);
		} else {
			holder->kept[n++] = holder->kept[i];
		}
	}
	holder->n = n;
}

void holder_verify(const struct holder *holder)
{
	const struct kept *kept;

	CHECK(holder->n > 0);
	for (kept = holder->kept; kept < holder->kept + holder->n; kept++)
		CHECK(is_filled(kept->address, kept->npages, kept->seed));
}

void holder_end(struct holder *holder)
{
	while (holder->n)
		give_up(holder->fd, &holder->kept[--holder->n]);
	free(holder->kept);
	close(holder->fd);
	*holder = (struct holder) { 0 };
}

/* Takes memory a bite at a time. */
static void eat(uint64_t nbytes)
{
	char *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at, end;

	CHECK(memory != MAP_FAILED);
	for (at = 0; at < nbytes;) {
		end = at + BITE < nbytes ? at + BITE : nbytes;
		for (; at < end; at += page_size)
			memory[at] = 1;
		atomic_store(&crowd->eaten, end);
	}
}

static void run_eater(void *arg)
{
	const uint64_t *nbytes = arg;

	CHECK_OK(prctl(PR_SET_NAME, EATER, 0, 0, 0));
	tell("/proc/self/oom_score_adj", "1000");
	eat(*nbytes);
	pause();
}

void eater_start(uint64_t nbytes)
{
	gather();
	atomic_store(&crowd->eaten, 0);
	eater_wants = nbytes;
	eater = child_start(run_eater, &eater_wants);
}

bool eater_reaches(void)
{
	int status;

	while (atomic_load(&crowd->eaten) < eater_wants) {
		if (waitpid(eater, &status, WNOHANG) == eater) {
			if (!is_killed(status))
				FAIL("the eater ended by itself: status %#x", status);
			eater = 0;
			return false;
		}
		sleep_ms(2);
	}
	return true;
}

void eater_end(void)
{
	CHECK(eater > 0);
	CHECK_OK(kill(eater, SIGKILL));
	CHECK(is_killed(child_status(eater)));
	eater = 0;
}

/* Everything up to a limit, then nothing, and so on; no error but one. */
static void run_worker(void *arg)
{
	struct kept *held = calloc(WORKER_SPANS, sizeof(*held));
	uint64_t limit = *(uint64_t *)arg, npages = 0, n = 0, length;
	int fd = dev_open();
	struct rng rng;

	CHECK(held);
	rng_seed(&rng, getpid());
	while (!atomic_load(&crowd->stop)) {
		length = rng_range(&rng, 1, limit / 4);
		if (n < WORKER_SPANS && npages + length <= limit &&
		    try_take(fd, length, rng_next(&rng), &held[n])) {
			npages += held[n++].npages;
			atomic_fetch_add(&crowd->allocated, 1);
			continue;
		}
		if (n < WORKER_SPANS && npages + length <= limit)
			CHECK_EQ(errno, ENOMEM);
		while (n)
			give_up(fd, &held[--n]);
		npages = 0;
		sleep_ms(rng_below(&rng, 20));
	}
	while (n)
		give_up(fd, &held[--n]);
}

void worker_start(uint64_t npages)
{
	gather();
	CHECK(nworkers < WORKERS_MAX);
	workers[nworkers++] = child_start(run_worker, &npages);
}

void workers_stop(void)
{
	atomic_store(&crowd->stop, true);
	while (nworkers)
		CHILD_SUCCEEDS(workers[--nworkers]);
	atomic_store(&crowd->stop, false);
}

uint64_t workers_allocated(void)
{
	return atomic_load(&crowd->allocated);
}
