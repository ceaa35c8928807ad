// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the inputs of a fuzz target that are kept, without a fuzzer:
 *
 *   replay-TARGET --least N FOLDER   every input of the folder, of which there are at
 *                                    least N; and each must notice a lie of the model
 *   replay-TARGET --print FILE...    what an input does, in words
 *
 * Every input has a child process of its own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>

#include "ktap.h"

#include "fuzz.h"

/* No input of a corpus is longer; nor does any take so long. */
#define SIZE_LIMIT	(1 << 20)
#define INPUT_SECONDS	20

static const char *folder;
static unsigned long least;

/* Runs a file's bytes here; does not return if it fails. */
static void run_file(const char *path)
{
	uint8_t *data = malloc(SIZE_LIMIT), *exact;
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		_exit(2);
	}
	size = fread(data, 1, SIZE_LIMIT, file);
	fclose(file);
	/* Of its own size, for a sanitizer to see who reads beyond. */
	exact = malloc(size);
	memcpy(exact, data, size);
	free(data);
	ktap_limit(INPUT_SECONDS);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static bool file_is_good(const char *path, bool quiet)
{
	int status = -1, null;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		if (quiet && null >= 0) {
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
		}
		run_file(path);
		exit(0);
	}
	return EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid, "no child") && !status;
}

/* The inputs of the folder, in the order of their names; of these so many are good. */
static unsigned long count_good(bool quiet, unsigned long *ninputs)
{
	struct dirent **entry;
	char path[PATH_MAX];
	unsigned long good = 0;
	int n, i;

	*ninputs = 0;
	n = scandir(folder, &entry, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.') {
			++*ninputs;
			if (file_is_good(path, quiet))
				good++;
			else if (!quiet)
				ktap_note("input %s failed; see it with --print", path);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return good;
}

static void inputs_are_good(void)
{
	unsigned long ninputs, good;

	good = count_good(false, &ninputs);
	EXPECT(good == ninputs, "%lu of %lu inputs", good, ninputs);
	EXPECT(ninputs >= least, "%lu inputs, of at least %lu", ninputs, least);
	ktap_note("%lu inputs", ninputs);
}

static void lies_are_noticed(void)
{
	unsigned long ninputs, good;

	fuzz_lie = true;
	good = count_good(true, &ninputs);
	EXPECT(ninputs >= least && !good, "%lu of %lu inputs believed it", good, ninputs);
}

static int print_files(char **path)
{
	int status = 0;

	fuzz_talk = true;
	for (; *path; path++) {
		printf("%s:\n", *path);
		if (!file_is_good(*path, false)) {
			printf("%s: failed\n", *path);
			status = 1;
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "least", required_argument, NULL, 'l' },
		{ "print", no_argument, NULL, 'p' },
		{ }
	};
	char good_name[64], lie_name[64];
	const struct ktap_case cases[] = {
		{ good_name, inputs_are_good },
		{ lie_name, lies_are_noticed },
	};
	bool print = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 'l')
			least = strtoul(optarg, NULL, 0);
		print |= c == 'p';
	}
	if (print)
		return print_files(argv + optind);
	folder = argv[optind];
	if (!folder || !least) {
		fputs("usage: replay-TARGET --least N FOLDER | --print FILE...\n", stderr);
		return 2;
	}
	snprintf(good_name, sizeof(good_name), "fuzz %s: every input that is kept", fuzz_target);
	snprintf(lie_name, sizeof(lie_name), "fuzz %s: each notices a lie", fuzz_target);
	return ktap_run(cases, 2, 2, NULL, NULL);
}
