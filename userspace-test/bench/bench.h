/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the device costs: see main.c.
 */
#ifndef _BENCH_BENCH_H
#define _BENCH_BENCH_H

#include "device.h"

/* Rounds, in each of which everything is measured once: a machine that gets busy spoils all. */
#define ROUNDS		7
#define SERIES_MAX	64

/**
 * struct series - a number that is measured once in each round
 * @name: what it is
 * @unit: of the values
 * @values: in the order of the rounds
 * @n: how many there are
 */
struct series {
	char name[64];
	const char *unit;
	double values[ROUNDS];
	unsigned int n;
};

/* Adds a value to the series of that name. */
__attribute__((format(printf, 3, 4)))
void measured(double value, const char *unit, const char *name, ...);

/* Two series, as ratios with a name of their own. Returns that of the medians. */
double compare(const char *name, const char *of, const char *over);

void print_all(void);
void print_json(void);

double nanoseconds(void);

/*
 * The median of many short times, the same for all that are compared: on a busy machine some
 * of them are not interrupted.
 */
#define TIMES	101
double median_time(void (*run)(void *arg), void *arg);

/* Each measures everything of its kind once. */
void measure_calls(int fd, const char *module);
void measure_maps(int fd);
void measure_scale(void);
void measure_tail(const char *module);

#endif /* _BENCH_BENCH_H */
