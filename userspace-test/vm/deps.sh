#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh GROUP...: makes sure that the tools of these groups are on this machine, and
# installs what is missing with apt-get. Silent when nothing is missing.
#
#   build   a module against packaged kernel headers    user       programs in user space
#   vm      boot a guest                                 src        prepare a kernel source tree
#   static  judge sources (static-tools.sh)              coverage   gcovr
#   fuzz    libFuzzer
#   user32  32-bit programs on x86-64, once gcc is there (group user)
#   arm64   besides build, user and vm, for arm64 guests
#   apps    programs of others that a guest runs (apps.sh)

set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

KNOWN='build user user32 vm static src coverage fuzz arm64 apps'

# What a group needs, one "test:package" a line. The test is a command, or a file when it
# starts with a slash, or the word static-busybox (a guest has no libraries), full-perl
# (perl without its library, as on a small system, cannot run the kernel's kernel-doc),
# libfuzzer (which clang finds itself) or gcc-m32 (the libraries of 32-bit programs, which
# stand in folders of gcc's version).
group_needs() {
	case $1 in
	build)
		# pahole: headers that carry BTF stop the build of a module without it.
		printf '%s\n' gcc:gcc make:make flex:flex bison:bison bc:bc rsync:rsync \
			pahole:pahole full-perl:perl python3:python3 depmod:kmod \
			/usr/include/gelf.h:libelf-dev /usr/include/stdio.h:libc6-dev \
			/usr/include/openssl/ssl.h:libssl-dev
		;;
	user)
		printf '%s\n' gcc:gcc g++:g++ make:make gzip:gzip /usr/include/stdio.h:libc6-dev \
			pkg-config:pkg-config python3:python3
		;;
	vm)
		printf '%s\n' qemu-system-x86_64:qemu-system-x86 static-busybox:busybox-static \
			cpio:cpio zstd:zstd xz:xz-utils gzip:gzip depmod:kmod
		;;
	user32)
		# Not gcc-multilib, which stands for it: that is at odds with every cross compiler.
		printf '%s\n' "gcc-m32:gcc-$(gcc -dumpversion)-multilib"
		;;
	static)
		printf '%s\n' sparse:sparse shellcheck:shellcheck full-perl:perl python3:python3 \
			mandoc:mandoc groff:groff-base
		;;
	coverage)
		group_needs user
		printf '%s\n' gcovr:gcovr
		;;
	fuzz)
		printf '%s\n' clang:clang libfuzzer:libclang-rt-dev
		;;
	src)
		group_needs build
		printf '%s\n' xz:xz-utils tar:tar ld:binutils cpio:cpio
		;;
	arm64)
		printf '%s\n' aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu \
			/usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross \
			qemu-system-aarch64:qemu-system-arm
		;;
	apps)
		printf '%s\n' fio:fio ib_write_bw:perftest rdma:iproute2 \
			/etc/libibverbs.d/rxe.driver:ibverbs-providers
		;;
	*)
		die "unknown group '$1' (there are: $KNOWN)"
		;;
	esac
}

is_static() {
	# A dynamic program names its interpreter right behind its program headers. Looking
	# there needs no tool that might itself be missing.
	! head -c 4096 "$1" | grep -qa 'ld-linux'
}

# Asked how it would link, clang names the archive, whether it is there or not.
has_libfuzzer() {
	local archive
	archive=$(clang '-###' -fsanitize=fuzzer -x c /dev/null 2>&1 |
		grep -o '[^"]*/libclang_rt\.fuzzer[^"]*\.a' | head -n 1)
	[[ -n $archive && -e $archive ]]
}

is_there() {
	case $1 in
	/*)
		[[ -e $1 ]]
		;;
	static-busybox)
		command -v busybox >/dev/null && is_static "$(command -v busybox)"
		;;
	full-perl)
		perl -MPod::Usage -e 1 2>/dev/null
		;;
	gcc-m32)
		gcc -m32 -static -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null
		;;
	libfuzzer)
		has_libfuzzer
		;;
	*)
		command -v "$1" >/dev/null
		;;
	esac
}

missing_packages() {
	local group line
	for group; do
		group_needs "$group"
	done | while read -r line; do
		is_there "${line%:*}" || printf '%s\n' "${line##*:}"
	done | sort -u
}

# check_root: installing takes root, or sudo. Said before anything is tried.
check_root() {
	[[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
		die "missing: $*; not root and no sudo here: as root, run: apt-get install $*"
}

as_root() {
	if [[ $EUID -eq 0 ]]; then
		"$@"
	else
		sudo -- "$@"
	fi
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "$@"
}

install_packages() {
	local log
	command -v apt-get >/dev/null ||
		die "missing: $* (no apt-get here: install them by hand)"
	check_root "$@"
	note "installing $*"
	log=$(mktemp)
	# The package lists may be missing or too old to name files that still exist: only
	# then are they fetched.
	if ! apt_install "$@" >"$log" 2>&1; then
		as_root apt-get -qq update >"$log" 2>&1 || true
		if ! apt_install "$@" >>"$log" 2>&1; then
			cat "$log" >&2
			rm -f "$log"
			die "apt-get could not install: $*"
		fi
	fi
	rm -f "$log"
}

main() {
	local group
	[[ $# -gt 0 ]] || die "usage: deps.sh GROUP... ($KNOWN)"
	# Checked here, for die() inside a pipe would end the pipe alone.
	for group; do
		group_needs "$group" >/dev/null
	done
	mapfile -t packages < <(missing_packages "$@")
	[[ ${#packages[@]} -gt 0 ]] || return 0
	install_packages "${packages[@]}"
	mapfile -t packages < <(missing_packages "$@")
	[[ ${#packages[@]} -eq 0 ]] || die "still missing after installation: ${packages[*]}"
}

main "$@"
