// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those whose pages the kernel goes on using: in pipes, and for direct input and output.
 */
#include "load.h"

#include <sys/uio.h>

#define NPIPES	8
#define NPAGES	8

/* Pages in a pipe, given up by who put them there. */
struct pinned {
	int fds[2];
	struct holding was;
	bool is_full;
};

static void fill_pipe(struct owner *owner, struct pinned *p)
{
	struct iovec iov;

	if (!acquire_pages(owner, &p->was, NPAGES))
		return;
	iov = (struct iovec){ p->was.address, NPAGES * page_size };
	CHECK_EQ(vmsplice(p->fds[1], &iov, 1, 0), iov.iov_len);
	p->is_full = true;
	count(PINNED, 1);
	verify(&p->was);
	unmap(&p->was);
	dev_free(owner->fd, p->was.handle);
	count(FREED, 1);
}

/* What comes out is what went in, however long ago its pages were given up. */
static void drain_pipe(struct pinned *p)
{
	static char buffer[NPAGES * 65536];
	size_t had = 0, wanted = NPAGES * page_size;
	ssize_t n;

	while (had < wanted) {
		n = read(p->fds[0], buffer + had, wanted - had);
		CHECK(n > 0);
		had += n;
	}
	verify_pages(&p->was, buffer, 0, NPAGES);
	p->is_full = false;
}

void run_pinning(void *arg)
{
	struct owner owner = owner_new(dev_open());
	struct pinned pinned[NPIPES] = { 0 }, *p;
	int i;

	for (i = 0; i < NPIPES; i++)
		CHECK_OK(pipe(pinned[i].fds));
	while (is_time_left()) {
		p = &pinned[draw(&owner) % NPIPES];
		if (p->is_full)
			drain_pipe(p);
		else
			fill_pipe(&owner, p);
		sleep_ms(draw(&owner) % 4);
	}
	/* What is in the pipes yet goes with them. */
	close(owner.fd);
}

/* Out to the disk and back into other pages, past the page cache. */
void run_direct(void *arg)
{
	struct owner owner = owner_new(dev_open());
	int disk = open(disk_path, O_RDWR | O_DIRECT | O_CLOEXEC);
	struct holding from, to;

	CHECK_OK(disk);
	while (is_time_left()) {
		if (!acquire_pages(&owner, &from, 1 + draw(&owner) % 64))
			continue;
		if (acquire_pages(&owner, &to, from.npages)) {
			CHECK_EQ(pwrite(disk, from.address, from.npages * page_size, 0),
				 from.npages * page_size);
			count(WRITTEN_DIRECTLY, 1);
			CHECK_EQ(pread(disk, to.address, to.npages * page_size, 0),
				 to.npages * page_size);
			count(READ_DIRECTLY, 1);
			verify_pages(&from, to.address, 0, to.npages);
			to.generation = from.generation;
			release(&owner, &to);
		}
		release(&owner, &from);
	}
	close(disk);
	close(owner.fd);
}
