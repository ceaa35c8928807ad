# SPDX-License-Identifier: GPL-2.0-only
# Test results in KTAP, for scripts. Sourced, never run.
# shellcheck shell=bash
#
#	ktap_plan 2
#	ktap "two and two" test $((2 + 2)) -eq 4
#	ktap_end

ktap_planned=0
ktap_n=0
ktap_failed=0

ktap_plan() {
	ktap_planned=$1
	printf 'KTAP version 1\n1..%d\n' "$ktap_planned"
}

# ktap NAME COMMAND...: one case; what the command prints is a comment if it fails.
ktap() {
	local name=$1 said
	shift
	ktap_n=$((ktap_n + 1))
	if said=$("$@" 2>&1); then
		printf 'ok %d - %s\n' "$ktap_n" "$name"
		return
	fi
	[[ -z $said ]] || printf '# %s\n' "${said//$'\n'/$'\n# '}"
	printf 'not ok %d - %s\n' "$ktap_n" "$name"
	ktap_failed=$((ktap_failed + 1))
}

# The last command: fails if a case failed, or if another number of cases ran.
ktap_end() {
	if [[ $ktap_n -ne $ktap_planned ]]; then
		printf 'not ok %d - %d cases were planned\n' $((ktap_n + 1)) "$ktap_planned"
		ktap_failed=$((ktap_failed + 1))
	fi
	printf '# %d cases, %d failed\n' "$ktap_n" "$ktap_failed"
	[[ $ktap_failed -eq 0 ]]
}
