#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plants one bug at a time in a copy of the core, and demands that the fast tests see it.

run.py [--only PROGRAM[,PROGRAM]...] [PATTERN]...
	all mutants, or those whose description contains a pattern; seen by any of the
	programs, or by one of these

Mutants are built in folders outside the tree, as many at a time as there are processors;
treap-test and heap-test, and then the replay of the inputs that fuzzing found, look at each, one
after the other, until the first case fails. They have to pass without a bug first. Prints which
test caught which, after how many seconds: of a processor, for the machine may be busy, or of the
clock, if the program did not end. That is to be found out within a minute, or the mutant counts
as not caught. Not to end in time is a proof only after that, or after four times what the program
takes without a bug; so no case may use a processor for longer than CASE_SECONDS.

Which case caught what is kept, and that case is asked first, alone, when the mutant is planted
again; it has to pass alone without a bug. What it does not see is shown to all of them.

A survivor, one that is caught too late, a mutant that does not build, and one whose text is not
in the sources any more are failures. The last line is "N passed, N failed".
"""

import concurrent.futures
import json
import os
import queue
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
NO_END = "it does not end"
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
	"""The case that fails first, of what a program says; None if none does."""
	for line in run.stdout:
		if line.startswith("not ok"):
			return line.strip().split(" - ", 1)[-1]
	return None


def end(run):
	"""Stops it, and all it started, unless it has ended. Returns how, and its seconds."""
	pid, status, used = os.wait4(run.pid, os.WNOHANG)
	if not pid:
		os.killpg(run.pid, signal.SIGKILL)
		_, status, used = os.wait4(run.pid, 0)
	run.returncode = os.waitstatus_to_exitcode(status)
	return run.returncode, used.ru_utime + used.ru_stime


def first_failure(out, program, seconds, case=None):
	"""What the program fails in, or None; and its seconds. Of one case, or of all."""
	run = subprocess.Popen(
		[os.path.join(out, program)] + PROGRAMS[program] + ([case] if case else []),
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
		errors="replace", start_new_session=True,
		env={**os.environ, "KTAP_SECONDS": str(CASE_SECONDS)})
	late = threading.Event()

	def too_late():
		late.set()
		os.killpg(run.pid, signal.SIGKILL)

	since = time.monotonic()
	timer = threading.Timer(seconds, too_late)
	timer.start()
	failure = said_by(run)
	if not failure:
		# Its output has ended, and so has it, or will at once.
		os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
	timer.cancel()
	timer.join()
	status, used = end(run)
	run.stdout.close()
	if late.is_set():
		return NO_END, time.monotonic() - since
	return failure or (f"status {status}" if status else None), used


def passes_alone(out, hint, limits):
	"""Whether the case that is to be asked first is one that passes without a bug."""
	program, case = hint
	return program in limits and not first_failure(out, program, limits[program], case)[0]


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


def verdict(core, out, limits, hint):
	"""Returns (caught, by whom or why not, hint) for what is planted in core."""
	said = build(core, out, limits)
	if said:
		return False, "it does not build: " + said, None
	took = 0
	for program, case in ([hint] if hint else []) + [(program, None) for program in limits]:
		failure, seconds = first_failure(out, program, limits[program], case)
		# What was asked first in vain is no part of how long the tests take.
		took += 0 if case and not failure else seconds
		if failure:
			how = f"{program}, {took:.0f} s: {failure}"
			known = failure in (NO_END, case) or failure.startswith("status")
			if took <= SECONDS:
				return True, how, (program, case if known else failure)
			return False, "too late: " + how, None
	return False, "it survives", None


def try_mutant(work, mutant, limits, hint):
	"""Plants, tries, and puts the right text back."""
	_, name, old, new = mutant
	core, out = os.path.join(work, "core"), os.path.join(work, "build")
	if not plant(core, name, old, new):
		return False, "its text is not in the sources", None
	result = verdict(core, out, limits, hint)
	# A new file, not an old one: make goes by time.
	shutil.copyfile(os.path.join(CORE, name), os.path.join(core, name))
	return result


class Hints:
	"""The case that caught a mutant the last time. What cannot be read or kept is not there."""

	def __init__(self):
		cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
		folder = os.environ.get("SPANALLOC_CACHE") or os.path.join(cache, "spanalloc")
		self.path = os.path.join(folder, "mutants.json")
		try:
			with open(self.path, encoding="utf-8") as file:
				self.known = {name: (program, case)
					      for name, (program, case) in json.load(file).items()
					      if program in PROGRAMS}
		except (OSError, ValueError, TypeError, AttributeError):
			self.known = {}

	def check(self, out, names, limits):
		"""Forgets those that would fail without a bug, or are of no use."""
		good = {hint: passes_alone(out, hint, limits)
			for hint in {self.known[name] for name in names if name in self.known}}
		self.known = {name: hint for name, hint in self.known.items()
			      if good.get(hint, True)}
		return {name: self.known[name] for name in names if name in self.known}

	def keep(self, name, hint):
		"""For the next time."""
		self.known[name] = hint
		try:
			os.makedirs(os.path.dirname(self.path), exist_ok=True)
			with open(self.path + ".new", "w", encoding="utf-8") as file:
				json.dump(self.known, file, indent=0)
			os.replace(self.path + ".new", self.path)
		except OSError:
			pass


def plant_all(wanted, folders, limits, hints):
	"""Yields (mutant, caught, how), in the order in which that is known."""
	free = queue.Queue()
	for folder in folders:
		free.put(folder)

	def task(mutant):
		folder = free.get()
		try:
			return mutant, *try_mutant(folder, mutant, limits, first.get(mutant[0]))
		finally:
			free.put(folder)

	first = hints.check(os.path.join(folders[0], "build"), [m[0] for m in wanted], limits)
	with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
		for done in concurrent.futures.as_completed([pool.submit(task, m) for m in wanted]):
			mutant, caught, how, hint = done.result()
			if caught:
				hints.keep(mutant[0], hint)
			yield mutant, caught, how


def main():
	patterns, programs = sys.argv[1:], list(PROGRAMS)
	if patterns[:1] == ["--only"]:
		programs, patterns = patterns[1].split(","), patterns[2:]
	wanted = [m for m in MUTANTS
		  if not patterns or any(p in m[0] for p in patterns)]
	passed = 0
	with tempfile.TemporaryDirectory() as work:
		folders = [os.path.join(work, str(i)) for i in range(os.cpu_count() or 1)]
		for folder in folders:
			shutil.copytree(CORE, os.path.join(folder, "core"))
		limits = time_limits(os.path.join(folders[0], "core"),
				     os.path.join(folders[0], "build"), programs)
		print(f"{'ok' if limits else 'not ok'} 0 - without a bug, all pass", flush=True)
		if not limits:
			print("0 passed, 1 failed")
			return 1
		for number, (mutant, caught, how) in enumerate(
				plant_all(wanted, folders, limits, Hints()), 1):
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
