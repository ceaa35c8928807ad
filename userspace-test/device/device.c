// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short ways to use the device in tests: see device.h.
 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

size_t page_size;
const char *device_path = "/dev/spanalloc";

/* The library returns errors, the system call and CHECK_FAILS() go by errno. */
static int as_system_call(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

int dev_open_mode(int flags)
{
	int fd = as_system_call(spanalloc_open(device_path, flags));

	CHECK_OK(fd);
	return fd;
}

int dev_open(void)
{
	return dev_open_mode(O_RDWR);
}

struct spanalloc_info dev_info(int fd)
{
	struct spanalloc_info info;

	CHECK_OK(as_system_call(spanalloc_get_info(fd, &info)));
	return info;
}

struct spanalloc_heap_stats dev_stats(int fd)
{
	struct spanalloc_heap_stats stats;

	CHECK_OK(as_system_call(spanalloc_get_stats_size(fd, &stats, sizeof(stats))));
	return stats;
}

int dev_try_alloc(int fd, struct spanalloc_alloc *alloc)
{
	return as_system_call(spanalloc_alloc(fd, alloc));
}

struct spanalloc_alloc dev_alloc(int fd, uint64_t npages)
{
	struct spanalloc_alloc alloc = { .npages = npages };

	CHECK_OK(dev_try_alloc(fd, &alloc));
	return alloc;
}

int dev_try_free(int fd, uint32_t handle)
{
	return as_system_call(spanalloc_free(fd, handle, NULL));
}

void dev_free(int fd, uint32_t handle)
{
	CHECK_OK(dev_try_free(fd, handle));
}

uint32_t dev_free_state(int fd, uint32_t handle)
{
	uint32_t state;

	CHECK_OK(as_system_call(spanalloc_free(fd, handle, &state)));
	return state;
}

int dev_try_query(int fd, uint32_t handle, struct spanalloc_query *query)
{
	return as_system_call(spanalloc_query(fd, handle, query));
}

struct spanalloc_query dev_query(int fd, uint32_t handle)
{
	struct spanalloc_query query;

	CHECK_OK(dev_try_query(fd, handle, &query));
	return query;
}

uint64_t dev_trim(int fd, uint64_t npages)
{
	uint64_t released;

	CHECK_OK(as_system_call(spanalloc_trim(fd, npages, 0, &released)));
	return released;
}

int dev_try_split(int fd, uint32_t handle, uint64_t npages, struct spanalloc_split *split)
{
	uint64_t offset;
	uint32_t new_handle;
	int err = spanalloc_split(fd, handle, npages, &new_handle, &offset);

	*split = (struct spanalloc_split){
		.handle = handle, .npages = npages, .new_handle = new_handle, .offset = offset,
	};
	return as_system_call(err);
}

struct spanalloc_split dev_split(int fd, uint32_t handle, uint64_t npages)
{
	struct spanalloc_split split;

	CHECK_OK(dev_try_split(fd, handle, npages, &split));
	return split;
}

struct spanalloc_file dev_file(int fd)
{
	struct spanalloc_file file;

	CHECK_OK(as_system_call(spanalloc_get_file(fd, &file)));
	return file;
}

int dev_try_limit(int fd, uint64_t npages)
{
	return as_system_call(spanalloc_set_limit(fd, npages));
}

int dev_try_map(int fd, uint64_t offset, size_t nbytes, int prot, int flags)
{
	void *address = mmap(NULL, nbytes, prot, flags, fd, offset);

	if (address == MAP_FAILED)
		return -1;
	munmap(address, nbytes);
	return 0;
}

/* An export begins at offset 0, where the library would have new pages be asked for. */
static int map_export(int fd, uint64_t npages, int prot, void **address)
{
	*address = mmap(NULL, npages * page_size, prot, MAP_SHARED, fd, 0);
	return *address == MAP_FAILED ? -errno : 0;
}

void *dev_map_mode(int fd, uint64_t offset, uint64_t npages, int prot)
{
	void *address;
	int err = offset ? spanalloc_map(fd, offset, npages, prot, &address) :
			   map_export(fd, npages, prot, &address);

	if (err)
		FAIL("mapping %llu pages at offset %#llx: errno %d (%s)",
		     (unsigned long long)npages, (unsigned long long)offset, -err,
		     errno_name(-err));
	return address;
}

void *dev_map(int fd, uint64_t offset, uint64_t npages)
{
	return dev_map_mode(fd, offset, npages, PROT_READ | PROT_WRITE);
}

void dev_unmap(void *address, uint64_t npages)
{
	CHECK_OK(as_system_call(spanalloc_unmap(address, npages)));
}

void *dev_alloc_filled(int fd, uint64_t npages, uint64_t seed,
		       struct spanalloc_alloc *alloc)
{
	void *address;

	*alloc = (struct spanalloc_alloc){
		.npages = npages,
		.flags = SPANALLOC_ALLOC_POPULATE,
	};
	CHECK_OK(dev_try_alloc(fd, alloc));
	address = dev_map(fd, alloc->offset, npages);
	CHECK(is_zero(address, npages * page_size));
	fill(address, npages, seed);
	return address;
}

uint64_t dev_two_granules(int fd)
{
	uint64_t npages = 2 * (uint64_t)dev_info(fd).granule_pages;

	return npages > 1024 ? npages : 1024;
}

void *plain_pages(uint64_t npages)
{
	void *address = calloc(npages, page_size);

	CHECK(address);
	return address;
}

/* Never zero: an odd multiple of a number with its lowest bit set. */
static uint64_t first_word(uint64_t seed, uint64_t page)
{
	return ((seed << 32 ^ page) << 1 | 1) * 0x9e3779b97f4a7c15ULL;
}

void fill(void *address, uint64_t npages, uint64_t seed)
{
	size_t nwords = page_size / sizeof(uint64_t), i;
	uint64_t *word = address;
	uint64_t page, value;

	for (page = 0; page < npages; page++) {
		value = first_word(seed, page);
		for (i = 0; i < nwords; i++)
			*word++ = value + i;
	}
}

bool is_filled(const void *address, uint64_t npages, uint64_t seed)
{
	size_t nwords = page_size / sizeof(uint64_t), i;
	const uint64_t *word = address;
	uint64_t page, value;

	for (page = 0; page < npages; page++) {
		value = first_word(seed, page);
		for (i = 0; i < nwords; i++, word++) {
			if (*word == value + i)
				continue;
			test_note("page %llu, word %zu: expected %#llx, found %#llx",
				  (unsigned long long)page, i,
				  (unsigned long long)value + i,
				  (unsigned long long)*word);
			return false;
		}
	}
	return true;
}

/* @nbytes: a multiple of eight. */
bool is_zero(const void *address, size_t nbytes)
{
	const uint64_t *word = address;
	size_t i;

	for (i = 0; i < nbytes / sizeof(*word); i++) {
		if (!word[i])
			continue;
		test_note("byte %#zx: expected 0, found %#llx", i * sizeof(*word),
			  (unsigned long long)word[i]);
		return false;
	}
	return true;
}

void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(socket, &message, 0), 1);
}

int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	CHECK_EQ(recvmsg(socket, &message, 0), 1);
	CHECK(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

bool dev_heap_is_sound(void)
{
	FILE *file = fopen(DEV_CHECK_FILE, "r");
	char line[256] = "";

	if (!file) {
		test_note("no %s to read", DEV_CHECK_FILE);
		return false;
	}
	if (!fgets(line, sizeof(line), file))
		strcpy(line, "(nothing)");
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, "ok", 2) && (!line[2] || strchr(" :,", line[2])))
		return true;
	test_note("the heap's check says: %s", line);
	return false;
}

bool dev_settles(int fd, size_t field, uint64_t value, uint64_t *found)
{
	double deadline = seconds_now() + SETTLE_SECONDS * patience();
	struct spanalloc_heap_stats stats;

	for (;;) {
		stats = dev_stats(fd);
		memcpy(found, (char *)&stats + field, sizeof(*found));
		if (*found == value)
			return true;
		if (seconds_now() > deadline)
			return false;
		sleep_ms(5);
	}
}
