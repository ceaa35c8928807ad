#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plants one bug at a time in a copy of the core, and demands that the fast tests see it.

run.py [--only PROGRAM[,PROGRAM]...] [PATTERN]...
	all mutants, or those whose description contains a pattern; seen by any of the
	programs, or by one of these

Mutants are built in a folder outside the tree; treap-test and heap-test, and then the
replay of the inputs that fuzzing found, look at each, one after the other, until the first case
fails. They have to pass without a bug first. Prints which test caught which, after how many
seconds: of a processor, for the machine may be busy, or of the clock, if the program did not
end. That is to be found out within a minute, or the mutant counts as not caught. Not to end in
time is a proof only after that, or after four times what the program takes without a bug; so
no case may use a processor for longer than CASE_SECONDS.

A survivor, one that is caught too late, a mutant that does not build, and one whose text is not
in the sources any more are failures. The last line is "N passed, N failed".
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import cache_mutants
import memory_mutants
import mutants

MUTANTS = mutants.MUTANTS + memory_mutants.MUTANTS + cache_mutants.MUTANTS

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
CORE = os.path.join(os.path.dirname(TESTS), "spanalloc")
SECONDS = 60
CASE_SECONDS = 25
MUTANTS_MIN = 275
CORPUS = os.path.join(TESTS, "fuzz", "corpus")
PROGRAMS = {
	"treap-test": ["--ops", "1500", "--no-shrink"],
	"heap-test": ["--ops", "1500", "--no-shrink"],
	"replay-treap": ["--least", "1", os.path.join(CORPUS, "treap")],
	"replay-heap": ["--least", "1", os.path.join(CORPUS, "heap")],
	"replay-race": ["--least", "1", os.path.join(CORPUS, "race")],
	"replay-cache": ["--least", "1", os.path.join(CORPUS, "cache")],
}


def plant(core, name, old, new):
	"""Returns False if the text is not there."""
	path = os.path.join(core, name)
	with open(path, encoding="utf-8") as file:
		text = file.read()
	if old not in text:
		return False
	with open(path, "w", encoding="utf-8") as file:
		file.write(text.replace(old, new, 1))
	return True


def build(core, out, programs):
	"""Returns what the compiler says if it fails, else nothing."""
	env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
	done = subprocess.run(
		["make", "-s", "-C", TESTS, f"CORE={core}", f"BUILD={out}", "CFLAGS=-Wno-error"]
		+ [os.path.join(out, program) for program in programs],
		capture_output=True, text=True, env=env, check=False)
	return done.stderr[-500:] if done.returncode else ""


def said_by(run):
	"""The case that fails first, of what a program says; or how it ends if none does."""
	for line in run.stdout:
		if line.startswith("not ok"):
			return line.strip().split(" - ", 1)[-1]
	run.wait()
	return f"status {run.returncode}" if run.returncode else None


def first_failure(out, program, seconds):
	"""What the program fails in, or None; and if it did not end."""
	run = subprocess.Popen(
		[os.path.join(out, program)] + PROGRAMS[program],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
		errors="replace", start_new_session=True,
		env={**os.environ, "KTAP_SECONDS": str(CASE_SECONDS)})
	late = threading.Event()

	def end():
		late.set()
		os.killpg(run.pid, signal.SIGKILL)

	timer = threading.Timer(seconds, end)
	timer.start()
	failure = said_by(run)
	timer.cancel()
	if run.poll() is None:
		os.killpg(run.pid, signal.SIGKILL)
	run.wait()
	run.stdout.close()
	return ("it does not end", True) if late.is_set() else (failure, False)


def processor_seconds():
	"""What the programs that have ended used, all together."""
	used = resource.getrusage(resource.RUSAGE_CHILDREN)
	return used.ru_utime + used.ru_stime


def time_limits(core, out, programs):
	"""Seconds for each program, from how long it takes without a bug; None if it fails."""
	limits = {}
	said = build(core, out, programs)
	if said:
		print(f"# {said}")
		return None
	for program in programs:
		start = time.monotonic()
		failure, _ = first_failure(out, program, 10 * SECONDS)
		if failure:
			print(f"# {program}: {failure}")
			return None
		limits[program] = max(SECONDS, 4 * (time.monotonic() - start))
	return limits


def verdict(core, out, limits):
	"""Returns (caught, by whom or why not) for what is planted in core."""
	said = build(core, out, limits)
	if said:
		return False, "it does not build: " + said
	since, used = time.monotonic(), processor_seconds()
	for program, seconds in limits.items():
		failure, late = first_failure(out, program, seconds)
		if failure:
			took = time.monotonic() - since if late else processor_seconds() - used
			how = f"{program}, {took:.0f} s: {failure}"
			return took <= SECONDS, how if took <= SECONDS else "too late: " + how
	return False, "it survives"


def try_mutant(work, mutant, limits):
	"""Plants, tries, and puts the right text back."""
	_, name, old, new = mutant
	core, out = os.path.join(work, "core"), os.path.join(work, "build")
	if not plant(core, name, old, new):
		return False, "its text is not in the sources"
	result = verdict(core, out, limits)
	# A new file, not an old one: make goes by time.
	shutil.copyfile(os.path.join(CORE, name), os.path.join(core, name))
	return result


def main():
	patterns, programs = sys.argv[1:], list(PROGRAMS)
	if patterns[:1] == ["--only"]:
		programs, patterns = patterns[1].split(","), patterns[2:]
	wanted = [m for m in MUTANTS
		  if not patterns or any(p in m[0] for p in patterns)]
	passed = 0
	with tempfile.TemporaryDirectory() as work:
		core = shutil.copytree(CORE, os.path.join(work, "core"))
		limits = time_limits(core, os.path.join(work, "build"), programs)
		print(f"{'ok' if limits else 'not ok'} 0 - without a bug, all pass", flush=True)
		if not limits:
			print("0 passed, 1 failed")
			return 1
		for number, mutant in enumerate(wanted, 1):
			caught, how = try_mutant(work, mutant, limits)
			passed += caught
			print(f"{'ok' if caught else 'not ok'} {number} - "
			      f"{mutant[1]}: {mutant[0]} # {how}", flush=True)
	failed = len(wanted) - passed
	if not patterns and len(wanted) < MUTANTS_MIN:
		print(f"# only {len(wanted)} mutants")
		failed += 1
	print(f"{passed} passed, {failed} failed")
	return 1 if failed or not wanted else 0


if __name__ == "__main__":
	sys.exit(main())
