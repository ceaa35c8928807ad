/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of spanctl share: options, commands, exit status, messages.
 */
#ifndef _SPANCTL_H
#define _SPANCTL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libspanalloc.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/**
 * enum spanctl_status - exit status
 * @SPANCTL_OK: done
 * @SPANCTL_FAILED: the device, or what came back from it, did not do
 * @SPANCTL_USAGE: the command line or a trace is malformed
 * @SPANCTL_NO_DEVICE: the device or its debugfs folder is missing, not accessible, or
 *                     something else
 */
enum spanctl_status {
	SPANCTL_OK,
	SPANCTL_FAILED,
	SPANCTL_USAGE,
	SPANCTL_NO_DEVICE,
};

/**
 * struct spanctl_options - what the command line says
 * @device: path of the device
 * @debugfs: the folder with a folder for each heap
 * @proc: the folder with a folder for each process
 * @svg: file for the picture, or NULL
 * @json: reply as JSON
 * @verify: replay checks the memory too
 * @drain: trim brings back what is in quarantine first
 * @ascii: map draws with ASCII alone
 * @contig: alloc wants physical contiguity
 * @populate: alloc maps with all pages entered
 * @map: alloc maps
 * @touch: alloc writes to each page
 * @pin: alloc has a page pinned when it is over
 * @hold: alloc does not wait for a signal alone
 * @pin_seconds: how long it stays pinned
 * @hold_seconds: how long alloc waits
 * @sample: pages that replay checks of an allocation too long to check whole
 * @width: columns of the picture; 0 means as many as there are
 * @count: how often watch and top show; 0 means without end
 * @align: of alloc, in pages
 */
struct spanctl_options {
	const char *device;
	const char *debugfs;
	const char *proc;
	const char *svg;
	bool json;
	bool verify;
	bool drain;
	bool ascii;
	bool contig;
	bool populate;
	bool map;
	bool touch;
	bool pin;
	bool hold;
	double pin_seconds;
	double hold_seconds;
	unsigned int sample;
	unsigned int width;
	uint64_t count;
	uint64_t align;
};

/**
 * typedef spanctl_run - what a command does
 * @options: of the command line
 * @args: its arguments; as many as the table of commands allows
 * @nargs: how many
 */
typedef enum spanctl_status spanctl_run(const struct spanctl_options *options, char **args,
					int nargs);

/* One file each, but for the small ones. */
spanctl_run spanctl_info, spanctl_version, spanctl_trim, spanctl_check;
spanctl_run spanctl_stats, spanctl_watch, spanctl_top, spanctl_alloc, spanctl_map;
spanctl_run spanctl_replay;

/* spanctl_util.c */
__attribute__((format(printf, 1, 2)))
void spanctl_complain(const char *format, ...);
int spanctl_open(const char *device, int flags, struct spanalloc_info *info);
/* Both false, without a complaint, if @text is anything else as a whole. */
bool spanctl_parse_number(const char *text, uint64_t *number);
bool spanctl_parse_seconds(const char *text, double *seconds);
/* The path of a heap's file; false, with a complaint, if no heap can have that name. */
bool spanctl_heap_path(const struct spanctl_options *options, const char *heap,
		       const char *file, char path[PATH_MAX]);
double spanctl_now(void);
double spanctl_mib(uint64_t npages, uint64_t page_size);
/* A round, as watch and top go: whether to go on, after a pause of so many seconds. */
bool spanctl_pause(double seconds);
void spanctl_catch_signals(void);
void spanctl_clear_screen(void);

#endif /* _SPANCTL_H */
