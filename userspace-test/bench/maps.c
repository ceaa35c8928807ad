// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping 2 MiB, touching each page once, and unmapping: of the device, in the ways that it
 * has, and of a memfd.
 */
#include "bench.h"

#define NBYTES	(2UL << 20)
#define CYCLES	60
#define RW	(PROT_READ | PROT_WRITE)

static void touch(char *address)
{
	size_t i;

	for (i = 0; i < NBYTES; i += page_size)
		((volatile char *)address)[i] = 1;
}

/* Once: maps, touches, unmaps. */
static void cycle(int fd, uint64_t offset, int flags)
{
	char *address = mmap(NULL, NBYTES, RW, MAP_SHARED | flags, fd, offset);

	CHECK(address != MAP_FAILED);
	touch(address);
	CHECK_OK(munmap(address, NBYTES));
}

static void measure_cycle(const char *name, int fd, uint64_t offset, int flags)
{
	double start;
	int i;

	for (i = 0; i < CYCLES / 10; i++)
		cycle(fd, offset, flags);
	start = nanoseconds();
	for (i = 0; i < CYCLES; i++)
		cycle(fd, offset, flags);
	measured((nanoseconds() - start) / CYCLES, "ns", "%s", name);
}

static int new_memfd(void)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, NBYTES));
	return fd;
}

/* With making the memory and giving it back. */
static void measure_fresh(int device)
{
	double start = nanoseconds();
	int i, fd;

	for (i = 0; i < CYCLES; i++)
		cycle(device, 0, 0);
	measured((nanoseconds() - start) / CYCLES, "ns", "mmap at offset 0");
	start = nanoseconds();
	for (i = 0; i < CYCLES; i++)
		cycle(device, 0, MAP_POPULATE);
	measured((nanoseconds() - start) / CYCLES, "ns", "mmap at offset 0, MAP_POPULATE");
	start = nanoseconds();
	for (i = 0; i < CYCLES; i++) {
		fd = new_memfd();
		cycle(fd, 0, MAP_POPULATE);
		close(fd);
	}
	measured((nanoseconds() - start) / CYCLES, "ns", "new memfd, MAP_POPULATE");
}

void measure_maps(int fd)
{
	struct spanalloc_alloc populated = {
		.npages = NBYTES / page_size, .flags = SPANALLOC_ALLOC_POPULATE,
	}, lazy = { .npages = NBYTES / page_size };
	int memfd = new_memfd();

	CHECK_OK(dev_try_alloc(fd, &populated));
	CHECK_OK(dev_try_alloc(fd, &lazy));
	measure_cycle("mmap of a span, POPULATE", fd, populated.offset, 0);
	measure_cycle("mmap of a span, as touched", fd, lazy.offset, 0);
	measure_cycle("mmap of a span, MAP_POPULATE", fd, lazy.offset, MAP_POPULATE);
	measure_cycle("mmap of a memfd, MAP_POPULATE", memfd, 0, MAP_POPULATE);
	measure_cycle("mmap of a memfd, as touched", memfd, 0, 0);
	dev_free(fd, populated.handle);
	dev_free(fd, lazy.handle);
	close(memfd);
	measure_fresh(fd);
}
