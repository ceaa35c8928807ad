#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tools_test.sh: what tools_install installs, and that programs can be built with it, the
# one of the README first; and what spanctl does without a device, as a sanitized build.
#
#   BUILD=build     where the programs are

set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=ktap.sh
. ./ktap.sh

BUILD=$(realpath -m "${BUILD:-build}")
TOOLS=$(realpath ../spanalloc/tools)
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
OUT=$WORK/out
ERR=$WORK/err
DEST=$WORK/dest
# A make above has flags for its own work.
unset MAKEFLAGS MFLAGS MAKELEVEL PKG_CONFIG_PATH NO_COLOR COLUMNS

tools() {
	make --no-print-directory -C "$TOOLS" BUILD="$WORK/build" CFLAGS='-O1 -Werror -fno-pie' \
		LDFLAGS=-no-pie DESTDIR="$DEST" "$@" >"$OUT" 2>&1 || { cat "$OUT"; return 1; }
}

installed() {
	(cd "$DEST" && find . ! -type d | sort)
}

INSTALLED='./usr/local/include/libspanalloc.h
./usr/local/include/linux/spanalloc.h
./usr/local/lib/libspanalloc.a
./usr/local/lib/libspanalloc.so
./usr/local/lib/libspanalloc.so.0
./usr/local/lib/libspanalloc.so.VERSION
./usr/local/lib/pkgconfig/libspanalloc.pc
./usr/local/lib/sysusers.d/spanalloc.conf
./usr/local/lib/udev/rules.d/60-spanalloc.rules
./usr/local/sbin/spanctl
./usr/local/share/doc/spanalloc/COPYING.LIB
./usr/local/share/doc/spanalloc/examples/modprobe.conf
./usr/local/share/doc/spanalloc/examples/modules-load.conf
./usr/local/share/man/man3/libspanalloc.3
./usr/local/share/man/man4/spanalloc.4
./usr/local/share/man/man8/spanctl.8'

installs_what_it_says() {
	local version
	tools install || return
	version=$("$DEST/usr/local/sbin/spanctl" version --device /dev/absent) || return
	diff <(sort <<<"${INSTALLED/VERSION/${version#spanctl }}") <(installed) &&
		[[ -z $(cd "$DEST" && find . -type f -perm /022) ]]
}

rule_and_group() {
	grep -qx 'SUBSYSTEM=="misc", KERNEL=="spanalloc", GROUP="spanalloc", MODE="0660"' \
		"$DEST/usr/local/lib/udev/rules.d/60-spanalloc.rules" &&
		grep -qx 'g spanalloc -' "$DEST/usr/local/lib/sysusers.d/spanalloc.conf"
}

# Elsewhere, and away again; what else is there stays.
uninstalls() {
	local DEST="$WORK/other place"
	tools install PREFIX=/opt/x LIBDIR=/opt/x/lib/abi || return
	[[ -L $DEST/opt/x/lib/abi/libspanalloc.so.0 ]] &&
		grep -qx 'libdir=/opt/x/lib/abi' "$DEST/opt/x/lib/abi/pkgconfig/libspanalloc.pc" || return
	touch "$DEST/opt/x/lib/abi/"{others,libspanalloc.so.0.0.0}
	tools uninstall PREFIX=/opt/x LIBDIR=/opt/x/lib/abi && [[ $(installed) = ./opt/x/lib/abi/others ]]
}

# Folders that would be taken for several, or for something else; nothing is done to any.
refuses_odd_folders() {
	local odd
	touch "$WORK/kept"
	# shellcheck disable=SC2016 # for make
	for odd in PREFIX="/opt/x y" PREFIX= LIBDIR=/opt/x:y SBINDIR='/opt/$$(x)' MANDIR='/opt/"x' DOCDIR='/opt/\x' \
			INCLUDEDIR=/opt/x,y "DESTDIR=$WORK/x' $WORK/kept '"; do
		! tools install "$odd" && grep -q 'Makefile:.*\*\*\* [A-Z]* .*has to be\|cannot have' "$OUT" &&
			! tools uninstall "$odd" && continue
		echo "taken: $odd"
		return 1
	done
	[[ -e $WORK/kept ]]
}

# The pkg-config file as it is for whoever installs without DESTDIR.
pkg() {
	PKG_CONFIG_LIBDIR=$DEST/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DEST \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config "$@" libspanalloc
}

# builds COMPILER SOURCE FLAG...: a program, which runs.
builds() {
	local compiler=$1 source=$2 flags status=0
	shift 2
	flags=$(pkg --cflags --libs) || return
	# shellcheck disable=SC2086 # several words
	"$compiler" -Wall -Wextra -Werror "$source" $flags "$@" -o "$WORK/program" || return
	LD_LIBRARY_PATH=$DEST/usr/local/lib "$WORK/program" >"$OUT" 2>"$ERR" || status=$?
	[[ $status -eq 0 || $(cat "$ERR") = 'no pages: '* ]]
}

readme_builds() {
	tools/readme_example.sh ../README.md >"$WORK/readme.c" || return
	builds gcc "$WORK/readme.c" && readelf -d "$WORK/program" | grep -q 'NEEDED.*libspanalloc.so.0' &&
		builds gcc "$WORK/readme.c" -static
}

man_example_builds() {
	sed -n '/^\.Sh EXAMPLES/,$p' ../Documentation/man/libspanalloc.3 |
		awk '/^\.Bd/ { on = 1; next } /^\.Ed/ { exit } on' >"$WORK/man.c"
	[[ $(wc -l <"$WORK/man.c") -gt 10 ]] || return
	sed -i 's/return 1;/return puts(""), 0;/; 1i #include <stdio.h>' "$WORK/man.c"
	builds gcc "$WORK/man.c"
}

cplusplus_builds() {
	cat >"$WORK/program.cc" <<-'END'
	#include <libspanalloc.h>

	int main()
	{
		struct spanalloc_alloc alloc = {};
		void *address;

		alloc.npages = 17;
		return spanalloc_alloc_map(-1, &alloc, &address) != -9 /* EBADF */;
	}
	END
	builds g++ "$WORK/program.cc" -std=c++11 -pedantic -Wshadow
}

functions() {
	sed -n 's/^int \(spanalloc_[a-z_]*\)(.*/\1/p' "$TOOLS/libspanalloc.h" | sort
}

# By name, so that none gets out unasked.
mapped() {
	sed -n 's/^\t\(spanalloc_.*\);$/\1/p' "$TOOLS/libspanalloc.map" | sort
}

# Nothing more, nothing less.
symbols() {
	local count
	count=$(functions | wc -l)
	diff <(functions) <(mapped) && diff <(functions) <(nm -D --defined-only "$DEST"/usr/local/lib/libspanalloc.so |
		sed -n 's/.* T \(.*\)@@SPANALLOC_0$/\1/p' | sort) && [[ $count -ge 18 ]] &&
		[[ $(nm -D --defined-only "$DEST"/usr/local/lib/libspanalloc.so | wc -l) -eq $((count + 1)) ]]
}

versions_agree() {
	[[ spanctl\ $(pkg --modversion) = "$("$DEST/usr/local/sbin/spanctl" version --device /dev/absent)" ]]
}

# spanctl without a device.

run() {
	local expected=$1 got=0
	shift
	"$BUILD/spanctl-test" "$@" >"$OUT" 2>"$ERR" </dev/null || got=$?
	[[ $got -eq $expected ]] && return
	printf 'spanctl %s: status %d, not %d:\n' "$*" "$got" "$expected"
	head -n 20 "$ERR"
	return 1
}

json() {
	"$BUILD/json-check" "$@" <"$OUT"
}

# A checker that takes anything would be easily pleased.
checker_is_strict() {
	local text
	while read -r text; do
		! "$BUILD/json-check" <<<"$text" >/dev/null || { echo "taken: $text"; return 1; }
	done <<-'END'
	{"a": 1,}
	[1,]
	{"a" 1}
	{a: 1}
	{'a': 1}
	[1 2]
	{} {}
	01
	1.
	+1
	-
	.5
	1e
	NaN
	nul
	truex
	"a
	"\x"
	"\u12g4"
	[
	]
	{"a": }

	END
	"$BUILD/json-check" <<<'{"a": [1, -2.5e+3, "\u00e9\n", true, false, null, {}, []]}' &&
		"$BUILD/json-check" --lines <<<$'{}\n[1]' && ! "$BUILD/json-check" --lines <<<$'{}\n[1' >/dev/null
}

# process PID NAME [FD LINE...]: what the kernel would tell.
process() {
	mkdir -p "$WORK/proc/$1/fdinfo"
	printf '%b\n' "$2" >"$WORK/proc/$1/comm"
	printf 'pos:\t0\nflags:\t02\n' >"$WORK/proc/$1/fdinfo/0"
	[[ $# -lt 4 ]] || printf '%b\n' pos:\\t0 "${@:4}" >"$WORK/proc/$1/fdinfo/$3"
}

top_of_processes() {
	process 12 capture 3 'spanalloc-pages:\t1041' 'spanalloc-limit:\tmax' 'spanalloc-handles:\t3' \
		'spanalloc-quarantined:\t16' 'spanalloc-allocs:\t7'
	process 345 'a "b"\\\x1b[2J\xc2\x9b' 7 'spanalloc-pages:\t2048' 'spanalloc-limit:\t4096' \
		'spanalloc-handles:\t1' 'spanalloc-quarantined:\t0' 'spanalloc-allocs:\t1'
	process 678 other 3 'exp_name:\tudmabuf' 'name:\t\nspanalloc-pages:\t9999999999999'
	process self capture 3 'spanalloc-pages:\t1'
	run 0 top --proc "$WORK/proc" && [[ $(wc -l <"$OUT") -eq 3 ]] &&
		[[ $(awk 'NR > 1 { print $1, $2, $3, $5, $6, $7, $8 }' "$OUT") = \
		$'345 7 2048 4096 1 0 1\n12 3 1041 none 3 16 7' ]] && ! LC_ALL=C grep -q '[^ -~]' "$OUT" &&
		run 0 top --json --proc "$WORK/proc" && json -q pid=345 -q limit=null -q quarantined=16 &&
		! LC_ALL=C grep -q '[^ -~]' "$OUT" &&
		run 1 top --proc "$WORK/absent" && grep -q absent "$ERR"
}

# A reader that does not read keeps nobody from ending.
top_ends_unread() {
	timeout 60 python3 - "$BUILD/spanctl-test" "$WORK/proc" <<-'END'
	import fcntl, os, select, signal, subprocess, sys, time
	reader, writer = os.pipe()
	fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
	top = subprocess.Popen([sys.argv[1], "top", "0.001", "--proc", sys.argv[2]], stdout=writer)
	# Full for a while: top waits, and not between two rounds.
	full = 0
	while full < 10:
	    full = 0 if select.select([], [writer], [], 0)[1] else full + 1
	    time.sleep(0.05)
	top.send_signal(signal.SIGTERM)
	try:
	    status = top.wait(10)
	except subprocess.TimeoutExpired:
	    top.kill()
	    sys.exit("it does not end")
	assert status == 0, status
	END
}

heaps() {
	mkdir -p "$WORK/heaps/default" "$WORK/heaps/ring"
	echo 'ok 4 spans, 2 free, 2 granules, sums compared' >"$WORK/heaps/default/check"
	echo 'invariant 5 broken at page 17' >"$WORK/heaps/ring/check"
	cat >"$WORK/heaps/default/spans" <<-'END'
	base pages state released owner
	0 17 in-use 0 pid 1041
	17 495 free 0 -
	512 300 in-use 0 spanalloc_ring_init+0x4c/0x1000 [spanalloc_ring]
	812 15572 free 15360 -
	END
}

check_of_heaps() {
	heaps
	run 1 check --debugfs "$WORK/heaps" && [[ $(wc -l <"$OUT") -eq 2 && ! -s $ERR ]] &&
		run 0 check default --debugfs "$WORK/heaps" && run 1 check --json --debugfs "$WORK/heaps" &&
		json -q sound=true -q sound=false &&
		printf 'broken \xc2\x9b2J\x1b[2J\n' >"$WORK/heaps/ring/check" &&
		run 1 check --debugfs "$WORK/heaps" && ! LC_ALL=C grep -q '[^ -~]' "$OUT" && run 3 check absent --debugfs "$WORK/heaps" &&
		: >"$WORK/heaps/ring/check" && run 3 check --debugfs "$WORK/heaps" && grep -q 'empty' "$ERR"
}

svg_is_xml() {
	heaps
	run 0 map --svg "$WORK/map.svg" --debugfs "$WORK/heaps" && [[ ! -s $OUT ]] || return
	python3 - "$WORK/map.svg" <<-'END'
	import sys, xml.etree.ElementTree as tree
	svg = tree.parse(sys.argv[1]).getroot()
	# Browsers draw nothing without that name.
	space = svg.tag[:-len("svg")]
	assert space.endswith("/2000/svg}"), space
	titles = [t.text for t in svg.iter(space + "title")]
	assert svg.tag == space + "svg" and svg.get("viewBox"), svg.tag
	assert "pages 512 to 811 (300): in-use, spanalloc_ring_init+0x4c/0x1000 [spanalloc_ring]" in titles
	# Pages of rectangles, by their widths, are those of the heap.
	width = sum(float(r.get("width")) for r in svg.iter(space + "rect") if r.find(space + "title") is not None)
	assert abs(width - 16384 * 1024 / 512) < 1, width
	END
}

map_as_json() {
	run 0 map --json --debugfs "$WORK/heaps" && json -q pages=16384 -q released=15360 -q base=812 &&
		python3 -m json.tool "$OUT" >/dev/null
}

# on_tty COMMAND: what it says to a terminal.
on_tty() {
	TERM=xterm script -qec "$*" /dev/null </dev/null | tr -d '\r'
}

map_colours() {
	local command="'$BUILD/spanctl-test' map --debugfs '$WORK/heaps'"
	on_tty "$command" | grep -q $'\x1b\[32m' && ! on_tty "NO_COLOR=1 $command" | grep -q $'\x1b' &&
		on_tty "NO_COLOR= $command" | grep -q $'\x1b' && ! on_tty "TERM=dumb $command" | grep -q $'\x1b' &&
		! sh -c "$command" | grep -q $'\x1b'
}

map_letters() {
	LC_ALL=C.UTF-8 run 0 map --debugfs "$WORK/heaps" && grep -q '█' "$OUT" &&
		LC_ALL=C.UTF-8 run 0 map --ascii --debugfs "$WORK/heaps" && ! LC_ALL=C grep -q '[^ -~]' "$OUT" &&
		LC_ALL=C run 0 map --debugfs "$WORK/heaps" && ! LC_ALL=C grep -q '[^ -~]' "$OUT"
}

map_widths() {
	COLUMNS=120 run 0 map --debugfs "$WORK/heaps" && [[ $(grep -c '.\{100\}' "$OUT") -gt 10 ]] &&
		COLUMNS=zero run 0 map --debugfs "$WORK/heaps" && [[ $(grep -c '.\{100\}' "$OUT") -eq 0 ]] &&
		run 0 map --width 130 --debugfs "$WORK/heaps" && [[ $(grep -c '.\{120\}' "$OUT") -gt 10 ]]
}

map_of_damaged_text() {
	echo '0 nonsense' >>"$WORK/heaps/default/spans"
	run 1 map --debugfs "$WORK/heaps" && grep -q 'default/spans: line 6: not a span' "$ERR" && [[ ! -s $OUT ]]
}

usage_errors() {
	run 2 && run 2 nosuch && run 2 info --nosuch && run 2 info --align 2 && run 2 alloc 0 &&
		run 2 alloc x && run 2 trim 0 && run 2 watch 0 && run 2 map --width 1 && run 2 replay &&
		run 2 map ../x && run 2 check default a/b && [[ ! -s $OUT ]] && run 2 map --svg a --json && run 3 info --device /dev/null &&
		run 3 stats --device "$WORK/absent" && run 0 --help && run 0 map --help
}

# complains PATTERN ARGUMENT...: of that, as a usage error.
complains() {
	run 2 "${@:2}" && grep -q -- "$1" "$ERR" && return
	cat "$ERR"
	return 1
}

options_named() {
	complains "option '--nosuch'" info --nosuch && complains "option '-x'" info -x &&
		complains "option '-x'" info --device=/dev/null -xy && complains "option '-j'" info -j=1 &&
		complains '^spanctl: --json takes no value' info --json=1 &&
		complains '^spanctl: --js takes no value' info --js=1 && complains '--device wants a value' info --device
}

ktap_plan 21
ktap 'installs what it says' installs_what_it_says
ktap 'the rule and the group' rule_and_group
ktap 'installs elsewhere, and uninstalls' uninstalls
ktap 'odd folders are refused' refuses_odd_folders
ktap 'the program of the README builds, shared and static' readme_builds
ktap 'the program of libspanalloc(3) builds' man_example_builds
ktap 'a C++ program builds' cplusplus_builds
ktap 'the shared library exports its functions' symbols
ktap 'versions agree' versions_agree
ktap 'the checker of JSON is strict' checker_is_strict
ktap 'top of made processes' top_of_processes
ktap 'top ends though nobody reads' top_ends_unread
ktap 'check of made heaps' check_of_heaps
ktap 'SVG is XML, and to scale' svg_is_xml
ktap 'map as JSON' map_as_json
ktap 'colours are for terminals' map_colours
ktap 'letters are those of the locale' map_letters
ktap 'as wide as was asked' map_widths
ktap 'damaged text is refused' map_of_damaged_text
ktap 'usage errors' usage_errors
ktap 'what is wrong with an option is named' options_named
ktap_end
