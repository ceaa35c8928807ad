// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locked memory of a user, as far as it can be seen: if nothing is charged to him, he can
 * allocate exactly what his limit says.
 */
#include "hostile.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define NPAGES 64

const unsigned int locked_uids[NLOCKED_UIDS] = { 65534, 1001, 1002 };

/* How many single pages this process gets before it is refused, as it has to be. */
static unsigned int pages_to_be_had(int fd)
{
	struct spanalloc_alloc alloc;
	unsigned int n;

	for (n = 0; n <= NPAGES; n++) {
		alloc = (struct spanalloc_alloc){ .npages = 1 };
		if (dev_try_alloc(fd, &alloc))
			break;
	}
	CHECK_EQ(errno, EDQUOT);
	return n;
}

/* What comes late, by a worker of the kernel, is waited for. */
static void allocate_exactly(void *arg)
{
	const struct rlimit limit = { NPAGES * page_size, NPAGES * page_size };
	double deadline = seconds_now() + SETTLE_SECONDS * patience();
	unsigned int n;
	int fd;

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	become(*(const unsigned int *)arg);
	do {
		fd = dev_open();
		n = pages_to_be_had(fd);
		close(fd);
		if (n == NPAGES)
			return;
		sleep_ms(100);
	} while (n < NPAGES && seconds_now() < deadline);
	FAIL("user %u got %u pages, and his limit is %u", *(const unsigned int *)arg, n, NPAGES);
}

bool locked_is_exact(unsigned int uid)
{
	return !child_status(child_start(allocate_exactly, &uid));
}
