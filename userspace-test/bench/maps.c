// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping 2 MiB, touching each page once, and unmapping: of the device, in the ways that it
 * has, and of a memfd.
 */
#include "bench.h"

#define NBYTES	(2UL << 20)
#define RW	(PROT_READ | PROT_WRITE)

static void touch(char *address)
{
	size_t i;

	for (i = 0; i < NBYTES; i += page_size)
		((volatile char *)address)[i] = 1;
}

/* What is mapped; a new memfd, if @fd is none. */
struct source {
	int fd;
	uint64_t offset;
	int flags;
};

static int new_memfd(void)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, NBYTES));
	return fd;
}

/* Maps, touches, unmaps. */
static void cycle(void *arg)
{
	struct source *source = arg;
	int fd = source->fd < 0 ? new_memfd() : source->fd;
	char *address = mmap(NULL, NBYTES, RW, MAP_SHARED | source->flags, fd, source->offset);

	CHECK(address != MAP_FAILED);
	touch(address);
	CHECK_OK(munmap(address, NBYTES));
	if (source->fd < 0)
		close(fd);
}

static void measure(const char *name, int fd, uint64_t offset, int flags)
{
	struct source source = { fd, offset, flags };

	measured(median_time(cycle, &source), "ns", "%s", name);
}

void measure_maps(int fd)
{
	struct spanalloc_alloc populated = {
		.npages = NBYTES / page_size, .flags = SPANALLOC_ALLOC_POPULATE,
	}, lazy = { .npages = NBYTES / page_size };
	int memfd = new_memfd();

	CHECK_OK(dev_try_alloc(fd, &populated));
	CHECK_OK(dev_try_alloc(fd, &lazy));
	measure("mmap of a span, POPULATE", fd, populated.offset, 0);
	measure("mmap of a span, as touched", fd, lazy.offset, 0);
	measure("mmap of a span, MAP_POPULATE", fd, lazy.offset, MAP_POPULATE);
	measure("mmap of a memfd, MAP_POPULATE", memfd, 0, MAP_POPULATE);
	measure("mmap of a memfd, as touched", memfd, 0, 0);
	dev_free(fd, populated.handle);
	dev_free(fd, lazy.handle);
	close(memfd);
	/* With making the memory and giving it back. */
	measure("mmap at offset 0", fd, 0, 0);
	measure("mmap at offset 0, MAP_POPULATE", fd, 0, MAP_POPULATE);
	measure("new memfd, MAP_POPULATE", -1, 0, MAP_POPULATE);
}
