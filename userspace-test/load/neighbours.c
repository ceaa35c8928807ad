// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who make it hard for the others: idle memory is taken from the heap, free memory
 * from the system, and the heap is looked at while it works.
 */
#include "load.h"

#include <stdio.h>

#define DROP_CACHES	"/proc/sys/vm/drop_caches"

/*
 * All that the heap may have, which somebody has a part of nearly always: before it
 * refuses, the heap has looked through the quarantine.
 */
static void ask_for_everything(int fd)
{
	struct spanalloc_alloc alloc = { .npages = dev_stats(fd).max_pages };

	if (!dev_try_alloc(fd, &alloc)) {
		dev_free(fd, alloc.handle);
		return;
	}
	CHECK(errno == EDQUOT || errno == ENOSPC || errno == ENOMEM);
	count(REFUSED, 1);
}

static void tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_OK(fd);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/*
 * What is idle goes back since somebody says so, or since the system reclaims: as many times
 * each, or those who are asked more often would leave nothing to the others.
 */
void run_trimming(void *arg)
{
	struct owner owner = owner_new(dev_open());

	/* The kernel says nothing of each time any more. */
	tell(DROP_CACHES, "4");
	while (is_time_left()) {
		if (draw(&owner) % 2) {
			dev_trim(owner.fd, draw(&owner) % 2 ? ~0ULL : 1 + draw(&owner) % 1024);
			count(TRIMMED, 1);
		} else {
			tell(DROP_CACHES, "2");
			count(RECLAIMED, 1);
		}
		if (draw(&owner) % 8 == 0)
			ask_for_everything(owner.fd);
		sleep_ms(draw(&owner) % 40);
	}
	close(owner.fd);
}

static size_t free_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemFree: %lu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib << 10;
}

/* Memory that can be reclaimed takes the place of memory that is free. */
static void read_disk(int disk)
{
	double deadline = seconds_now() + 1;
	static char buffer[1 << 16];

	while (seconds_now() < deadline) {
		if (read(disk, buffer, sizeof(buffer)) <= 0)
			CHECK_OK(lseek(disk, 0, SEEK_SET));
	}
}

/*
 * Of the free memory so much is left alone, for the kernel and for the others, other
 * heaps among them, besides what this heap may take: there has to be pressure, but nobody
 * must be killed for it.
 */
#define LEFT_FREE	(112UL << 20)

void run_squeezing(void *arg)
{
	int fd = dev_open(), disk = open(disk_path, O_RDONLY | O_CLOEXEC);
	size_t spare = dev_stats(fd).max_pages * page_size + LEFT_FREE, nbytes;
	char *memory;

	CHECK_OK(disk);
	while (is_time_left()) {
		nbytes = free_bytes();
		nbytes = nbytes > spare ? nbytes - spare : page_size;
		memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		CHECK(memory != MAP_FAILED);
		read_disk(disk);
		tell("/proc/sys/vm/compact_memory", "1");
		CHECK_OK(munmap(memory, nbytes));
		tell(DROP_CACHES, "3");
		count(SQUEEZED, 1);
	}
	close(disk);
	close(fd);
}

/* The heap has to be sound at any time, and its numbers have to fit each other. */
void run_checking(void *arg)
{
	struct spanalloc_heap_stats stats;
	int fd = dev_open();

	while (is_time_left()) {
		CHECK(dev_heap_is_sound());
		stats = dev_stats(fd);
		CHECK_EQ(stats.in_use_pages + stats.claimed_pages + stats.quarantined_pages +
			 stats.cached_pages + stats.free_pages, stats.address_pages);
		CHECK(stats.address_pages <= stats.max_pages);
		CHECK_EQ(stats.backed_pages + stats.released_pages, stats.address_pages);
		count(CHECKED, 1);
		sleep_ms(50);
	}
	close(fd);
}
