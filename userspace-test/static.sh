#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static.sh [TREE]: rules about the sources that no compiler knows: which layer includes
# which, where kernel versions are tested, how long files and functions are, that documents
# are filled in and merged. Each rule is shown to hold, and to fail on a violation planted in
# a copy.
#
# The layers, lowest first; a file includes only what stands here in or below its line:
#
#   treap                                     <linux/...> of trees and numbers only
#   span                                      treap
#   backing.h                                 nothing of ours
#   demand                                    nothing of ours
#   arena                                     span, backing.h
#   heap.h                                    arena, demand, span, treap, backing.h
#   batch.h contents.h                        heap.h and below
#   cache.h                                   batch.h, heap.h and below
#   space.h heap.c space.c batch.c bulk.c cache.c cache_drain.c contents.c claim.c scavenge.c
#   scavenger.c upkeep.c inspect.c            batch.h, cache.h, contents.h, heap.h and below
#   account keeper view                       heap.h
#   client.c debugfs.c policy.c               heap.h, keeper.h
#   buffer                                    account.h, heap.h
#   export handle mapping.c                   buffer.h, view.h
#   calls                                     buffer.h, export.h, handle.h, view.h
#   device.c                                  calls.h, and what that may
#   main.c                                    span.h, buffer.h, keeper.h
#
# Beside that, what the files of the module proper share, internal.h, is for buffer, calls, client,
# debugfs, device, main and policy, and compat.h for each .c file but those of the core. A file that
# does not stand here may include nothing.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ktap.sh
. userspace-test/ktap.sh

TREE=${1:-$PWD}
FILE_LINES_MAX=600
FUNCTION_LINES_MAX=60

# Functions that are long for a reason: tables in the shape of a switch.
LONG_FUNCTIONS=()

# allowed FILE: sets allowed to what it may include of ours, an extended regular expression.
allowed() {
	case $1 in
	treap.[ch] | treap_check.c) allowed='treap\.h' ;;
	span.[ch]) allowed='span\.h|treap\.h' ;;
	backing.h) allowed='none' ;;
	arena.[ch]) allowed='arena\.h|span\.h|treap\.h|backing\.h' ;;
	demand.[ch]) allowed='demand\.h' ;;
	heap.h) allowed='(arena|demand|span|treap|backing)\.h' ;;
	batch.h | cache.h | contents.h) allowed='(batch|heap|arena|demand|span|treap|backing)\.h' ;;
	space.h | heap.c | space.c | batch.c | bulk.c | cache.c | cache_drain.c | contents.c | \
		claim.c | scavenge.c | scavenger.c | upkeep.c | inspect.c)
		allowed='(space|batch|cache|contents|heap|arena|demand|span|treap|backing)\.h' ;;
	backing.c) allowed='backing\.h|compat\.h' ;;
	account.[ch] | keeper.[ch] | view.[ch]) allowed="(${1%.*}|heap|compat)\.h" ;;
	client.c | debugfs.c | policy.c) allowed='(heap|keeper|internal|compat)\.h' ;;
	buffer.[ch]) allowed='(buffer|account|heap|internal|compat)\.h' ;;
	export.[ch] | handle.[ch] | mapping.c) allowed="(${1%.*}|buffer|view|compat)\.h" ;;
	calls.[ch]) allowed='(calls|buffer|export|handle|view|internal|compat)\.h' ;;
	device.c) allowed='(calls|buffer|export|handle|view|internal|compat)\.h' ;;
	kunit_exports.c) allowed='(heap|compat)\.h' ;;
	main.c) allowed='(span|buffer|keeper|internal|compat)\.h' ;;
	*) allowed='none' ;;
	esac
}

layers_hold() {
	local name target allowed bad=0 count=0
	while IFS=: read -r name target; do
		name=${name##*/}
		target=${target#*\"}
		target=${target%%\"*}
		count=$((count + 1))
		allowed "$name"
		[[ $target =~ ^($allowed)$ ]] && continue
		echo "$name includes $target"
		bad=1
	done < <(grep -E '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1"/spanalloc/*.[ch])
	[[ $bad -eq 0 && $count -ge 60 ]]
}

# The treap is a data structure: no memory, no locks, no pages.
treap_is_pure() {
	local said
	said=$(grep -hE '^#include <' "$1"/spanalloc/treap*.[ch] |
		grep -vE '<linux/(bits|kernel|limits|log2|minmax|prefetch|rbtree|rbtree_augmented|types)\.h>') || return 0
	echo "$said"
	return 1
}

# defined VARIABLE MAKEFILE: the words of its definition, lines that go on included.
defined() {
	sed -e ':again; /\\$/ { N; s/\\\n//; b again }' "$2" |
		sed -n "s/^$1 := //p" | tr -s ' \t' '\n' | sort
}

# The core is what user space compiles; Kbuild and the tests must mean the same files.
core_is_tested() {
	local kbuild tests
	kbuild=$(defined spanalloc-y "$1/spanalloc/Kbuild" | sed 's/\.o$/.c/')
	tests=$(defined CORE_SRCS "$1/userspace-test/Makefile")
	[[ -n $kbuild ]] && diff <(echo "$kbuild") <(echo "$tests")
}

# The core knows no kernel version and nothing of the module around it.
core_is_closed() {
	local name said files=()
	for name in $(defined CORE_SRCS "$1/userspace-test/Makefile"); do
		files+=("$name")
		[[ ! -e $1/spanalloc/${name%.c}.h ]] || files+=("${name%.c}.h")
	done
	[[ ${#files[@]} -ge 20 ]] || return 1
	said=$(cd "$1/spanalloc" && grep -nE \
		'include "(compat|internal|buffer)|__user|module_param|struct file\b' \
		"${files[@]}") || return 0
	echo "$said"
	return 1
}

versions_stand_in_compat() {
	local said
	grep -q LINUX_VERSION_CODE "$1/spanalloc/compat.h" || return
	said=$(grep -rnE 'LINUX_VERSION_CODE|KERNEL_VERSION\(' --include='*.[ch]' \
		"$1/spanalloc" | grep -v '^[^:]*/compat\.h:') || return 0
	echo "$said"
	return 1
}

compat_in_no_header() {
	local said
	said=$(grep -rnE 'include "([./]*)compat\.h"' --include='*.h' "$1/spanalloc") || return 0
	echo "$said"
	return 1
}

# Every source of ours, the trees of other people's kernels excepted.
sources() {
	find "$1/spanalloc" "$1/kunit" "$1/userspace-test" \( -name build -o -name traces \) -prune \
		-o -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.awk' -o -name '*.py' \
		-o -name '*.rules' -o -name '*.conf' -o -name '*.in' -o -name '*.map' \
		-o -name Kbuild -o -name Kconfig -o -name Makefile \) ! -name '*.mod.c' -print
}

# Programs of any licence may link to the library.
licensed() {
	local said
	# shellcheck disable=SC2016 # for awk to expand
	said=$(sources "$1" | xargs awk '
		function judge() {
			if (file && !good)
				print file " has no licence line, or a wrong one"
		}
		FNR == 1 {
			judge()
			file = FILENAME
			licence = file ~ /\/tools\/libspanalloc\.[ch]$/ ? "LGPL-2\\.1-or-later" : "GPL-2\\.0"
			good = 0
		}
		$0 ~ "SPDX-License-Identifier: " licence { good = 1 }
		FNR == 2 { count++; nextfile }
		END { judge(); if (count < 40) print count + 0 " files" }')
	[[ -z $said ]] && return
	echo "$said"
	return 1
}

files_are_short() {
	local file bad=0 lines
	while read -r file; do
		lines=$(wc -l <"$file")
		[[ $lines -le $FILE_LINES_MAX ]] && continue
		echo "${file#"$1"/} has $lines lines"
		bad=1
	done < <(sources "$1")
	return $bad
}

# A function begins with a brace in the first column and ends with one.
functions_are_short() {
	local said
	# shellcheck disable=SC2016 # for awk to expand
	said=$(sources "$1" | grep '\.c$' | xargs awk -v max=$FUNCTION_LINES_MAX '
		/^[a-zA-Z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
		/^\{/ { from = FNR }
		/^\}/ && from {
			if (FNR - from - 1 > max)
				print FILENAME ": " name "() has " FNR - from - 1 " lines"
			from = 0
		}' | grep -vE "^: (${LONG_FUNCTIONS[*]:-none})\\(") || return 0
	echo "$said"
	return 1
}

# Nothing in a shipped file may depend on where it was made.
no_machine_paths() {
	local said
	said=$(sources "$1" | xargs grep -nE '/(root|work)/|/home/[a-z]' |
		grep -v '^[^:]*/userspace-test/static\.sh:') || return 0
	echo "$said"
	return 1
}

# What is to be filled in before a document is read by anybody.
no_placeholders() {
	local said files
	mapfile -t files < <(find "$1" -name build -prune -o -type f \
		\( -name '*.rst' -o -name '*.md' \) -print)
	[[ ${#files[@]} -ge 4 ]] || { echo "only ${#files[@]} documents"; return 1; }
	said=$(grep -nE '@[A-Z]+@' "${files[@]}") || return 0
	echo "$said"
	return 1
}

# A line of dashes is as long as the title next to it, or a merge has left it there.
titles_are_lined() {
	local said files
	mapfile -t files < <(find "$1/Documentation" -name '*.rst')
	[[ ${#files[@]} -ge 3 ]] || { echo "only ${#files[@]} documents"; return 1; }
	# shellcheck disable=SC2016 # for awk to expand
	said=$(awk '
		FNR == 1 { above = line = "" }
		line ~ /^(====+|----+)$/ && length(line) != length(above) &&
			length(line) != length($0) { print FILENAME ":" FNR - 1 ": " line }
		{ above = line; line = $0 }' "${files[@]}")
	[[ -z $said ]] && return
	echo "$said"
	return 1
}

RULES=(layers_hold treap_is_pure core_is_tested core_is_closed versions_stand_in_compat
	compat_in_no_header licensed files_are_short functions_are_short no_machine_paths
	no_placeholders titles_are_lined)

rule_name() {
	echo "${1//_/ }"
}

# planted RULE FILE TEXT: the rule fails once TEXT stands at the end of FILE in a copy.
planted() {
	local rule=$1 file=$2 status
	cp "$COPY/$file" "$COPY/saved" || return
	printf '%b\n' "$3" >>"$COPY/$file"
	"$rule" "$COPY" >/dev/null
	status=$?
	mv "$COPY/saved" "$COPY/$file"
	[[ $status -ne 0 ]] && "$rule" "$COPY"
}

# changed RULE FILE EXPRESSION: the same with a sed expression.
changed() {
	local rule=$1 file=$2 status
	cp "$COPY/$file" "$COPY/saved" || return
	sed -i "$3" "$COPY/$file"
	cmp -s "$COPY/$file" "$COPY/saved" && echo "nothing was planted in $file"
	"$rule" "$COPY" >/dev/null
	status=$?
	mv "$COPY/saved" "$COPY/$file"
	[[ $status -ne 0 ]] && "$rule" "$COPY"
}

long_text() {
	printf 'int f(void)\\n{\\n'
	printf '\\tg();\\n%.0s' {1..61}
	printf '}'
}

COPY=$(mktemp -d) || exit 1
trap 'rm -rf "$COPY"' EXIT
(cd "$TREE" && tar -cf - --exclude=build --exclude='*.o' --exclude='*.ko' \
	spanalloc kunit userspace-test Documentation README.md) | tar -xf - -C "$COPY" || exit 1

ktap_plan $((${#RULES[@]} + 22))
for rule in "${RULES[@]}"; do
	ktap "rule: $(rule_name "$rule")" "$rule" "$TREE"
done
ktap 'planted: treap includes span.h' planted layers_hold spanalloc/treap.c '#include "span.h"'
ktap 'planted: arena includes heap.h' planted layers_hold spanalloc/arena.h '# include "heap.h"'
ktap 'planted: the device includes treap.h' planted layers_hold spanalloc/main.c '#include "treap.h"'
ktap 'planted: the device includes space.h' planted layers_hold spanalloc/main.c '#include "space.h"'
ktap 'planted: the account includes calls.h' planted layers_hold spanalloc/account.c '#include "calls.h"'
ktap 'planted: the treap allocates' planted treap_is_pure spanalloc/treap.c '#include <linux/slab.h>'
ktap 'planted: a source of the core is not tested' changed core_is_tested \
	userspace-test/Makefile '/^CORE_SRCS/s/ claim\.c//'
ktap 'planted: a source at the end of the core is not tested' changed core_is_tested \
	userspace-test/Makefile 's/ inspect\.c$//'
ktap 'planted: the core knows user memory' planted core_is_closed spanalloc/heap.c 'int __user *p;'
ktap 'planted: the caches know user memory' planted core_is_closed spanalloc/cache_drain.c 'int __user *p;'
ktap 'planted: a version test' planted versions_stand_in_compat spanalloc/heap.c \
	'#if LINUX_VERSION_CODE >= 1'
ktap 'planted: compat.h in a header' planted compat_in_no_header spanalloc/heap.h '#include "compat.h"'
ktap 'planted: no licence' changed licensed spanalloc/heap.c '1d'
ktap 'planted: the library under another licence' changed licensed \
	spanalloc/tools/libspanalloc.c '1s/LGPL-2.1-or-later/GPL-2.0-only/'
ktap 'planted: a file under the licence of the library' changed licensed \
	spanalloc/tools/json.c '1s/GPL-2.0-only/LGPL-2.1-or-later/'
ktap 'planted: a long file' changed files_are_short spanalloc/span.h '1s/.*/&\n'"$(printf 'x\\n%.0s' {1..600})"'/'
ktap 'planted: a long function' planted functions_are_short spanalloc/span.c "$(long_text)"
# Not in one word, or this line itself would be one.
user=root
ktap 'planted: a path' planted no_machine_paths spanalloc/heap.c "/* /$user/x */"
ktap 'planted: a path in a script' planted no_machine_paths userspace-test/check.sh '# /home/joe'
ktap 'planted: a table that is to come' planted no_placeholders Documentation/testing.rst '@TIMES@'
ktap 'planted: a placeholder in the README' planted no_placeholders README.md 'takes @SECONDS@ s'
ktap 'planted: a seam of a merge' planted titles_are_lined Documentation/design.rst \
	'text\n=======\nGiving memory back\n=================='
ktap_end
