/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the tools that need no device.
 */
#ifndef _TOOLS_TOOLS_TEST_H
#define _TOOLS_TOOLS_TEST_H

#include <sys/types.h>

#include "ktap.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

/* Said here once more, so that a case that falls out of a table is noticed. */
#define LIB_CASES	9
#define PART_CASES	17

extern const struct ktap_case lib_cases[LIB_CASES];
extern const struct ktap_case part_cases[PART_CASES];

/* The linker's names for the stand-ins of lib_test.c. */
int __wrap_ioctl(int fd, unsigned long command, void *argument);
void *__wrap_mmap64(void *address, size_t nbytes, int prot, int flags, int fd, off_t offset);

#endif /* _TOOLS_TOOLS_TEST_H */
