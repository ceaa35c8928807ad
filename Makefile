# SPDX-License-Identifier: GPL-2.0-only
#
# The user's verbs. What the module is made of stands in Kbuild, which the kernel's own
# build system reads; this file only calls it.

# The kernel to build for, as every module outside the tree takes it.
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
INSTALL_MOD_DIR ?= updates

CONFIG_SPANALLOC ?= m
CONFIG_SPANALLOC_SAMPLES ?= m

VM := userspace-test/vm
BENCH_TRACES = $(if $(TRACES),$(wildcard $(TRACES)/*.trace.gz))
KBUILD_ARGS = --no-print-directory -C $(KDIR) M=$(CURDIR) \
	CONFIG_SPANALLOC=$(CONFIG_SPANALLOC) \
	CONFIG_SPANALLOC_SAMPLES=$(CONFIG_SPANALLOC_SAMPLES)

# A distribution's headers ask for signatures, with a key that stays with the distributor.
SIG_KEY = $(shell sed -n 's/^CONFIG_MODULE_SIG_KEY="\(.*\)"/\1/p' $(KDIR)/.config)
SIGNING = $(if $(or $(filter pkcs11:%,$(SIG_KEY)), \
	$(wildcard $(SIG_KEY) $(KDIR)/$(SIG_KEY))),,CONFIG_MODULE_SIG_ALL=)

.DEFAULT_GOAL := all
# Slower tiers of the tests have verbs of their own.
.PHONY: all modules modules_install tools tools_install tools_uninstall run shell test \
	test-mutants coverage test-pressure test-arm64 test-apps test-debug test-kcsan fuzz \
	stress hostile bench bench-device check clean help kdir

## all               build the module for KDIR (also: modules)
all: modules

modules: kdir
	$(MAKE) $(KBUILD_ARGS) modules

## modules_install   install it for KDIR's kernel, and run depmod (as root)
modules_install: kdir
	@test -f spanalloc/spanalloc.ko || { \
		echo 'Nothing is built yet: run "make all" first.' >&2; exit 1; }
	$(MAKE) $(KBUILD_ARGS) INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) $(SIGNING) modules_install
	@# The module knows the release it was built for; not every headers package does.
	PATH="$$PATH:/usr/sbin:/sbin"; depmod -a $(addprefix -b ,$(INSTALL_MOD_PATH)) \
		"$$(modinfo -F vermagic spanalloc/spanalloc.ko | cut -d ' ' -f 1)"

## tools             build libspanalloc and spanctl
tools:
	@$(MAKE) --no-print-directory -C spanalloc/tools

## tools_install     install them, manual pages, udev rule and group (DESTDIR, PREFIX)
tools_install:
	@$(MAKE) --no-print-directory -C spanalloc/tools install

## tools_uninstall   remove what tools_install installed, given the same variables
tools_uninstall:
	@$(MAKE) --no-print-directory -C spanalloc/tools uninstall

## run               load it in a virtual machine, replay the traces, unload it
run:
	@$(VM)/run.sh

## shell             a virtual machine with the module loaded, and a shell in it
shell:
	@$(VM)/shell.sh

## test              the fast tests; the slower ones have verbs of their own
test:
	@userspace-test/test.sh

## check             the tests that need neither root nor a virtual machine
check:
	@$(MAKE) --no-print-directory -C userspace-test check

## test-mutants      plant bugs in a copy of the core: the fast tests must see each
test-mutants:
	@userspace-test/mutants/run.py

## coverage          how much of the core the user-space tests reach; too little fails
coverage:
	@$(VM)/deps.sh coverage
	@userspace-test/coverage/run.py

## test-pressure     memory given back to a machine that is short of it, or changes (SERIES=6.1)
test-pressure:
	@userspace-test/test.sh pressure

## test-arm64        the module on arm64, with pages of 4 and of 16 KiB
test-arm64:
	@userspace-test/test.sh arm64

## test-apps         fio and perftest, unchanged, in buffers mapped from the device
test-apps:
	@userspace-test/test.sh apps

## test-debug        the tests on kernels with KASAN, lockdep, kmemleak (built first: slow)
test-debug:
	@userspace-test/test.sh debug

## test-kcsan        stress on a kernel that reports data races (built first: slow)
test-kcsan:
	@userspace-test/test.sh kcsan

## fuzz              look for inputs on which the core and its models differ
fuzz:
	@userspace-test/fuzz/fuzz.sh

## stress            everything at once for STRESS_SECONDS=60, in a virtual machine
stress:
	@userspace-test/test.sh stress

## hostile           programs that mean no good, for HOSTILE_SECONDS=60, on a debug kernel
hostile:
	@userspace-test/test.sh hostile

## bench             the heap against the kernel's other allocators, in User-Mode Linux (TRACES=)
bench:
	@$(VM)/bench.sh $(BENCH_TRACES)

## bench-device      what the device costs, over calls in the kernel and over a memfd
bench-device:
	@$(VM)/bench-device.sh

## clean             remove what was built
clean:
	@if test -e $(KDIR)/Makefile; then \
		$(MAKE) $(KBUILD_ARGS) clean; \
	elif test -n "$(wildcard spanalloc/*.o spanalloc/*.ko)"; then \
		echo 'No kernel headers in $(KDIR): the module is not cleaned (give KDIR=).' >&2; \
	fi
	@$(MAKE) --no-print-directory -C spanalloc/tools clean
	@if test -e userspace-test/Makefile; then \
		$(MAKE) --no-print-directory -C userspace-test clean; \
	fi

## help              this text
help:
	@echo 'spanalloc: a span heap for the Linux kernel. make VERB, where VERB is:'
	@echo
	@sed -n 's/^## /  /p' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'all, modules_install, clean:'
	@echo '  KVER=RELEASE      the kernel release to build for (default: the running one)'
	@echo '  KDIR=FOLDER       its headers or build folder (default: /lib/modules/KVER/build)'
	@echo '  V=1               show the commands'
	@echo 'tools_install, tools_uninstall:'
	@echo '  PREFIX=/usr/local where to'
	@echo '  DESTDIR=FOLDER    before that, for who makes packages'
	@echo 'run, shell:'
	@echo '  SERIES=6.1        the Debian kernel to boot: 6.1, 6.12 or 7.2'
	@echo '  TRACES=FOLDER     the *.trace.gz to replay (default: userspace-test/traces)'
	@echo 'bench:'
	@echo '  TRACES=FOLDER     *.trace.gz to measure besides those of userspace-test/traces'
	@echo 'fuzz:'
	@echo '  FUZZ_SECONDS=60   how long, divided over the targets'

kdir:
	@test -e $(KDIR)/Makefile || { \
		echo 'No kernel headers in $(KDIR).' >&2; \
		echo 'Install linux-headers-$(KVER), or name a build folder: make all KDIR=FOLDER' >&2; \
		exit 1; }
