#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug.sh NAME kunit|sins: one test on a debug kernel (see debug-kernel.sh), as KTAP.
#
#   kunit   the KUnit suites as modules, judged by what the sources say there has to be
#   sins    a module that does what must not be done: the kernel has to notice each of its
#           sins, scan-log.sh has to see what the kernel says, and guest-debug.sh has to see
#           what the kernel does not say by itself
#
#   TIMEOUT=1800   seconds for the guest      STRESS_MS=   length of the stress cases

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../ktap.sh
. "$PROJECT/userspace-test/ktap.sh"

# boot OPTION...: what the guest says goes to the log.
boot() {
	rm -f "$LOG"
	"$VM_DIR/boot.sh" --series "$NAME" --timeout "${TIMEOUT:-1800}" --log "$LOG" "$@" \
		>/dev/null 2>"$TMP/boot"
}

run_kunit() {
	local built options=() item append status=0 verdict=0
	built=$("$VM_DIR/build-module.sh" "$NAME") || die "the module does not build"
	while read -r item; do
		options+=(--ko "$item")
	done <<<"$built"
	# Newer kernels load suites without running them, unless they are told otherwise.
	append="kunit.autorun=1${STRESS_MS:+ spanalloc_kunit.stress_ms=$STRESS_MS}"
	boot "${options[@]}" --init "$VM_DIR/guest-kunit.sh" --append "$append" || status=$?
	[[ $NAME = 6.1-* ]] && OLD_KERNEL=yes || OLD_KERNEL=
	export OLD_KERNEL
	need_file "$LOG"
	"$VM_DIR/kunit-verdict.sh" "$LOG" || verdict=$?
	ktap_plan 3
	ktap 'no suite and no case is missing or bad' test "$verdict" -eq 0
	ktap 'every suite is in debugfs' \
		grep -qE "^guest-kunit: $(suites) suites in debugfs" <(tr -d '\r' <"$LOG")
	ktap 'loaded, run, unloaded; no trouble, nothing left' guest_succeeded "$status"
	ktap_end
}

suites() {
	"$VM_DIR/kunit-verdict.sh" --expected | cut -d ' ' -f 1 | sort -u | wc -l
}

# guest_succeeded STATUS: that of boot.sh, which has said why.
guest_succeeded() {
	cat "$TMP/boot"
	[[ $1 -eq 0 ]] || tr -d '\r' <"$LOG" | grep '^FAILED: '
	[[ $1 -eq 0 ]]
}

# What each sin makes the kernel say, as an extended regular expression. Those of the second
# list are silent: guest-debug.sh has to find out.
sins_of_debug() {
	cat <<-'END'
		corrupt_list list_del corruption
		shift_too_far UBSAN: shift-out-of-bounds
		sleep_in_atomic sleeping function called from invalid context
		invert_locks possible circular locking dependency detected
		use_after_free KASAN: (slab-)?use-after-free in use_after_free
		use_page_after_free KASAN: use-after-free in use_page_after_free
	END
}

found_of_debug() {
	cat <<-'END'
		[1-9][0-9]* objects are leaked
		pages are leaked.* [1-9][0-9]* of nobody
		lockdep is off
	END
}

sins_of_kcsan() {
	echo 'race_on_data KCSAN: data-race in race[+ ]'
}

found_of_kcsan() {
	:
}

# build_sins: prints the module's path.
build_sins() {
	local kernel dir
	kernel=$("$VM_DIR/kernel.sh" "$NAME")
	eval "$kernel"
	dir=$TMP/sins
	cp -r "$VM_DIR/sins" "$dir"
	(
		forget_outer_make
		make --no-print-directory -C "$KDIR" M="$dir" UBSAN_SANITIZE=y modules >&2
	) || return 1
	printf '%s\n' "$dir/sins.ko"
}

# is_noticed SIN PATTERN: between the lines around this sin, and by scan-log.sh as well.
is_noticed() {
	sed -n "/sins: begin $1\$/,/sins: end $1 /p" "$TMP/log" >"$TMP/extract"
	if ! grep -qE "$2" "$TMP/extract"; then
		cat "$TMP/extract"
		return 1
	fi
	! "$VM_DIR/scan-log.sh" "$TMP/extract" 2>/dev/null
}

is_found() {
	grep -E '^FAILED: ' "$TMP/log"
	grep -qE "^FAILED: $1" "$TMP/log"
}

run_sins() {
	local module status=0 sins found sin pattern
	module=$(build_sins 2>"$TMP/build") || { cat "$TMP/build" >&2; die "the sins do not build"; }
	# KASAN would report but the first.
	boot --ko "$module" --init "$VM_DIR/guest-sins.sh" --append kasan_multi_shot || status=$?
	need_file "$LOG"
	tr -d '\r' <"$LOG" >"$TMP/log"
	mapfile -t sins < <("sins_of_${NAME#*-}")
	mapfile -t found < <("found_of_${NAME#*-}")
	ktap_plan $((${#sins[@]} + ${#found[@]} + 2))
	for sin in "${sins[@]}"; do
		pattern=${sin#* }
		ktap "the kernel notices: ${sin%% *}" is_noticed "${sin%% *}" "$pattern"
	done
	for pattern in ${found[@]+"${found[@]}"}; do
		ktap "the guest notices: $pattern" is_found "$pattern"
	done
	ktap 'the guest came to its end' grep -qE '^VM-EXIT: [01]$' "$TMP/log"
	ktap 'all that made the boot a failure' test "$status" -ne 0
	ktap_end
}

main() {
	[[ $# -eq 2 && $1 = *-* && $2 =~ ^(kunit|sins)$ ]] || die "usage: debug.sh NAME kunit|sins"
	NAME=$1
	LOG=$CACHE/debug-$NAME-$2.log
	TMP=$(mktemp -d)
	trap 'rm -rf "$TMP"' EXIT
	"$VM_DIR/deps.sh" build vm
	"run_$2"
}

main "$@"
