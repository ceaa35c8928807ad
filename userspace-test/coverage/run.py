#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""How much of the core the user-space tests reach ("make coverage").

The core is compiled without optimisation and without sanitizers, whose branches are not
ours. Not counted are branches of assertions (ASSERTION below), which fail on damage alone;
their lines are. Each line that no test reaches stands in the file "exceptions" with a
reason: a line without one is a failure, and so is a reason without such a line.

Prints the lines of which a branch is not taken, a table, and KTAP; the last line is "N passed, N failed".
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
CORE = os.path.join(os.path.dirname(TESTS), "spanalloc")
OUT = os.path.join("build", "coverage")
OBJECTS = os.path.join(OUT, "sane", "core")
# Of the core: no reading of the Makefile may lose one.
SOURCES = 17
# In percent, of all files together.
LINES_MIN = 95
BRANCHES_MIN = 85
ASSERTION = re.compile(r"\b(WARN_ON(_ONCE)?|lockdep_assert\w*)\(")
# Cases run in processes that end with _exit(), which alone would forget what was covered.
FLAGS = ("$(BASE) -O0 --coverage -fprofile-update=atomic -fprofile-abs-path"
	 " -Wl,--wrap=_exit")
PROGRAMS = [
	["treap-test"],
	["heap-test", "--no-shrink"],
	["replay-treap", "--least", "1", "fuzz/corpus/treap"],
	["replay-heap", "--least", "1", "fuzz/corpus/heap"],
	["replay-race", "--least", "1", "fuzz/corpus/race"],
	["replay-cache", "--least", "1", "fuzz/corpus/cache"],
]

# Beside the programs.
CASES = 10

results = []


def case(name, faults):
	"""One result; faults are what is wrong."""
	results.append(not faults)
	for fault in faults:
		print("# " + fault)
	print(f"{'not ok' if faults else 'ok'} {len(results)} - {name}", flush=True)


def make(*arguments):
	env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
	subprocess.run(["make", "-s", f"BUILD={OUT}", f"SANE={FLAGS}",
			"LDFLAGS=coverage/exit.c", *arguments],
		       cwd=TESTS, env=env, stdout=sys.stderr, check=True)


def core_sources():
	"""What the Makefile assigns to CORE_SRCS, lines that go on included."""
	with open(os.path.join(TESTS, "Makefile"), encoding="utf-8") as file:
		text = file.read().replace("\\\n", " ")
	return re.search(r"^CORE_SRCS := (.*)$", text, re.M)[1].split()


def built_sources():
	"""What make took it for."""
	return [name[:-4] + "c" for name in os.listdir(os.path.join(TESTS, OBJECTS))
		if name.endswith(".gcno")]


def run_programs():
	for name in os.listdir(os.path.join(TESTS, OBJECTS)):
		if name.endswith(".gcda"):
			os.remove(os.path.join(TESTS, OBJECTS, name))
	for program in PROGRAMS:
		done = subprocess.run([os.path.join(OUT, program[0])] + program[1:], cwd=TESTS,
				      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
				      text=True, errors="replace", check=False)
		faults = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
		if done.returncode and not faults:
			faults = [f"status {done.returncode}"]
		case(program[0], faults)


def measure():
	"""Returns gcovr's files: name -> {"lines": [...], "functions": [...]}."""
	done = subprocess.run(["gcovr", "--root", CORE, "--filter", CORE + r"/\w+\.[ch]$",
			       "--object-directory", OBJECTS, "--json", "-", OBJECTS],
			      cwd=TESTS, stdout=subprocess.PIPE, check=True)
	return {f["file"]: f for f in json.loads(done.stdout)["files"]}


class Line:
	"""A line of the core that code was made from."""
	def __init__(self, file, function, text, found):
		self.file, self.number = file, found["line_number"]
		self.key = (file, function, text)
		self.reached = found["count"] > 0
		self.branches = [] if ASSERTION.search(text) else [
			b["count"] > 0 for b in found["branches"]]


def lines_of(name, found):
	with open(os.path.join(CORE, name), encoding="utf-8") as file:
		text = file.read().splitlines()
	starts = sorted((f["lineno"], f["name"]) for f in found["functions"])
	for line in found["lines"]:
		if line.get("gcovr/noncode"):
			continue
		number = line["line_number"]
		function = [name for start, name in starts if start <= number][-1:]
		yield Line(name, function[0] if function else "", text[number - 1].strip(), line)


def read_exceptions():
	"""Returns {(file, function, text): reason}; the format is told in the file."""
	reasons, reason = {}, None
	with open(os.path.join(HERE, "exceptions"), encoding="utf-8") as file:
		for line in file.read().splitlines():
			if line.startswith("\t"):
				where, text = line.strip().split(": ", 1)
				reasons[(*where.split(" "), text)] = reason
			elif line and not line.startswith("#"):
				reason = line
	return reasons


def unexplained(lines, reasons):
	return [f"{line.file}:{line.number}: no test reaches: {line.key[1]}: {line.key[2]}"
		for line in lines if not line.reached and line.key not in reasons]


def outdated(lines, reasons):
	"""A text that a function has twice is one exception: both must be unreached."""
	missing = {line.key for line in lines if not line.reached}
	missing -= {line.key for line in lines if line.reached}
	return [f"{key[0]} {key[1]}: {key[2]}: is reached, or not there"
		for key in reasons if key not in missing]


def absent(files, sources):
	faults = [f"nothing is known of {name}" for name in sources if name not in files]
	if len(sources) != SOURCES:
		faults.append(f"{len(sources)} sources, not {SOURCES}")
	return faults


def percent(flags):
	return 100 * sum(flags) / len(flags) if flags else 100


def row(name, lines):
	reached = [line.reached for line in lines]
	branches = [taken for line in lines for taken in line.branches]
	print(f"# {name:<16}{sum(reached):6}/{len(reached):<6}{percent(reached):6.1f} %"
	      f"{sum(branches):8}/{len(branches):<6}{percent(branches):6.1f} %")
	return percent(reached), percent(branches)


def table(lines):
	print(f"# {'':<16}{'lines':>9}{'branches':>25}")
	for name in sorted({line.file for line in lines}):
		row(name, [line for line in lines if line.file == name])
	return row("total", lines)


def show_untaken(lines):
	"""Half of an if that no test takes: most of them are for what another CPU may do."""
	for line in lines:
		if line.reached and not all(line.branches):
			print(f"# {line.file}:{line.number}: {sum(line.branches)} of "
			      f"{len(line.branches)} branches: {line.key[1]}: {line.key[2]}")


def judge(files):
	lines = [line for name, found in files.items() for line in lines_of(name, found)]
	reasons = read_exceptions()
	show_untaken(lines)
	reached, taken = table(lines)
	case("every source of the core was measured", absent(files, core_sources()))
	case("what was built is what was measured",
	     sorted(set(core_sources()) ^ {name for name in files if name.endswith(".c")}
		    | set(core_sources()) ^ set(built_sources())))
	case(f"lines: at least {LINES_MIN} %", [f"{reached:.1f} %"] * (reached < LINES_MIN))
	case(f"branches: at least {BRANCHES_MIN} %", [f"{taken:.1f} %"] * (taken < BRANCHES_MIN))
	case("every line is reached or has a reason", unexplained(lines, reasons))
	case("every reason applies", outdated(lines, reasons))
	plant(files, lines, reasons)


def plant(files, lines, reasons):
	"""The judge itself: what it is there for must be found."""
	name, last = core_sources()[0], core_sources()[-1]
	case("planted: a source that was not measured",
	     [] if absent({k: v for k, v in files.items() if k != last}, core_sources())
	     else ["not found"])
	case("planted: a source that was forgotten",
	     [] if absent(files, core_sources()[:-1]) else ["not found"])
	line = next(line for line in lines if line.reached and line.file == name)
	case("planted: a reason for a line that is reached",
	     [] if outdated(lines, {**reasons, line.key: ""}) else ["not found"])
	line.reached = False
	case("planted: a line that is not reached",
	     [] if unexplained([line], reasons) else ["not found"])
	line.reached = True


def main():
	print("KTAP version 1")
	print(f"1..{len(PROGRAMS) + CASES}")
	try:
		make(*[os.path.join(OUT, program[0]) for program in PROGRAMS])
		run_programs()
		judge(measure())
	except subprocess.CalledProcessError as error:
		case("it builds and can be measured", [f"{error.cmd[0]}: {error.returncode}"])
	failed = len(results) - sum(results)
	if len(results) != len(PROGRAMS) + CASES:
		failed += 1
	print(f"{sum(results)} passed, {failed} failed")
	return 1 if failed else 0


if __name__ == "__main__":
	sys.exit(main())
