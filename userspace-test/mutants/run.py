#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plants one bug at a time in a copy of the core, and demands that the fast tests see it.

run.py [--afresh] [--only PROGRAM[,PROGRAM]...] [PATTERN]...
	all mutants, or those whose description contains a pattern; seen by any of the
	programs, or by one of these

Mutants are built in folders outside the tree, as many at a time as there are processors;
treap-test and heap-test, and then the replay of the inputs that fuzzing found, look at each, one
after the other, until the first case fails. They have to pass without a bug first. Prints which
test caught which, after how many seconds: of a processor, for the machine may be busy, or of the
clock, if the program did not end. That is to be found out within a minute, or the mutant counts
as not caught. A program that does not end is stopped later than that, and has not caught it; so
no case may use a processor for longer than CASE_SECONDS.

Which case caught what is kept, and that case is asked first, alone, when the mutant is planted
again; it has to pass alone without a bug, and the line says "asked first". What it does not see is
shown to all of them. "--afresh" asks nobody first: how long the tests take to come to a mutant is
known only so.

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


class Killed(Exception):
	"""A program was killed, and not by us."""


class Stopped(Exception):
	"""Nothing more is to be tried."""


class Running:
	"""The programs that run; each is a group of processes, and nobody has waited for it yet."""

	def __init__(self):
		self.lock = threading.Lock()
		self.runs = set()
		self.stopped = False

	def start(self, words):
		"""As Popen."""
		with self.lock:
			if self.stopped:
				raise Stopped
			run = subprocess.Popen(
				words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
				errors="replace", start_new_session=True,
				env={**os.environ, "KTAP_SECONDS": str(CASE_SECONDS)})
			self.runs.add(run)
			return run

	def end(self, run):
		"""Stops what is left of it; it is to be waited for then."""
		with self.lock:
			self.runs.discard(run)
			os.killpg(run.pid, signal.SIGKILL)

	def stop(self):
		"""No more of them."""
		with self.lock:
			self.stopped = True
			for run in self.runs:
				os.killpg(run.pid, signal.SIGKILL)


running = Running()


def end(run):
	"""Stops what is left of it, and of what it started. Returns how it ended, and its seconds."""
	running.end(run)
	_, status, used = os.wait4(run.pid, 0)
	run.returncode = os.waitstatus_to_exitcode(status)
	run.stdout.close()
	return run.returncode, used.ru_utime + used.ru_stime


def first_failure(out, program, seconds, case=None):
	"""What the program fails in, or None; and its seconds. Of one case, or of all.

	One that somebody else kills has seen nothing; see also out_of_memory().
	"""
	run = running.start([os.path.join(out, program)] + PROGRAMS[program]
			    + ([case] if case else []))
	late = threading.Event()

	def too_late():
		late.set()
		os.killpg(run.pid, signal.SIGKILL)

	since = time.monotonic()
	timer = threading.Timer(seconds, too_late)
	timer.daemon = True
	try:
		timer.start()
		failure = said_by(run)
		if not failure:
			# Its output has ended, and so has it, or will at once.
			os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
	finally:
		timer.cancel()
		if timer.ident:
			timer.join()
		status, used = end(run)
	if late.is_set():
		return NO_END, time.monotonic() - since
	if not failure and status == -signal.SIGKILL:
		raise Killed(f"somebody has killed {program}")
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
	if hint:
		program, case = hint
		failure, took = first_failure(out, program, limits[program], case)
		if failure and took <= SECONDS:
			return True, f"{program}, {took:.0f} s, asked first: {failure}", hint
		# What was asked in vain is no part of how long the tests take.
		took = 0
	for program, seconds in limits.items():
		failure, used = first_failure(out, program, seconds)
		took += used
		if failure:
			how = f"{program}, {took:.0f} s: {failure}"
			named = not failure.startswith("status")
			if took <= SECONDS:
				return True, how, (program, failure if named else None)
			return False, "too late: " + how, None
	return False, "it survives", None


def try_mutant(work, mutant, limits, hint):
	"""Plants, tries, and puts the right text back."""
	_, name, old, new = mutant
	core, out = os.path.join(work, "core"), os.path.join(work, "build")
	if not plant(core, name, old, new):
		return False, "its text is not in the sources", None
	try:
		return verdict(core, out, limits, hint)
	finally:
		# A new file, not an old one: make goes by time.
		shutil.copyfile(os.path.join(work, "right", name), os.path.join(core, name))


def is_hint(hint):
	"""Whether that can be one: a program, and a case of it or None for all."""
	return (isinstance(hint, list) and len(hint) == 2
		and isinstance(hint[0], str) and hint[0] in PROGRAMS
		and (hint[1] is None or isinstance(hint[1], str) and "\0" not in hint[1]))


class Hints:
	"""The case that caught a mutant the last time. What cannot be read or kept is not there."""

	def __init__(self, afresh):
		cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
		folder = os.environ.get("SPANALLOC_CACHE") or os.path.join(cache, "spanalloc")
		self.path = os.path.join(folder, "mutants.json")
		self.afresh = afresh
		self.known = {}
		try:
			with open(self.path, encoding="utf-8") as file:
				said = json.load(file)
			self.known = {name: tuple(hint) for name, hint in said.items() if is_hint(hint)}
		except (OSError, ValueError, AttributeError):
			pass

	def first(self, out, names, limits):
		"""Whom to ask first: those of these programs that would not fail without a bug."""
		hints = {name: self.known[name] for name in names
			 if name in self.known and not self.afresh}
		good = {hint: passes_alone(out, hint, limits) for hint in set(hints.values())}
		return {name: hint for name, hint in hints.items() if good[hint]}

	def keep(self, name, hint):
		"""For the next time; None forgets."""
		self.known[name] = hint
		if not hint:
			del self.known[name]
		new = f"{self.path}.{os.getpid()}"
		try:
			os.makedirs(os.path.dirname(self.path), exist_ok=True)
			with open(new, "w", encoding="utf-8") as file:
				json.dump(self.known, file, indent=0)
			os.replace(new, self.path)
		except OSError:
			pass


def plant_all(pool, wanted, folders, limits, first):
	"""Yields (mutant, caught, how, hint), in the order in which that is known."""
	free = queue.Queue()
	for folder in folders:
		free.put(folder)

	def task(mutant):
		folder = free.get()
		try:
			return mutant, *try_mutant(folder, mutant, limits, first.get(mutant[0]))
		except Killed as killed:
			return mutant, False, str(killed), None
		finally:
			free.put(folder)

	for done in concurrent.futures.as_completed([pool.submit(task, m) for m in wanted]):
		yield done.result()


def show_all(pool, wanted, folders, programs, hints):
	"""Prints what becomes of each mutant. Returns how many were caught, or None."""
	# All at once, as busy as the machine will be: what fails by that alone proves nothing.
	limits = list(pool.map(lambda folder: time_limits(os.path.join(folder, "core"),
							  os.path.join(folder, "build"), programs),
			       folders))
	print(f"{'ok' if all(limits) else 'not ok'} 0 - without a bug, all pass", flush=True)
	if not all(limits):
		return None
	first = hints.first(os.path.join(folders[0], "build"), [m[0] for m in wanted], limits[0])
	passed = 0
	tried = plant_all(pool, wanted, folders, limits[0], first)
	for number, (mutant, caught, how, hint) in enumerate(tried, 1):
		if hint or len(programs) == len(PROGRAMS):
			hints.keep(mutant[0], hint)
		passed += caught
		print(f"{'ok' if caught else 'not ok'} {number} - "
		      f"{mutant[1]}: {mutant[0]} # {how}", flush=True)
	return passed


def out_of_memory():
	"""How many processes the system has killed for want of memory; a child may have been one."""
	with open("/proc/vmstat", encoding="ascii") as file:
		return dict(line.split() for line in file).get("oom_kill")


def interrupt(*_):
	"""To be told to end is the same as to be interrupted."""
	raise KeyboardInterrupt


def main():
	signal.signal(signal.SIGTERM, interrupt)
	before = out_of_memory()
	words, programs = sys.argv[1:], list(PROGRAMS)
	afresh = words[:1] == ["--afresh"]
	patterns = words[afresh:]
	if patterns[:1] == ["--only"]:
		programs, patterns = patterns[1].split(","), patterns[2:]
	wanted = [m for m in MUTANTS
		  if not patterns or any(p in m[0] for p in patterns)]
	jobs = len(os.sched_getaffinity(0))
	with tempfile.TemporaryDirectory() as work:
		folders = [os.path.join(work, str(i)) for i in range(jobs)]
		for folder in folders:
			shutil.copytree(CORE, os.path.join(folder, "core"))
			shutil.copytree(CORE, os.path.join(folder, "right"))
		pool = concurrent.futures.ThreadPoolExecutor(jobs)
		try:
			passed = show_all(pool, wanted, folders, programs, Hints(afresh))
		except Killed as killed:
			print(f"# {killed}")
			passed = None
		finally:
			running.stop()
			pool.shutdown(cancel_futures=True)
	if passed is None:
		print("0 passed, 1 failed")
		return 1
	failed = len(wanted) - passed
	if out_of_memory() != before:
		print("# memory was short, and somebody was killed: that proves nothing")
		failed += 1
	if not patterns and len(wanted) < MUTANTS_MIN:
		print(f"# only {len(wanted)} mutants")
		failed += 1
	print(f"{passed} passed, {failed} failed")
	return 1 if failed or not wanted else 0


if __name__ == "__main__":
	sys.exit(main())
