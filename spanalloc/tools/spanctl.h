/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of spanctl share: options, exit status, messages.
 */
#ifndef _SPANCTL_H
#define _SPANCTL_H

#include <linux/spanalloc.h>
#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/**
 * enum spanctl_status - exit status
 * @SPANCTL_OK: done
 * @SPANCTL_FAILED: the device, or what came back from it, did not do
 * @SPANCTL_USAGE: the command line or a trace is malformed
 * @SPANCTL_NO_DEVICE: the device is missing, not accessible, or another one
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
 * @json: reply as JSON
 * @verify: replay checks the memory too
 * @sample: pages that replay checks of an allocation too long to check whole
 */
struct spanctl_options {
	const char *device;
	bool json;
	bool verify;
	unsigned int sample;
};

/* spanctl.c */
__attribute__((format(printf, 1, 2)))
void spanctl_complain(const char *format, ...);
int spanctl_open(const char *device, int flags, struct spanalloc_info *info);

/* spanctl_stats.c */
enum spanctl_status spanctl_stats(const struct spanctl_options *options);

/* spanctl_replay.c */
enum spanctl_status spanctl_replay(const struct spanctl_options *options,
				   char **files, int nfiles);

#endif /* _SPANCTL_H */
