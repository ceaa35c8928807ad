/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What processes hold, from /proc/PID/fdinfo.
 */
#ifndef _SPANCTL_FDINFO_H
#define _SPANCTL_FDINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A command's name, as the kernel keeps it, and its end. */
#define FDINFO_NAME_SIZE	16

/**
 * struct fdinfo - an open device in one process
 * @pid: the process
 * @fd: the descriptor
 * @pages: pages charged to the open file
 * @limit: its limit; UINT64_MAX if there is none
 * @handles: its handles
 * @quarantined: of its pages, those in quarantine
 * @allocs: its successful allocations
 * @command: name of the process
 */
struct fdinfo {
	uint32_t pid;
	uint32_t fd;
	uint64_t pages;
	uint64_t limit;
	uint64_t handles;
	uint64_t quarantined;
	uint64_t allocs;
	char command[FDINFO_NAME_SIZE];
};

/**
 * struct fdinfo_list - open devices
 * @entries: those found
 * @nentries: how many
 * @room: how many fit
 * @nhidden: processes that may not be looked into
 */
struct fdinfo_list {
	struct fdinfo *entries;
	size_t nentries;
	size_t room;
	size_t nhidden;
};

/*
 * Takes the numbers from an fdinfo file; false if it is not that of a device of ours,
 * which has all of them.
 */
bool fdinfo_parse(FILE *file, struct fdinfo *entry);

/*
 * Fills an empty list from a /proc, those with the most pages first. Returns 0 or an
 * errno value. What goes away meanwhile is left out.
 */
int fdinfo_collect(struct fdinfo_list *list, const char *proc);
void fdinfo_free(struct fdinfo_list *list);

#endif /* _SPANCTL_FDINFO_H */
