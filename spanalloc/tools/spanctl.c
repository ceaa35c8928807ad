// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl: what /dev/spanalloc is, holds and does, from the command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* For the version, which stands there alone. */
#include "../internal.h"
#include "spanctl.h"

#define DEVICE_DEFAULT	"/dev/spanalloc"
#define SAMPLE_DEFAULT	16

static const char usage[] =
	"usage: spanctl [OPTION]... COMMAND [ARGUMENT]...\n"
	"\n"
	"  info                 what the module is and can do\n"
	"  stats                what its heap holds and has done\n"
	"  trim [PAGES|all]     return idle memory to the system (default: all)\n"
	"  scavenge             another name for trim\n"
	"  replay FILE...       run allocation traces against the device; - is standard input\n"
	"  version              versions of this program and of the module\n"
	"\n"
	"      --device PATH    the device (default: " DEVICE_DEFAULT ")\n"
	"      --json           info and stats: reply as JSON\n"
	"      --verify         replay: check every page's contents\n"
	"      --sample N       replay --verify: of an allocation of more than 64 pages,\n"
	"                       check N pages (default: 16)\n"
	"      --help           this text\n"
	"\n"
	"Exit status: 0 done, 1 the operation failed, 2 usage or a malformed trace,\n"
	"3 the device is missing or not accessible.\n";

struct command {
	const char *name;
	int max_args;
	enum spanctl_status (*run)(const struct spanctl_options *options,
				   char **args, int nargs);
};

void spanctl_complain(const char *format, ...)
{
	va_list args;

	/* Or what was printed before would come after, where both go to one file. */
	fflush(stdout);
	fputs("spanctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/*
 * Opens the device and asks what it is, so that no other command ever reaches
 * a stranger. Returns a descriptor, or -1 with the complaint made.
 */
int spanctl_open(const char *device, int flags, struct spanalloc_info *info)
{
	int fd = open(device, flags | O_CLOEXEC);

	if (fd < 0) {
		spanctl_complain("cannot open %s: %s%s", device, strerror(errno),
				 errno == ENOENT ? " (is the module loaded?)" : "");
		return -1;
	}
	memset(info, 0, sizeof(*info));
	if (!ioctl(fd, SPANALLOC_IOC_INFO, info))
		return fd;
	if (errno == ENOTTY)
		spanctl_complain("%s is not a spanalloc device", device);
	else
		spanctl_complain("cannot query %s: %s", device, strerror(errno));
	close(fd);
	return -1;
}

static void format_version(char text[32], uint32_t version)
{
	snprintf(text, 32, "%u.%u.%u", version >> 16, version >> 8 & 0xff,
		 version & 0xff);
}

static void print_info(const struct spanalloc_info *info, const char *version)
{
	double mib = info->page_size / 1048576.0;

	printf("version        %12s\n", version);
	printf("page size      %12u bytes\n", info->page_size);
	printf("granule        %12llu pages  %10.1f MiB\n",
	       (unsigned long long)info->granule_pages, info->granule_pages * mib);
	printf("longest        %12llu pages  %10.1f MiB\n",
	       (unsigned long long)info->max_pages, info->max_pages * mib);
	printf("contiguous     %12s\n",
	       info->features & SPANALLOC_FEATURE_CONTIG ? "yes" : "no");
}

static enum spanctl_status run_info(const struct spanctl_options *options,
				    char **args, int nargs)
{
	struct spanalloc_info info;
	char version[32];
	int fd = spanctl_open(options->device, O_RDONLY, &info);

	(void)args;
	(void)nargs;
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	close(fd);
	format_version(version, info.version);
	if (!options->json) {
		print_info(&info, version);
		return SPANCTL_OK;
	}
	printf("{\n  \"version\": \"%s\",\n  \"page_size\": %u,\n", version,
	       info.page_size);
	printf("  \"features\": %llu,\n  \"granule_pages\": %llu,\n",
	       (unsigned long long)info.features,
	       (unsigned long long)info.granule_pages);
	printf("  \"max_pages\": %llu,\n  \"alloc_flags\": %u\n}\n",
	       (unsigned long long)info.max_pages, info.alloc_flags);
	return SPANCTL_OK;
}

static enum spanctl_status run_stats(const struct spanctl_options *options,
				     char **args, int nargs)
{
	(void)args;
	(void)nargs;
	return spanctl_stats(options);
}

/* A whole number above zero, in full; false if @text is anything else. */
static bool parse_count(const char *text, unsigned long long *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return !errno && !*end && *count;
}

static enum spanctl_status run_trim(const struct spanctl_options *options,
				    char **args, int nargs)
{
	struct spanalloc_trim trim = { .npages = ~0ULL };
	unsigned long long npages;
	struct spanalloc_info info;
	int fd;

	if (nargs && strcmp(args[0], "all")) {
		if (!parse_count(args[0], &npages)) {
			spanctl_complain("trim takes a number of pages or 'all', not '%s'",
					 args[0]);
			return SPANCTL_USAGE;
		}
		trim.npages = npages;
	}
	fd = spanctl_open(options->device, O_RDONLY, &info);
	if (fd < 0)
		return SPANCTL_NO_DEVICE;
	if (ioctl(fd, SPANALLOC_IOC_TRIM, &trim)) {
		spanctl_complain("cannot trim: %s", strerror(errno));
		close(fd);
		return SPANCTL_FAILED;
	}
	close(fd);
	printf("returned %llu pages (%.1f MiB)\n", (unsigned long long)trim.released,
	       trim.released * (info.page_size / 1048576.0));
	return SPANCTL_OK;
}

static enum spanctl_status run_replay(const struct spanctl_options *options,
				      char **args, int nargs)
{
	if (!nargs) {
		spanctl_complain("replay wants a trace");
		return SPANCTL_USAGE;
	}
	return spanctl_replay(options, args, nargs);
}

/* Answers for this program even where there is no device to ask. */
static enum spanctl_status run_version(const struct spanctl_options *options,
				       char **args, int nargs)
{
	struct spanalloc_info info = { 0 };
	char version[32];
	int fd;

	(void)args;
	(void)nargs;
	printf("spanctl %u.%u.%u\n", SPAN_VERSION_MAJOR, SPAN_VERSION_MINOR,
	       SPAN_VERSION_PATCH);
	fd = open(options->device, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !ioctl(fd, SPANALLOC_IOC_INFO, &info)) {
		format_version(version, info.version);
		printf("spanalloc %s\n", version);
	}
	if (fd >= 0)
		close(fd);
	return SPANCTL_OK;
}

static const struct command commands[] = {
	{ "info", 0, run_info },
	{ "stats", 0, run_stats },
	{ "trim", 1, run_trim },
	{ "scavenge", 1, run_trim },
	{ "replay", INT_MAX, run_replay },
	{ "version", 0, run_version },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* Returns false if the command line ends here, with the status in @status. */
static bool parse_options(int argc, char **argv, struct spanctl_options *options,
			  enum spanctl_status *status)
{
	static const struct option longs[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "verify", no_argument, NULL, 'v' },
		{ "sample", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long long sample;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'd') {
			options->device = optarg;
		} else if (c == 'j') {
			options->json = true;
		} else if (c == 'v') {
			options->verify = true;
		} else if (c == 's' && parse_count(optarg, &sample) && sample <= UINT_MAX) {
			options->sample = sample;
		} else {
			if (c == 'h')
				fputs(usage, stdout);
			else if (c == 's')
				spanctl_complain("--sample takes a number above zero");
			*status = c == 'h' ? SPANCTL_OK : SPANCTL_USAGE;
			return false;
		}
	}
	return true;
}

static enum spanctl_status run(int argc, char **argv)
{
	struct spanctl_options options = {
		.device = DEVICE_DEFAULT,
		.sample = SAMPLE_DEFAULT,
	};
	const struct command *command;
	enum spanctl_status status;
	int nargs;

	if (!parse_options(argc, argv, &options, &status))
		return status;
	if (optind == argc) {
		fputs(usage, stderr);
		return SPANCTL_USAGE;
	}
	command = find_command(argv[optind]);
	if (!command) {
		spanctl_complain("no command '%s' (try --help)", argv[optind]);
		return SPANCTL_USAGE;
	}
	nargs = argc - optind - 1;
	if (nargs > command->max_args) {
		spanctl_complain("%s: unexpected argument '%s'", command->name,
				 argv[optind + 1 + command->max_args]);
		return SPANCTL_USAGE;
	}
	return command->run(&options, argv + optind + 1, nargs);
}

int main(int argc, char **argv)
{
	enum spanctl_status status = run(argc, argv);

	if (fflush(stdout) || ferror(stdout)) {
		spanctl_complain("cannot write the reply: %s", strerror(errno));
		return SPANCTL_FAILED;
	}
	return status;
}
