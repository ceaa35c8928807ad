// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads and processes at once, for about two seconds each. Seeds are
 * fixed; the interleaving is the machine's.
 */
#include "device.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define SECONDS	2.0
#define NSLOTS	24

static uint32_t draw(uint32_t *state)
{
	/* xorshift */
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

struct slot {
	struct spanalloc_alloc alloc;
	void *address;
	uint64_t seed;
};

/**
 * struct worker - one of those who hammer
 * @fd: the device
 * @rnd: random state; also keeps the contents of two workers apart
 * @slots: what it has
 */
struct worker {
	int fd;
	uint32_t rnd;
	struct slot slots[NSLOTS];
};

static void acquire(struct worker *w, struct slot *slot)
{
	uint64_t npages = 1 + draw(&w->rnd) % 24;

	if (draw(&w->rnd) % 64 == 0)
		npages = 600;
	slot->seed = draw(&w->rnd);
	slot->address = dev_alloc_filled(w->fd, npages, slot->seed, &slot->alloc);
}

static void release(struct worker *w, struct slot *slot)
{
	uint64_t npages = slot->alloc.npages;

	CHECK(is_filled(slot->address, npages, slot->seed));
	switch (draw(&w->rnd) % 3) {
	case 0:
		dev_free(w->fd, slot->alloc.handle);
		CHECK(is_filled(slot->address, npages, slot->seed));
		dev_unmap(slot->address, npages);
		break;
	case 1:
		dev_unmap(slot->address, npages);
		dev_free(w->fd, slot->alloc.handle);
		break;
	case 2:
		CHECK_OK(madvise(slot->address, npages * page_size, MADV_DONTNEED));
		CHECK(is_filled(slot->address, npages, slot->seed));
		dev_free(w->fd, slot->alloc.handle);
		dev_unmap(slot->address, npages);
		break;
	}
	slot->address = NULL;
}

static void *hammer(void *arg)
{
	double end = seconds_now() + SECONDS;
	struct worker *w = arg;
	struct slot *slot;

	while (seconds_now() < end) {
		slot = &w->slots[draw(&w->rnd) % NSLOTS];
		if (slot->address)
			release(w, slot);
		else
			acquire(w, slot);
	}
	return NULL;
}

static pthread_t start(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

static void stress_two_threads_in_one_file(void)
{
	static struct worker workers[2];
	pthread_t threads[2];
	int i, fd = dev_open();

	for (i = 0; i < 2; i++) {
		workers[i].fd = fd;
		workers[i].rnd = 1000 + i;
		threads[i] = start(hammer, &workers[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void hammer_alone(void *arg)
{
	struct worker w = { .rnd = *(uint32_t *)arg };

	w.fd = dev_open();
	hammer(&w);
}

/* While somebody looks: the check must hold on a heap at work. */
static void stress_two_processes(void)
{
	uint32_t seeds[] = { 77, 78 };
	pid_t children[2];
	double end = seconds_now() + SECONDS;
	int i, watch = dev_open();

	for (i = 0; i < 2; i++)
		children[i] = child_start(hammer_alone, &seeds[i]);
	while (seconds_now() < end) {
		CHECK(dev_heap_is_sound());
		dev_stats(watch);
		sleep_ms(20);
	}
	for (i = 0; i < 2; i++)
		CHILD_SUCCEEDS(children[i]);
}

/* Memory is taken away as fast as it is given back. */
static void stress_trim_against_alloc(void)
{
	uint32_t seed = 99;
	double end = seconds_now() + SECONDS;
	int watch = dev_open();
	pid_t child = child_start(hammer_alone, &seed);

	while (seconds_now() < end)
		dev_trim(watch, ~0ULL);
	CHILD_SUCCEEDS(child);
}

/* Tells the kernel to do something, if this is a kernel that does it. */
static void poke(const char *path)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	CHECK_EQ(write(fd, "1", 1), 1);
	close(fd);
}

/*
 * Compaction walks over physical memory and takes references on what it finds, as
 * does whoever reads the counts of all pages: such a reference is no pin to keep,
 * but it may stand at the moment of a free.
 */
static void stress_compaction_against_free(void)
{
	static uint64_t counts[8192];
	uint32_t seed = 123;
	double end = seconds_now() + SECONDS;
	int kpagecount = open("/proc/kpagecount", O_RDONLY), n = 0;
	pid_t child;

	if (kpagecount < 0)
		test_skip("no /proc/kpagecount");
	child = child_start(hammer_alone, &seed);
	while (seconds_now() < end) {
		poke("/proc/sys/vm/compact_memory");
		if (read(kpagecount, counts, sizeof(counts)) <= 0)
			CHECK_OK(lseek(kpagecount, 0, SEEK_SET));
		n++;
	}
	CHILD_SUCCEEDS(child);
	test_note("%d compactions", n);
}

/**
 * struct duel - two threads at one allocation
 * @fd: the device
 * @start: both begin a round here
 * @end: and end it here
 * @alloc: of this round
 * @address: where it is mapped
 * @wins: how many frees succeeded in this round
 */
struct duel {
	int fd;
	pthread_barrier_t start;
	pthread_barrier_t end;
	struct spanalloc_alloc alloc;
	void *address;
	atomic_int wins;
};

#define NROUNDS 400

static void *free_each_round(void *arg)
{
	struct duel *duel = arg;
	int i;

	for (i = 0; i < NROUNDS; i++) {
		pthread_barrier_wait(&duel->start);
		if (!dev_try_free(duel->fd, duel->alloc.handle))
			atomic_fetch_add(&duel->wins, 1);
		else
			CHECK_EQ(errno, ENOENT);
		pthread_barrier_wait(&duel->end);
	}
	return NULL;
}

static void duel_init(struct duel *duel)
{
	duel->fd = dev_open();
	CHECK_EQ(pthread_barrier_init(&duel->start, NULL, 2), 0);
	CHECK_EQ(pthread_barrier_init(&duel->end, NULL, 2), 0);
}

static void stress_only_one_of_two_frees_wins(void)
{
	static struct duel duel;
	pthread_t other;
	int i;

	duel_init(&duel);
	other = start(free_each_round, &duel);
	for (i = 0; i < NROUNDS; i++) {
		duel.alloc = dev_alloc(duel.fd, 1 + i % 5);
		atomic_store(&duel.wins, 0);
		pthread_barrier_wait(&duel.start);
		if (!dev_try_free(duel.fd, duel.alloc.handle))
			atomic_fetch_add(&duel.wins, 1);
		pthread_barrier_wait(&duel.end);
		CHECK_EQ(atomic_load(&duel.wins), 1);
	}
	pthread_join(other, NULL);
}

/* A mapping that comes too late is refused; one in time has the right pages. */
static void stress_map_against_free(void)
{
	static struct duel duel;
	uint64_t *address;
	pthread_t other;
	int i, in_time = 0;

	duel_init(&duel);
	other = start(free_each_round, &duel);
	for (i = 0; i < NROUNDS; i++) {
		duel.alloc = dev_alloc(duel.fd, 3);
		address = dev_map(duel.fd, duel.alloc.offset, 3);
		fill(address, 3, i);
		dev_unmap(address, 3);
		pthread_barrier_wait(&duel.start);
		address = mmap(NULL, 3 * page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       duel.fd, duel.alloc.offset);
		if (address == MAP_FAILED) {
			CHECK_EQ(errno, EINVAL);
		} else {
			in_time++;
			CHECK(is_filled(address, 3, i));
			dev_unmap(address, 3);
		}
		pthread_barrier_wait(&duel.end);
	}
	pthread_join(other, NULL);
	test_note("%d of %d mappings came in time", in_time, NROUNDS);
}

static void *free_and_unmap_each_round(void *arg)
{
	struct duel *duel = arg;
	void *address;
	int i;

	for (i = 0; i < NROUNDS; i++) {
		duel->alloc = dev_alloc(duel->fd, 4);
		address = dev_map(duel->fd, duel->alloc.offset, 4);
		fill(address, 4, i);
		duel->address = address;
		CHECK_OK(madvise(address, 4 * page_size, MADV_DONTNEED));
		pthread_barrier_wait(&duel->start);
		dev_free(duel->fd, duel->alloc.handle);
		dev_unmap(address, 4);
		pthread_barrier_wait(&duel->end);
	}
	return NULL;
}

/*
 * The pages must be faulted in while they are given up. Reading as a debugger does
 * fails where a plain read would be a crash.
 */
static void stress_fault_against_unmap(void)
{
	static struct duel duel;
	struct iovec here = { plain_pages(4), 4 * page_size }, there;
	int i, in_time = 0;
	pthread_t other;
	ssize_t n;

	duel_init(&duel);
	other = start(free_and_unmap_each_round, &duel);
	for (i = 0; i < NROUNDS; i++) {
		pthread_barrier_wait(&duel.start);
		there.iov_base = duel.address;
		there.iov_len = 4 * page_size;
		n = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
		if (n > 0) {
			in_time++;
			CHECK(is_filled(here.iov_base, n / page_size, i));
		}
		pthread_barrier_wait(&duel.end);
	}
	pthread_join(other, NULL);
	test_note("%d of %d reads came in time", in_time, NROUNDS);
}

static void exit_at_once(void *arg)
{
	(void)arg;
}

static void stress_fork_against_everything(void)
{
	static struct worker worker = { .rnd = 5 };
	double end = seconds_now() + SECONDS;
	pthread_t thread;
	int n = 0;

	worker.fd = dev_open();
	thread = start(hammer, &worker);
	while (seconds_now() < end) {
		CHILD_SUCCEEDS(child_start(exit_at_once, NULL));
		n++;
	}
	pthread_join(thread, NULL);
	test_note("%d forks", n);
}

static void *alloc_until_told(void *arg)
{
	struct duel *duel = arg;
	struct spanalloc_alloc alloc;
	void *address;

	while (!atomic_load(&duel->wins)) {
		alloc = (struct spanalloc_alloc){ .npages = 3 };
		if (dev_try_alloc(duel->fd, &alloc))
			continue;
		/* The file may be another one by now. */
		address = mmap(NULL, 3 * page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       duel->fd, alloc.offset);
		if (address == MAP_FAILED)
			continue;
		fill(address, 3, 1);
		dev_try_free(duel->fd, alloc.handle);
		CHECK(is_filled(address, 3, 1));
		dev_unmap(address, 3);
	}
	return NULL;
}

/* The descriptor is exchanged under the feet of who uses it. */
static void stress_close_against_alloc(void)
{
	static struct duel duel;
	double end = seconds_now() + SECONDS;
	pthread_t thread;
	int fresh;

	duel.fd = dev_open();
	thread = start(alloc_until_told, &duel);
	while (seconds_now() < end) {
		fresh = dev_open();
		CHECK_OK(dup2(fresh, duel.fd));
		close(fresh);
	}
	atomic_store(&duel.wins, 1);
	pthread_join(thread, NULL);
}

static const struct test_case cases[] = {
	CASE(stress_two_threads_in_one_file),
	CASE(stress_two_processes),
	CASE(stress_trim_against_alloc),
	CASE(stress_compaction_against_free),
	CASE(stress_only_one_of_two_frees_wins),
	CASE(stress_map_against_free),
	CASE(stress_fault_against_unmap),
	CASE(stress_fork_against_everything),
	CASE(stress_close_against_alloc),
};

const struct test_suite stress_suite = SUITE(cases);
