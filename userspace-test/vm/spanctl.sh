#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# spanctl.sh: spanctl in a virtual machine, on a real device. Prints the guest's KTAP;
# succeeds only if the guest's script did and the log is clean.
#
#   SERIES=6.1   a name of kernel.sh   TIMEOUT=300   seconds for the guest

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${SERIES:-6.1}

main() {
	prepare_guest
	"$VM_DIR/boot.sh" --series "$SERIES" --ko "$(ko spanalloc)" \
		--add "$TOOLS/spanctl:/bin/spanctl" --add "$TOOLS/json_check:/bin/json_check" \
		--add "$TOOLS/readme_example:/bin/readme_example" \
		--add "$VM_DIR/guest-spanctl-lib.sh:/guest/spanctl-lib.sh" \
		--init "$VM_DIR/guest-spanctl.sh" --quiet --timeout "${TIMEOUT:-300}" \
		--log "$CACHE/spanctl-$SERIES.log"
}

main "$@"
