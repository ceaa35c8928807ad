#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench-device.sh: what the device costs (device_bench), in a virtual machine, as a table and
# as userspace-test/build/bench-device.json. Nothing is judged, for the numbers are the
# machine's, but the longest times of an allocation while memory is given back, and those
# loosely. Where there is no KVM they are an emulator's, which makes page tables and their
# caches dearer than arithmetic, so that what maps memory looks worse than it is.
#
#   SERIES=6.1    a name of kernel.sh      TIMEOUT=1800   seconds for the guest
#   MEM=1024      MiB of memory

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}
JSON=$PROJECT/userspace-test/build/bench-device.json

host_cpu() {
	sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
}

# write_json LOG ACCEL: what the guest knows, and what only the host does.
write_json() {
	{
		printf '{\n"host_cpu": "%s",\n"host_cpus": %d,\n"host_load": "%s",\n"qemu": "%s",\n' \
			"$(host_cpu)" "$(nproc)" "$(cut -d ' ' -f 1-3 /proc/loadavg)" "$2"
		tr -d '\r' <"$1" | sed -e '1,/^BENCH-JSON-BEGIN/d' -e '/^BENCH-JSON-END/,$d' |
			grep -v '^\[ *[0-9]'
		printf '}\n'
	} >"$JSON"
	python3 -m json.tool "$JSON" >/dev/null || die "$JSON is no JSON"
}

main() {
	local options=() log=$CACHE/bench-device-$SERIES.log accel
	prepare_guest
	options+=(--ko "$(ko spanalloc)" --ko "$(ko spanalloc_bench)" --ko "$(ko spanalloc_tail)")
	accel=$("$VM_DIR/accel.sh" "$ARCH" "$IMAGE")
	printf '# Linux %s, %s, QEMU %s\n' "$RELEASE" "$(host_cpu)" "$accel"
	[[ $accel = *kvm* ]] ||
		echo '# no KVM: emulated memory management distorts these figures'
	"$VM_DIR/boot.sh" --series "$SERIES" "${options[@]}" \
		--add "$TOOLS/device_bench:/bin/device_bench" \
		--init "$VM_DIR/guest-bench.sh" --quiet --mem "${MEM:-1024}" \
		--timeout "${TIMEOUT:-1800}" --log "$log"
	write_json "$log" "$accel"
	printf '# %s\n' "${JSON#"$PROJECT"/}"
}

main "$@"
