/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzz target is: one source file that defines what stands here. It is linked
 * with libFuzzer to look for inputs, and with replay.c to run those that are kept.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The target's name, and its folder's in corpus/. */
extern const char fuzz_target[];

/* Say what is done. */
extern bool fuzz_talk;
/*
 * The model lies, at the end of each input if not before: whoever compares notices it
 * in every input.
 */
extern bool fuzz_lie;

/* Runs one input in a fresh world; true if all was as the model says. */
bool fuzz_input(const uint8_t *data, size_t size);

/* What libFuzzer calls: before all; and for each input, not to return from a failed one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* _FUZZ_H */
