#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh [--builtin] [--modules]: runs the KUnit suites under User-Mode Linux, twice if no
# option says which: built into the kernel, by the kernel's own kunit.py, and as modules.
#
# The kernel is built from the 7.2 source of Debian: a hard-link copy of the unpacked source
# holds a copy of this project as drivers/spanalloc. Both stay in the cache, so that a second
# run compiles what has changed in the project and links.
#
# Prints one "ok" or "not ok" line for each case (see kunit-verdict.sh), and ends with
# "N passed, N failed". A warning or the like in the kernel's log is a failure as well
# (see scan-log.sh); no case leaves one there, see kunit/heap_check_kunit.c.
#
#   SEED= OPS=      of the random operations          STRESS_MS=   length of the stress cases
#   JOBS=           how many compilers at a time      V=1          show what tools say

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=um.sh
. "$VM_DIR/um.sh"

TIMEOUT=600

PASSED=0
FAILED=0
TMP=''

# However this script ends, its last line tells how.
last_line() {
	local status=$?
	[[ -z $TMP ]] || rm -rf "$TMP"
	[[ $status -eq 0 || $FAILED -gt 0 ]] || FAILED=1
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
}

# result GOOD NAME: GOOD is an exit status.
result() {
	if [[ $1 -eq 0 ]]; then
		PASSED=$((PASSED + 1))
		printf 'ok %d - %s\n' $((PASSED + FAILED)) "$2"
	else
		FAILED=$((FAILED + 1))
		printf 'not ok %d - %s\n' $((PASSED + FAILED)) "$2"
	fi
}

# results WHERE: takes over the lines of kunit-verdict.sh.
results() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok - '*) result 0 "$1: ${line#ok - }" ;;
		'not ok - '*) result 1 "$1: ${line#not ok - }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

# Parameters of the module with the suites, as the environment has them.
parameters() {
	[[ -z ${SEED:-} ]] || printf 'spanalloc_kunit.seed=%d\n' "$SEED"
	[[ -z ${OPS:-} ]] || printf 'spanalloc_kunit.operations=%d\n' "$OPS"
	[[ -z ${STRESS_MS:-} ]] || printf 'spanalloc_kunit.stress_ms=%d\n' "$STRESS_MS"
}

run_kernel() {
	local arg args=()
	for arg in "${UML_ARGS[@]}" uml_dir="$TMP/uml/" "$@"; do
		args+=(--kernel_args="$arg")
	done
	rm -f "$OBJ/test.log"
	kunit_py exec --timeout="$TIMEOUT" "${args[@]}"
}

# judge WHERE LOG: the cases, and what else there is to be read in the log.
judge() {
	local status=0
	"$VM_DIR/kunit-verdict.sh" "$2" >"$TMP/verdict" 2>&1 || status=1
	results "$1" <"$TMP/verdict"
	result "$status" "$1: no suite and no case is missing or bad"
	status=0
	grep -q 'Brought up 1 node, 2 CPUs' "$2" || status=1
	result "$status" "$1: on two processors"
	status=0
	"$VM_DIR/scan-log.sh" "$2" >"$TMP/scan" 2>&1 || status=1
	[[ $status -eq 0 ]] || show "$TMP/scan"
	result "$status" "$1: no warning in the log"
	[[ $FAILED -eq 0 ]] || printf '# whole log: %s\n' "$2"
}

run_builtin() {
	local status=0 params
	if ! quietly "$DIR/build.log" build_kernel; then
		show "$DIR/build.log" 60
		result 1 "built in: the kernel is built"
		return
	fi
	result 0 "built in: the kernel is built"
	mapfile -t params < <(parameters)
	quietly "$DIR/kunit.py.log" run_kernel ${params[@]+"${params[@]}"} || status=1
	[[ $status -eq 0 ]] || show "$DIR/kunit.py.log"
	result "$status" "built in: kunit.py has nothing to complain of"
	cp "$OBJ/test.log" "$DIR/builtin.log" 2>/dev/null || : >"$DIR/builtin.log"
	judge "built in" "$DIR/builtin.log"
}

make_um() {
	make -C "$TREE" ARCH=um O="$OBJ_M" -j"${JOBS:-$(nproc)}" "$@"
}

# The same kernel without the project: the objects of the other one serve it as well, so
# only linking is to be done.
build_bare_kernel() {
	local mark
	mark="$(sha256sum <"$PROJECT/kunit/.kunitconfig") $(gcc --version | head -n 1)"
	if [[ -f $OBJ_M/.made-for && $(<"$OBJ_M/.made-for") = "$mark" ]]; then
		return
	fi
	note "linking Linux $SERIES without the project"
	rm -rf "$OBJ_M"
	build_kernel && cp -a "$OBJ" "$OBJ_M" || return 1
	sed -i '/^CONFIG_SPANALLOC/d' "$OBJ_M/.config"
	printf '# CONFIG_SPANALLOC is not set\n' >>"$OBJ_M/.config"
	make_um olddefconfig && make_um all || return 1
	printf '%s\n' "$mark" >"$OBJ_M/.made-for"
}

# Warnings are errors here.
build_modules() {
	copy_project "$DIR/modules" || return 1
	make_um M="$DIR/modules" W=1 KCFLAGS=-Werror CONFIG_SPANALLOC=m CONFIG_SPANALLOC_KUNIT_TEST=m \
		CONFIG_SECTION_MISMATCH_WARN_ONLY= modules || return 1
	[[ -f $DIR/modules/spanalloc/spanalloc.ko && -f $DIR/modules/kunit/spanalloc_kunit.ko ]]
}

# boot_modules LOG
boot_modules() {
	local params
	make_initramfs "$TMP/initramfs" "$VM_DIR/guest-kunit.sh" \
		"$DIR/modules/spanalloc/spanalloc.ko" "$DIR/modules/kunit/spanalloc_kunit.ko"
	mapfile -t params < <(parameters)
	boot_um "$OBJ_M/linux" "$TMP/initramfs" "$1" mem=1G ${params[@]+"${params[@]}"}
}

run_modules() {
	local status=0 count log=$DIR/modules.log
	if ! quietly "$DIR/build.log" build_bare_kernel || ! quietly "$DIR/build.log" build_modules; then
		show "$DIR/build.log" 60
		result 1 "modules: kernel and modules are built"
		return
	fi
	result 0 "modules: kernel and modules are built"
	boot_modules "$log"
	tr -d '\r' <"$log" | grep -qx 'VM-EXIT: 0' || status=1
	[[ $status -eq 0 ]] || show "$log"
	result "$status" "modules: loaded, run, unloaded"
	count=$("$VM_DIR/kunit-verdict.sh" --expected | cut -d ' ' -f 1 | sort -u | wc -l)
	status=0
	tr -d '\r' <"$log" | grep -qx "guest-kunit: $count suites in debugfs" || status=1
	result "$status" "modules: $count suites in debugfs"
	judge modules "$log"
}

main() {
	local what=() item
	while [[ $# -gt 0 ]]; do
		case $1 in
		--builtin | --modules) what+=("${1#--}") ;;
		*) die "usage: kunit.sh [--builtin] [--modules]" ;;
		esac
		shift
	done
	[[ ${#what[@]} -gt 0 ]] || what=(builtin modules)
	forget_outer_make
	TMP=$(mktemp -d)
	prepare_um kunit
	OBJ=$DIR/obj OBJ_M=$DIR/obj-modules
	for item in "${what[@]}"; do
		"run_$item"
	done
	[[ $FAILED -eq 0 ]]
}

trap last_line EXIT
main "$@"
