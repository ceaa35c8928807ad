// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a fuzzer enters.
 */
#include <stdlib.h>

#include "fuzz.h"

bool fuzz_talk;
bool fuzz_lie;

/* The environment is how a fuzzer is told. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_lie = getenv("FUZZ_LIE");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!fuzz_input(data, size))
		abort();
	return 0;
}
