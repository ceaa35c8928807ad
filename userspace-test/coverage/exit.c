// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases run in processes of their own, which end with _exit(): linked with
 * --wrap=_exit, they write down what they have covered before.
 */
#include <gcov.h>
#include <stdlib.h>

void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
