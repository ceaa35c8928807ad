// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools-test: the library and the parts of spanctl, without a device.
 */
#include "tools_test.h"

int main(void)
{
	struct ktap_case cases[LIB_CASES + PART_CASES];

	memcpy(cases, lib_cases, sizeof(lib_cases));
	memcpy(cases + LIB_CASES, part_cases, sizeof(part_cases));
	return ktap_run(cases, ARRAY_SIZE(cases), 26, NULL, NULL);
}
