#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static-tools.sh [TREE]: what tools say about the sources. All work on one copy of TREE, which
# stays, so that sparse need not wait for a compiler each time:
#
#   checkpatch   every C file of ours, strictly; the sets of files below differ in what
#                cannot be asked of them
#   kernel-doc   every documented thing, warnings being errors
#   sparse       every module, warnings being errors
#   mandoc, groff   every manual page, and each has what it is about
#   and shellcheck, every script
#
# Each tool must be seen to look at every file it was given, and to find a violation that
# is planted in the copy: a tool that looks at nothing finds nothing wrong. What checkpatch has
# found fine is not shown to it again: the same file, the same rules, the same checkpatch.
#
#   TOOLS_SERIES=7.2    the kernel whose checkpatch and kernel-doc are taken
#   SPARSE_SERIES=6.1   the kernel that sparse builds for

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ktap.sh
. userspace-test/ktap.sh
# shellcheck source=vm/lib.sh
. userspace-test/vm/lib.sh

TREE=${1:-$PWD}
TOOLS_SERIES=${TOOLS_SERIES:-7.2}
SPARSE_SERIES=${SPARSE_SERIES:-6.1}
JOBS=${JOBS:-$(nproc)}
# kernel-doc must not leave compiled Python in the kernel's source.
export PYTHONDONTWRITEBYTECODE=1

# What checkpatch is not asked, with the reason. The rest of its rules holds for all.
# A set's name, a blank, how many files it has at least, a blank, the types.
SETS=(
	# kzalloc_obj() and its like are newer than the oldest kernel the module is for.
	'module 40 ALLOC_WITH_SIZEOF'
	# The one place for versions; checkpatch takes KERNEL_VERSION() for a variable.
	'compat 1 LINUX_VERSION_CODE,CONSTANT_COMPARISON'
	# Programs that include it have no BIT().
	'uapi 1 BIT_MACRO'
	# Programs have no kernel types, no __printf(), no BIT(), no strscpy(), but errno
	# above zero, PRIu64 and _Static_assert. Then, an access to a mapping is made for its
	# effect; macros of tests take names of fields and end a case; words of a command line
	# are names of functions as well; an array is for another file; and a message stays
	# in one piece, to be found; and what sscanf() returned is compared by CHECK_EQ().
	'programs 40 PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,STRCPY,USE_NEGATIVE_ERRNO,CAMELCASE,VOLATILE,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,MACRO_WITH_FLOW_CONTROL,EMBEDDED_FUNCTION_NAME,STATIC_CONST_CHAR_ARRAY,LONG_LINE_STRING,NAKED_SSCANF'
	# The shim defines what these rules ask others to use or to leave alone, under the
	# names and with the parameters that the kernel has for it.
	'shim 50 PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,CAMELCASE,VOLATILE,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,MACRO_ARG_UNUSED,COMPLEX_MACRO,NEW_TYPEDEFS,UNSPECIFIED_INT,MEMORY_BARRIER,DATA_RACE,USE_LOCKDEP,EXPORT_SYMBOL,AVOID_BUG,MINMAX,IS_ENABLED_CONFIG,PRINTK_WITHOUT_KERN_LEVEL,LOGGING_CONTINUATION,LINUX_VERSION_CODE'
)

# c_files: every C file of the copy. Each belongs to one set, and cannot fall out of all.
c_files() {
	find spanalloc kunit userspace-test -name '*.[ch]' ! -name '*.mod.c' \
		! -name '.module-common.c' | sort
}

set_of() {
	case $1 in
	userspace-test/shim/*) echo shim ;;
	userspace-test/* | spanalloc/tools/*) echo programs ;;
	spanalloc/include/uapi/*) echo uapi ;;
	spanalloc/compat.h) echo compat ;;
	*) echo module ;;
	esac
}

files_of_set() {
	local file
	while read -r file; do
		[[ $(set_of "$file") != "$1" ]] || printf '%s\n' "$file"
	done < <(c_files)
}

# How checkpatch is called. The root is for names in CamelCase, which are looked for there.
CHECKPATCH=(--no-tree --root spanalloc --strict --show-types)

# rules TYPES: what else a verdict depends on, as a word. Names in CamelCase may be known from
# headers.
rules() {
	{
		cat "$SRC"/scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch}
		find spanalloc/include -name '*.h' | sort | xargs cat
		printf '%s\n' "${CHECKPATCH[@]}" "$1"
	} | sha256sum | cut -c 1-16
}

# verdicts FOLDER FILE...: of each file as it is now, where a verdict is kept, and the file.
verdicts() {
	local sum file
	sha256sum "${@:2}" | while read -r sum file; do
		printf '%s %s\n' "$1/${sum:0:32}-${file//\//_}" "$file"
	done
}

# checkpatch SET LEAST TYPES [FILE]...: fails unless it says of each file that it is fine, now or
# before. All files of the set by default. What somebody has configured at home does not count.
checkpatch() {
	local set=$1 least=$2 types=$3 files=("${@:4}") folder verdict file n=0 new=() keep=()
	local said seen status=0
	if [[ ${#files[@]} -eq 0 ]]; then
		mapfile -t files < <(files_of_set "$set")
		[[ ${#files[@]} -ge $least ]] || { echo "only ${#files[@]} files"; return 1; }
	fi
	folder=$CACHE/checkpatch/$(rules "$types")
	mkdir -p "$folder" || return
	while read -r verdict file; do
		n=$((n + 1))
		[[ -e $verdict ]] || { new+=("$file"); keep+=("$verdict"); }
	done < <(verdicts "$folder" "${files[@]}")
	[[ $n -eq ${#files[@]} ]] || { echo "$n of ${#files[@]} files read"; return 1; }
	[[ ${#new[@]} -gt 0 ]] || return 0
	said=$(printf '%s\n' "${new[@]}" | HOME=/nonexistent xargs -P "$JOBS" -n 8 \
		perl "$SRC/scripts/checkpatch.pl" "${CHECKPATCH[@]}" --ignore "$types" -f 2>&1) || status=1
	seen=$(grep -c ' has no obvious style problems and is ready' <<<"$said")
	if [[ $status -eq 0 && $seen -eq ${#new[@]} ]]; then
		touch "${keep[@]}"
		return
	fi
	grep -A 2 -E '^(ERROR|WARNING|CHECK):' <<<"$said"
	echo "$seen of ${#new[@]} files are fine"
	return 1
}

documented() {
	grep -lE '^\s*/\*\*$' -r spanalloc kunit --include='*.[ch]'
}

# kernel_doc LEAST FILE...: it names each thing that it looks at; a DOC: section is none.
kernel_doc() {
	local least=$1 said status=0 seen there
	shift
	said=$("$SRC/scripts/kernel-doc" -none -v -Wall -Werror "$@" 2>&1) || status=1
	seen=$(grep -c 'Scanning doc for' <<<"$said")
	there=$(awk '/^[ \t]*\/\*\*$/ { getline; n += !/ DOC: / } END { print n }' "$@")
	grep -v 'Scanning doc for' <<<"$said"
	[[ $seen -eq $there ]] || echo "$seen of $there comments seen"
	[[ $status -eq 0 && $seen -eq $there && $seen -ge $least ]]
}

# sparse_make GOAL: the KUnit module has no KUnit to be linked to in a distribution's kernel.
sparse_make() (
	forget_outer_make
	make --no-print-directory -C "$KDIR" M="$COPY" C=2 \
		CF='-D__CHECK_ENDIAN__ -Wsparse-error' KBUILD_MODPOST_WARN=1 -j"$JOBS" \
		CONFIG_SPANALLOC=m CONFIG_SPANALLOC_SAMPLES=m CONFIG_SPANALLOC_KUNIT_TEST=m \
		CONFIG_SPANALLOC_TORTURE=m CONFIG_SPANALLOC_PEERS=m "$1" 2>&1
)

module_sources() {
	find spanalloc kunit -name '*.c' ! -name '*.mod.c' ! -path '*/tools/*'
}

sparse_all() {
	local said status=0 seen there
	said=$(sparse_make modules) || status=1
	seen=$(grep -c '^ *CHECK ' <<<"$said")
	there=$(module_sources | wc -l)
	[[ $status -eq 0 ]] || grep -vE '^ +[A-Z]+ ' <<<"$said"
	[[ $seen -eq $there ]] || echo "$seen of $there files checked"
	[[ $status -eq 0 && $seen -eq $there && $seen -ge 30 ]]
}

scripts() {
	find . -name '*.sh' | sort
	echo ./.ci/run
}

# Its status tells of a file that it cannot read.
shellcheck_all() {
	local files
	mapfile -t files < <(scripts)
	[[ ${#files[@]} -ge 20 ]] && shellcheck -x -P SCRIPTDIR "${files[@]}"
}

PAGES=(spanctl.8 libspanalloc.3 spanalloc.4)

# man_formats PAGE: what mandoc says of references depends on what else is installed.
man_formats() {
	local page=Documentation/man/$1 said
	said=$(mandoc -T lint -W style "$page" 2>&1 |
		grep -vE 'referenced manual not found|outdated mandoc.db')
	said+=$(groff -ww -mdoc -T utf8 "$page" 2>&1 >/dev/null)
	[[ -n $said ]] || return 0
	echo "$said"
	return 1
}

all_man_formats() {
	local page status=0
	for page in "${PAGES[@]}"; do
		man_formats "$page" || status=1
	done
	return $status
}

# both LEAST WHAT PAGE: the lists of words in descriptors 3, of the sources, and 4, of the
# page, are the same. A list that is too short was not found.
both() {
	local there said
	there=$(sort -u <&3)
	said=$(diff <(echo "$there") <(sort -u <&4))
	[[ $(wc -l <<<"$there") -ge $1 ]] || said+=$'\n'"only $(wc -l <<<"$there") in the sources"
	[[ -n $said ]] || return 0
	printf '%s of %s (<: only in the sources, >: only in the page):\n%s\n' "$2" "$3" "$said"
	return 1
}

# words FILE EXPRESSION: what the sed expression finds.
words() {
	sed -n "s/$2/\\1/p" "$1"
}

# Every command, option, function, call, flag, parameter and key has its place in a page.
man_is_complete() {
	local man=Documentation/man tools=spanalloc/tools status=0
	both 11 commands spanctl.8 3< <(words $tools/spanctl.c $'^\t{ "\\([a-z]*\\)", ".*') \
		4< <(words $man/spanctl.8 '^\.It Cm \([a-z]*\).*') || status=1
	both 19 options spanctl.8 3< <(words $tools/spanctl.c $'^\t{ \'.\', "\\([a-z]*\\)".*') \
		4< <(words $man/spanctl.8 '^\.It Fl Fl \([a-z]*\).*') || status=1
	both 18 functions libspanalloc.3 3< <(words $tools/libspanalloc.h '^int \(spanalloc_[a-z_]*\)(.*') \
		4< <(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/p' $man/libspanalloc.3 |
			sed -n 's/^\.F[no] \(spanalloc_[a-z_]*\).*/\1/p') || status=1
	both 18 names libspanalloc.3 3< <(words $tools/libspanalloc.h '^int \(spanalloc_[a-z_]*\)(.*') \
		4< <(words $man/libspanalloc.3 '^\.Nm \(spanalloc_[a-z_]*\).*') || status=1
	both 10 calls spanalloc.4 \
		3< <(words spanalloc/include/uapi/linux/spanalloc.h '^#define \(SPANALLOC_IOC_[A-Z]*\)\t_IOWR.*') \
		4< <(words $man/spanalloc.4 '^\.It Dv \(SPANALLOC_IOC_[A-Z]*\).*') || status=1
	both 6 flags spanalloc.4 3< <(words spanalloc/include/uapi/linux/spanalloc.h \
		'^#define \(SPANALLOC_\(ALLOC\|EXPORT\|TRIM\|FILE_SET\)_[A-Z_]*\)\t*(1U <<.*') \
		4< <(words $man/spanalloc.4 '^\.Dv \(SPANALLOC_\(ALLOC\|EXPORT\|TRIM\|FILE_SET\)_[A-Z_]*\).*') ||
		status=1
	both 6 parameters spanalloc.4 3< <(cat spanalloc/*.c | sed -n 's/^module_param\(_cb\)\{0,1\}(\([a-z_]*\),.*/\2/p') \
		4< <(words $man/spanalloc.4 '^\.It Va \([a-z_]*\).*') || status=1
	both 5 keys spanalloc.4 3< <(words spanalloc/device.c '.*"\(spanalloc-[a-z]*\):.*') \
		4< <(words $man/spanalloc.4 '^\.It Li \(spanalloc-[a-z]*\).*') || status=1
	return $status
}

# gone FILE EXPRESSION REPORT COMMAND...: as planted, with lines taken away by sed.
gone() {
	local file=$1 said status=0
	cp "$file" "$COPY.saved"
	sed -i "$2" "$file"
	said=$("${@:4}") && status=1
	mv "$COPY.saved" "$file"
	grep -q -- "$3" <<<"$said" || status=1
	[[ $status -eq 0 ]] || printf 'not found:\n%s\n' "$said"
	[[ $status -eq 0 ]] && "${@:4}"
}

# planted FILE TEXT REPORT COMMAND...: with TEXT at the end of FILE the command fails and says
# REPORT, and without it does neither.
planted() {
	local file=$1 text=$2 report=$3 said status=0
	shift 3
	cp "$file" "$COPY.saved"
	printf '%b\n' "$text" >>"$file"
	said=$("$@") && status=1
	mv "$COPY.saved" "$file"
	grep -q -- "$report" <<<"$said" || status=1
	[[ $status -eq 0 ]] || printf 'not found:\n%s\n' "$said"
	[[ $status -eq 0 ]] && "$@"
}

# One file of each set: what is not asked of a set must not be everything.
planted_in_sets() {
	local line name least types file
	for line in "${SETS[@]}"; do
		read -r name least types <<<"$line"
		file=$(files_of_set "$name" | head -n 1)
		ktap "planted: checkpatch, $name" planted "$file" \
			'\nint f( int a )\n{\n  return (a);\n}' RETURN_PARENTHESES checkpatch "$name" 1 "$types" "$file"
	done
}

# prepare: the tools, and the copy, in which all that follows happens.
prepare() {
	local kernel
	"$VM_DIR/deps.sh" build static || return
	kernel=$("$VM_DIR/kernel.sh" "$SPARSE_SERIES") || return
	eval "$kernel"
	SPARSE_KDIR=$KDIR
	kernel=$("$VM_DIR/kernel.sh" "$TOOLS_SERIES") || return
	eval "$kernel"
	# Packages of the kernel itself leave its scripts out.
	if [[ -z $SRC ]]; then
		kernel=$("$VM_DIR/kernel.sh" "$TOOLS_SERIES" --src) || return
		eval "$kernel"
	fi
	KDIR=$SPARSE_KDIR
	copy
}

# copy: to one folder, whatever TREE is. Products stay there, but a file that was taken away goes,
# and what an interrupted run has planted. One at a time: who comes meanwhile waits.
copy() {
	local part parts=() object
	COPY=$CACHE/static/tree
	mkdir -p "$COPY" || return
	exec 9>"$COPY.lock"
	flock -n 9 || { echo '# somebody else has the copy' && flock 9; } || return
	trap 'rm -f "$COPY.saved"' EXIT
	for part in Kbuild .ci spanalloc kunit userspace-test Documentation; do
		parts+=("$TREE/$part")
	done
	rsync -rlp --checksum --delete --exclude=build --exclude='*.o' \
		--exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' \
		--exclude='*.symvers' --exclude=modules.order --exclude='.module-common*' \
		"${parts[@]}" "$COPY/" || return
	# An object without a source would do for make. Linked ones are soon made again.
	while read -r object; do
		[[ -e ${object%.o}.c ]] || rm -f "$object"
	done < <(find "$COPY" -name '*.o')
	# Names that checkpatch remembers.
	rm -f "$COPY"/.checkpatch-camelcase.*
	cd "$COPY" || return
}

main() {
	local line name least types files
	prepare || die "the tools cannot be had"
	ktap_plan $((2 * ${#SETS[@]} + 13))
	for line in "${SETS[@]}"; do
		read -r name least types <<<"$line"
		ktap "checkpatch: $name, $(files_of_set "$name" | wc -l) files" \
			checkpatch "$name" "$least" "$types"
	done
	planted_in_sets
	mapfile -t files < <(documented)
	ktap "kernel-doc: ${#files[@]} files" kernel_doc 100 "${files[@]}"
	ktap 'planted: kernel-doc' planted spanalloc/span.c \
		'\n/**\n * f() - does\n * @a: this\n */\nvoid f(int a, int b)\n{\n}' \
		"'b' not described" kernel_doc 1 spanalloc/span.c
	ktap "sparse: $(module_sources | wc -l) files" sparse_all
	ktap 'planted: sparse' planted spanalloc/span.c 'int f(int __user *p)\n{\n\treturn *p;\n}' \
		'different address spaces\|dereference of noderef' sparse_make spanalloc/span.o
	ktap "shellcheck: $(scripts | wc -l) scripts" shellcheck_all
	ktap 'planted: shellcheck' planted userspace-test/check.sh "cd \$1" SC2086 \
		shellcheck -x -P SCRIPTDIR userspace-test/check.sh
	ktap "manual pages format: ${#PAGES[@]}" all_man_formats
	ktap 'planted: a macro that mandoc does not know' planted Documentation/man/spanctl.8 '.Xy z' \
		'unknown macro' all_man_formats
	ktap 'planted: a macro that groff does not know' planted Documentation/man/spanalloc.4 \
		'.nosuch' 'troff: .*nosuch' all_man_formats
	ktap 'manual pages are complete' man_is_complete
	ktap 'planted: an option that is not explained' gone Documentation/man/spanctl.8 \
		'/^\.It Fl Fl drain/d' '< drain' man_is_complete
	ktap 'planted: a function that is not explained' gone Documentation/man/libspanalloc.3 \
		'/^\.Fn spanalloc_query/d' '< spanalloc_query' man_is_complete
	ktap 'planted: a parameter that does not exist' planted Documentation/man/spanalloc.4 \
		'.It Va no_such' '> no_such' man_is_complete
	ktap_end
}

main
