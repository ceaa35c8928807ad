// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers that were measured: medians, how far they lie apart, ratios; as text and as JSON.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#define RATIOS_MAX 32

static struct series all[SERIES_MAX];
static unsigned int nseries;

/* Of the medians, and of the least values, which a busy machine spoils less. */
static struct {
	const char *name;
	double medians;
	double least;
} ratios[RATIOS_MAX];
static unsigned int nratios;

double nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static struct series *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < nseries; i++) {
		if (!strcmp(all[i].name, name))
			return &all[i];
	}
	return NULL;
}

void measured(double value, const char *unit, const char *format, ...)
{
	char name[sizeof(all[0].name)];
	struct series *series;
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	series = find(name);
	if (!series) {
		CHECK(nseries < SERIES_MAX);
		series = &all[nseries++];
		strcpy(series->name, name);
		series->unit = unit;
	}
	CHECK(series->n < ROUNDS);
	series->values[series->n++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median_time(void (*run)(void *arg), void *arg)
{
	double times[TIMES], start;
	int i;

	for (i = 0; i < TIMES; i++) {
		start = nanoseconds();
		run(arg);
		times[i] = nanoseconds() - start;
	}
	qsort(times, TIMES, sizeof(times[0]), by_value);
	return times[TIMES / 2];
}

static void sort(struct series *series)
{
	qsort(series->values, series->n, sizeof(series->values[0]), by_value);
}

static double median(const struct series *series)
{
	unsigned int middle = series->n / 2;

	if (series->n % 2)
		return series->values[middle];
	return (series->values[middle - 1] + series->values[middle]) / 2;
}

double compare(const char *name, const char *of, const char *over)
{
	struct series *a = find(of), *b = find(over);

	CHECK(a && b && nratios < RATIOS_MAX);
	sort(a);
	sort(b);
	ratios[nratios].name = name;
	ratios[nratios].medians = median(a) / median(b);
	ratios[nratios].least = a->values[0] / b->values[0];
	return ratios[nratios++].medians;
}

/* The first line of a file that has a word, from behind the colon. */
static void line_of(const char *path, const char *word, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	char line[256], *colon;

	strcpy(text, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (strncmp(line, word, strlen(word)) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

void print_all(void)
{
	unsigned int i;

	printf("%-48s %12s %12s %12s\n", "", "median", "least", "most");
	for (i = 0; i < nseries; i++) {
		struct series *s = &all[i];

		sort(s);
		printf("%-48s %12.0f %12.0f %12.0f %s\n", s->name, median(s), s->values[0],
		       s->values[s->n - 1], s->unit);
	}
	printf("\n%-61s %12s %12s\n", "ratio of", "medians", "least");
	for (i = 0; i < nratios; i++)
		printf("%-61s %12.2f %12.2f\n", ratios[i].name, ratios[i].medians,
		       ratios[i].least);
	fflush(stdout);
}

/* Between two lines that whoever reads the console looks for. */
void print_json(void)
{
	char cpu[128];
	struct utsname name;
	unsigned int i;

	CHECK_OK(uname(&name));
	line_of("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	printf("BENCH-JSON-BEGIN\n\"kernel\": \"%s\",\n\"cpu\": \"%s\",\n\"rounds\": %u,\n",
	       name.release, cpu, ROUNDS);
	printf("\"page_size\": %zu,\n\"results\": [\n", page_size);
	for (i = 0; i < nseries; i++)
		printf("  {\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.1f, \"min\": %.1f, \"max\": %.1f}%s\n",
		       all[i].name, all[i].unit, median(&all[i]), all[i].values[0],
		       all[i].values[all[i].n - 1], i + 1 < nseries ? "," : "");
	printf("],\n\"ratios\": [\n");
	for (i = 0; i < nratios; i++)
		printf("  {\"name\": \"%s\", \"medians\": %.3f, \"least\": %.3f}%s\n",
		       ratios[i].name, ratios[i].medians, ratios[i].least,
		       i + 1 < nratios ? "," : "");
	printf("]\nBENCH-JSON-END\n");
	fflush(stdout);
}
