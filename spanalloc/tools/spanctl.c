// SPDX-License-Identifier: GPL-2.0-only
/*
 * spanctl: what /dev/spanalloc is, holds and does, from the command line.
 *
 * Two tables, of the options and of the commands, say all there is to a command line;
 * parsing and help are walks over them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spanctl.h"

#define DEBUGFS_DEFAULT	"/sys/kernel/debug/spanalloc"
#define PROC_DEFAULT	"/proc"
#define SAMPLE_DEFAULT	16
#define WIDTH_MIN	20
#define WIDTH_MAX	10000

/**
 * struct command - a command
 * @name: what it is called by
 * @arguments: as a usage line has them
 * @summary: in one line
 * @text: more, for its own help
 * @max_args: how many arguments it takes
 * @options: the letters of its options; --help is everybody's
 * @run: does it
 */
struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *text;
	int max_args;
	const char *options;
	spanctl_run *run;
};

static const struct command commands[] = {
	{ "info", "", "what the module is and can do",
	  "", 0, "dj", spanctl_info },
	{ "stats", "", "what its heap holds and has done",
	  "", 0, "dj", spanctl_stats },
	{ "watch", "[SECONDS]", "the same as it changes, every second",
	  "Shows the statistics and how they change, until Ctrl-C. With --json, each\n"
	  "round is an object in one line.\n",
	  1, "djn", spanctl_watch },
	{ "top", "[SECONDS]", "which processes hold how much",
	  "Reads /proc/PID/fdinfo: of other users' processes only as root. An open file\n"
	  "that several processes share is shown for each. Once, or every SECONDS. With\n"
	  "--json, each round is an object in one line.\n",
	  1, "jnp", spanctl_top },
	{ "alloc", "PAGES", "make an allocation and hold it",
	  "Says where the allocation is and holds it until Ctrl-C or another signal.\n",
	  1, "djacPmtio", spanctl_alloc },
	{ "trim", "[PAGES|all]", "return idle memory to the system (default: all)",
	  "At least so many pages, if there are; 0 with --drain only. Needs CAP_SYS_ADMIN.\n",
	  1, "djr", spanctl_trim },
	{ "scavenge", "[PAGES|all]", "another name for trim",
	  "", 1, "djr", spanctl_trim },
	{ "check", "[HEAP]...", "have heaps verify their invariants (default: all heaps)",
	  "Exit status 0 says that they are sound, 1 that one is not.\n",
	  INT_MAX, "jD", spanctl_check },
	{ "map", "[HEAP]", "a picture of a heap (default: the device's)",
	  "", 1, "jDswA", spanctl_map },
	{ "replay", "FILE...", "run allocation traces against the device",
	  "A trace has one event a line: \"a ID NPAGES\" allocates, \"f ID\" frees. - is\n"
	  "standard input, FILE.gz is unpacked. With --json, each trace is an object in one\n"
	  "line.\n",
	  INT_MAX, "djvS", spanctl_replay },
	{ "version", "", "versions of this program and of the module",
	  "", 0, "dj", spanctl_version },
};

/**
 * struct option_spec - an option
 * @letter: names it in this file
 * @name: after the dashes
 * @value: what it takes, or NULL
 * @help: what it does; lines after the first are indented already
 */
struct option_spec {
	char letter;
	const char *name;
	const char *value;
	const char *help;
};

#define MARGIN "\n                       "

static const struct option_spec specs[] = {
	{ 'd', "device", "PATH", "the device (default: " SPANALLOC_DEVICE ")" },
	{ 'j', "json", NULL, "reply as JSON" },
	{ 'D', "debugfs", "FOLDER", "where the heaps are (default:" MARGIN
	  DEBUGFS_DEFAULT ")" },
	{ 'p', "proc", "FOLDER", "where the processes are (default: " PROC_DEFAULT ")" },
	{ 'n', "count", "N", "end after N rounds" },
	{ 'a', "align", "PAGES", "base is a multiple of this power of two" },
	{ 'c', "contig", NULL, "physically contiguous" },
	{ 'P', "populate", NULL, "mapped with all pages entered at once; implies --map" },
	{ 'm', "map", NULL, "map it" },
	{ 't', "touch", NULL, "write to each page; implies --map" },
	{ 'i', "pin", "SECONDS", "when the hold is over, give it back with a page still in"
	  MARGIN "use by the kernel for so long; implies --map" },
	{ 'o', "hold", "SECONDS", "end by itself after so long" },
	{ 'r', "drain", NULL, "first bring back what is in quarantine unused" },
	{ 's', "svg", "FILE", "draw into FILE, - for standard output, as SVG" },
	{ 'w', "width", "COLUMNS", "of the picture (default: as many as there are)" },
	{ 'A', "ascii", NULL, "draw with ASCII alone" },
	{ 'v', "verify", NULL, "check every page's contents" },
	{ 'S', "sample", "N", "with --verify: of an allocation of more than 64 pages," MARGIN
	  "check N pages (default: 16)" },
	{ 'h', "help", NULL, "this text; after a command, about that command" },
	{ 'V', "version", NULL, "the same as the command" },
};

#define NSPECS ARRAY_SIZE(specs)

static const char statuses[] =
	"\n"
	"Exit status: 0 done, 1 the operation failed, 2 usage or a malformed trace, 3 the\n"
	"device or the debugfs folder is missing, not accessible, or something else.\n";

static void print_option(FILE *out, const struct option_spec *spec)
{
	int width = fprintf(out, "  --%s%s%s", spec->name, spec->value ? " " : "",
			    spec->value ? spec->value : "");

	fprintf(out, "%*s%s\n", width < 23 ? 23 - width : 1, "", spec->help);
}

static void print_usage(FILE *out)
{
	size_t i;

	fputs("usage: spanctl COMMAND [ARGUMENT]... [OPTION]...\n\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s%-12s %s\n", commands[i].name, commands[i].arguments,
			commands[i].summary);
	fputs("\nOptions; \"spanctl COMMAND --help\" tells those of a command:\n\n", out);
	for (i = 0; i < NSPECS; i++)
		print_option(out, &specs[i]);
	fputs(statuses, out);
}

static void print_command_usage(const struct command *command)
{
	size_t i;

	printf("usage: spanctl %s%s%s [OPTION]...\n\n%s: %s.\n%s\n", command->name,
	       *command->arguments ? " " : "", command->arguments, command->name,
	       command->summary, command->text);
	for (i = 0; i < NSPECS; i++) {
		if (strchr(command->options, specs[i].letter) || specs[i].letter == 'h')
			print_option(stdout, &specs[i]);
	}
	fputs(statuses, stdout);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	spanctl_complain("no command '%s' (try --help)", name);
	return NULL;
}

static const struct option_spec *find_spec(char letter)
{
	size_t i;

	for (i = 0; i < NSPECS; i++) {
		if (specs[i].letter == letter)
			return &specs[i];
	}
	return NULL;
}

/* A number from @min to @max, or a complaint. */
static bool take_number(char letter, const char *text, uint64_t min, uint64_t max,
			uint64_t *number)
{
	if (spanctl_parse_number(text, number) && *number >= min && *number <= max)
		return true;
	if (max == UINT64_MAX)
		spanctl_complain("--%s takes a number of at least %llu, not '%s'",
				 find_spec(letter)->name, (unsigned long long)min, text);
	else
		spanctl_complain("--%s takes a number from %llu to %llu, not '%s'",
				 find_spec(letter)->name, (unsigned long long)min,
				 (unsigned long long)max, text);
	return false;
}

static bool take_seconds(char letter, const char *text, double *seconds)
{
	if (spanctl_parse_seconds(text, seconds))
		return true;
	spanctl_complain("--%s takes a number of seconds, not '%s'", find_spec(letter)->name,
			 text);
	return false;
}

/* An option with a value; false with a complaint if that is no good. */
static bool take_value(struct spanctl_options *options, char letter, const char *text)
{
	uint64_t number;

	switch (letter) {
	case 'd':
		options->device = text;
		return true;
	case 'D':
		options->debugfs = text;
		return true;
	case 'p':
		options->proc = text;
		return true;
	case 's':
		options->svg = text;
		return true;
	case 'n':
		return take_number(letter, text, 1, UINT64_MAX, &options->count);
	case 'a':
		return take_number(letter, text, 1, UINT64_MAX, &options->align);
	case 'i':
		options->pin = true;
		return take_seconds(letter, text, &options->pin_seconds);
	case 'o':
		options->hold = true;
		return take_seconds(letter, text, &options->hold_seconds);
	case 'w':
		if (!take_number(letter, text, WIDTH_MIN, WIDTH_MAX, &number))
			return false;
		options->width = number;
		return true;
	case 'S':
		if (!take_number(letter, text, 1, UINT_MAX, &number))
			return false;
		options->sample = number;
		return true;
	}
	return false;
}

static void take_flag(struct spanctl_options *options, char letter)
{
	bool *flag = letter == 'j' ? &options->json :
		     letter == 'v' ? &options->verify :
		     letter == 'r' ? &options->drain :
		     letter == 'A' ? &options->ascii :
		     letter == 'c' ? &options->contig :
		     letter == 'P' ? &options->populate :
		     letter == 'm' ? &options->map : &options->touch;

	*flag = true;
}

/* Whether @word is what getopt_long() stopped at: --NAME=VALUE of an option without. */
static bool has_odd_value(const char *word)
{
	const struct option_spec *spec = find_spec(optopt);
	size_t length = strcspn(word, "=");

	return spec && word[length] && !strncmp(word, "--", 2) &&
	       !strncmp(word + 2, spec->name, length - 2);
}

/*
 * What getopt_long() could not take. @word: the last that it is done with, which is one
 * before that of a short option with others behind it.
 */
static void complain_of_option(int result, const char *word)
{
	if (result == ':')
		spanctl_complain("%s wants a value (try --help)", word);
	else if (has_odd_value(word))
		spanctl_complain("%.*s takes no value", (int)strcspn(word, "="), word);
	else if (optopt)
		spanctl_complain("no option '-%c' (try --help)", optopt);
	else
		spanctl_complain("no option '%s' (try --help)", word);
}

/*
 * @given: out: the letters of the options that were there. False, with a complaint, if
 * the command line makes no sense.
 */
static bool parse_options(int argc, char **argv, struct spanctl_options *options,
			  char given[NSPECS + 1])
{
	struct option longs[NSPECS + 1] = { { NULL, 0, NULL, 0 } };
	const struct option_spec *spec;
	size_t i, ngiven = 0;
	int letter;

	for (i = 0; i < NSPECS; i++)
		longs[i] = (struct option){
			specs[i].name,
			specs[i].value ? required_argument : no_argument,
			NULL, specs[i].letter,
		};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		spec = find_spec(letter);
		if (!spec) {
			complain_of_option(letter, argv[optind - 1]);
			return false;
		}
		if (!memchr(given, letter, ngiven))
			given[ngiven++] = letter;
		if (spec->value && !take_value(options, letter, optarg))
			return false;
		if (!spec->value && letter != 'h' && letter != 'V')
			take_flag(options, letter);
	}
	given[ngiven] = '\0';
	return true;
}

/* Nothing that was asked for is passed over. */
static bool options_fit(const struct command *command, const char *given)
{
	given += strspn(given, command->options);
	if (!*given)
		return true;
	spanctl_complain("%s takes no option --%s", command->name, find_spec(*given)->name);
	return false;
}

static enum spanctl_status run_command(const struct command *command,
				       const struct spanctl_options *options,
				       const char *given, char **args, int nargs)
{
	if (!options_fit(command, given))
		return SPANCTL_USAGE;
	if (nargs > command->max_args) {
		spanctl_complain("%s: unexpected argument '%s'", command->name,
				 args[command->max_args]);
		return SPANCTL_USAGE;
	}
	return command->run(options, args, nargs);
}

static enum spanctl_status run(int argc, char **argv)
{
	struct spanctl_options options = {
		.device = SPANALLOC_DEVICE,
		.debugfs = DEBUGFS_DEFAULT,
		.proc = PROC_DEFAULT,
		.sample = SAMPLE_DEFAULT,
	};
	const struct command *command = NULL;
	char given[NSPECS + 1];
	bool help;

	if (!parse_options(argc, argv, &options, given))
		return SPANCTL_USAGE;
	help = strchr(given, 'h');
	if (optind < argc) {
		command = find_command(argv[optind]);
		if (!command)
			return SPANCTL_USAGE;
	}
	if (help && command)
		print_command_usage(command);
	else if (help)
		print_usage(stdout);
	if (help)
		return SPANCTL_OK;
	if (!command && strchr(given, 'V'))
		return spanctl_version(&options, NULL, 0);
	if (command)
		return run_command(command, &options, given, argv + optind + 1,
				   argc - optind - 1);
	print_usage(stderr);
	return SPANCTL_USAGE;
}

int main(int argc, char **argv)
{
	enum spanctl_status status;

	/* For what the terminal can show; numbers stay as they are. */
	setlocale(LC_CTYPE, "");
	status = run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		spanctl_complain("cannot write the reply: %s", strerror(errno));
		return SPANCTL_FAILED;
	}
	return status;
}
