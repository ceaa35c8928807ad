// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults, munmap(), fork() and close() of threads that share an address space. A thread
 * that is held in a fault holds mmap_lock or the lock of the VMA, so the other one waits
 * for that inside the kernel, and it is its coming there that lets the first go.
 */
#include "race.h"

#define N	6

/* Where a task waits for mmap_lock or for the lock of a VMA. */
#define WAITS_TO_WRITE	"rwsem_down_write_slowpath"
#define WAITS_TO_READ	"rwsem_down_read_slowpath"

/* Below all else there is, so that fork() copies it before all else. */
#define LOW_ADDRESS	((void *)0x200000)

/**
 * struct stage - a mapping whose page tables are empty, and who uses it
 * @fd: the device
 * @watch: the device, for its statistics
 * @handle: what is mapped
 * @address: where it is
 * @pipe: takes pages
 * @crashed: out: whether reading it crashed
 */
struct stage {
	int fd;
	int watch;
	uint32_t handle;
	char *address;
	int pipe[2];
	bool crashed;
};

/*
 * Once a thread is held with mmap_lock, no other one may need a fault, but for those of the
 * case: everything else has to be there, and threads are made later.
 */
static void stage_init(struct stage *stage, void *wanted)
{
	struct spanalloc_alloc alloc;

	CHECK_OK(mlockall(MCL_CURRENT));
	stage->watch = dev_open();
	stage->fd = dev_open();
	alloc = dev_alloc(stage->fd, N);
	stage->handle = alloc.handle;
	stage->address = mmap(wanted, N * page_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | (wanted ? MAP_FIXED_NOREPLACE : 0), stage->fd,
			      alloc.offset);
	CHECK(stage->address != MAP_FAILED);
	fill(stage->address, N, 1);
	CHECK_OK(madvise(stage->address, N * page_size, MADV_DONTNEED));
	CHECK_OK(pipe(stage->pipe));
}

static void give_up_file(struct stage *stage)
{
	CHECK_EQ(dev_free_state(stage->fd, stage->handle), SPANALLOC_FREE_DEFERRED);
	close(stage->fd);
	CHECK_EQ(dev_stats(stage->watch).in_use_pages, N);
}

static void read_page(void *arg)
{
	struct stage *stage = arg;

	stage->crashed = is_segv(stage->address + page_size);
}

/* The fault is one of get_user_pages(), whose page is not lost again. */
static void pin_page(void *arg)
{
	struct stage *stage = arg;

	fill_pipe(stage->pipe, stage->address, 1);
}

static void unmap(void *arg)
{
	struct stage *stage = arg;

	dev_unmap(stage->address, N);
}

static void fork_and_compare(void *arg)
{
	struct stage *stage = arg;
	pid_t pid = fork();

	CHECK_OK(pid);
	if (!pid)
		_exit(!is_filled(stage->address, N, 1));
	CHILD_SUCCEEDS(pid);
}

/* Starts @first, has it held in a fault, and lets @third in. */
static void race_fault(struct stage *stage, void (*first)(void *arg), void (*third)(void *arg),
		       bool close_between)
{
	struct racer one, other;

	racer_init(&one, FIRST, first, stage);
	racer_init(&other, THIRD, third, stage);
	meet_at_until(IN_MODULE(mapping_fault), THIRD, WAITS_TO_WRITE);
	racer_go(&one);
	meet_held();
	if (close_between)
		give_up_file(stage);
	racer_go(&other);
	racer_join(&one);
	racer_join(&other);
	meet_met();
}

/* The fault may be tried again when munmap() is through. */
static void unmap_waits_for_fault(void)
{
	struct stage stage;

	stage_init(&stage, NULL);
	race_fault(&stage, read_page, unmap, false);
	CHECK(is_segv(stage.address));
	CHECK_EQ(dev_free_state(stage.fd, stage.handle), 0);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
}

/* The last reference but that of the mapping goes while a fault is under way. */
static void close_and_unmap_during_fault(void)
{
	struct stage stage;

	stage_init(&stage, NULL);
	race_fault(&stage, read_page, unmap, true);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
	CHECK_SETTLES(stage.watch, quarantined_pages, 0);
}

/* The page that was found is in a pipe when everything else is gone. */
static void close_and_unmap_during_pin(void)
{
	struct stage stage;

	stage_init(&stage, NULL);
	race_fault(&stage, pin_page, unmap, true);
	CHECK_SETTLES(stage.watch, quarantined_pages, N);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
	drain_pipe(stage.pipe, 1, 1);
	CHECK_SETTLES(stage.watch, quarantined_pages, 0);
}

static void fork_waits_for_fault(void)
{
	struct stage stage;

	stage_init(&stage, NULL);
	race_fault(&stage, read_page, fork_and_compare, true);
	CHECK(!stage.crashed);
	CHECK(is_filled(stage.address, N, 1));
	dev_unmap(stage.address, N);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
}

/* fork() has the lock, and copies just this mapping. */
static void fault_waits_for_fork(void)
{
	struct racer forker, reader;
	struct stage stage;

	stage_init(&stage, LOW_ADDRESS);
	racer_init(&forker, FIRST, fork_and_compare, &stage);
	racer_init(&reader, THIRD, read_page, &stage);
	meet_at_until("copy_page_range", THIRD, WAITS_TO_READ);
	racer_go(&forker);
	meet_held();
	racer_go(&reader);
	racer_join(&forker);
	racer_join(&reader);
	meet_met();
	CHECK(!stage.crashed);
	CHECK(is_filled(stage.address, N, 1));
	give_up_file(&stage);
	dev_unmap(stage.address, N);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
}

/* munmap() has taken the mapping out of the address space, and holds its pages still. */
static void fault_after_unmap_has_begun(void)
{
	struct stage stage;
	struct racer one;

	stage_init(&stage, NULL);
	racer_init(&one, FIRST, unmap, &stage);
	give_up_file(&stage);
	meet_at("unmap_vmas", 1);
	racer_go(&one);
	meet_held();
	CHECK(is_segv(stage.address));
	CHECK(is_segv(stage.address + (N - 1) * page_size));
	CHECK_EQ(dev_stats(stage.watch).in_use_pages, N);
	meet_go();
	racer_join(&one);
	CHECK_SETTLES(stage.watch, in_use_pages, 0);
}

static const struct test_case cases[] = {
	CASE(unmap_waits_for_fault),
	CASE(close_and_unmap_during_fault),
	CASE(close_and_unmap_during_pin),
	CASE(fork_waits_for_fault),
	CASE(fault_waits_for_fork),
	CASE(fault_after_unmap_has_begun),
};

const struct test_suite mapping_suite = SUITE(cases);
