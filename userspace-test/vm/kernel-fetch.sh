# SPDX-License-Identifier: GPL-2.0-only
#
# How a kernel that was found gets into the cache. A folder with a mark in it is whole; the
# mark is written last, and a folder without it is thrown away. Sourced by kernel.sh.
# shellcheck shell=bash disable=SC2153

MARK=.complete
SOURCES=$KERNELS/.sources

# is_complete DIR
is_complete() {
	[[ -f $1/$MARK ]]
}

# image_of DIR RELEASE: where a package keeps its image differs from release to release.
image_of() {
	local file
	for file in "$1/boot/vmlinuz-$2" "$1/usr/lib/modules/$2/vmlinuz" "$1/lib/modules/$2/vmlinuz"; do
		if [[ -f $file ]]; then
			printf '%s\n' "$file"
			return
		fi
	done
	die "the packages of Linux $2 hold no boot image"
}

# fetch_here DIR SCOPE PACKAGE...: apt_fetch, from a scope that may not have been read yet.
fetch_here() {
	apt_refresh "$2" || return 1
	apt_has "$2" "$3" || apt_refresh "$2" force || return 1
	apt_fetch "$2" "$1" "${@:3}"
}

# fetch_foreign SCOPE DIR PACKAGE...: what a kernel for another machine takes besides: kbuild's
# own programs, which run here, over those that run there; and a busybox that runs there.
fetch_foreign() {
	local package
	for package in "${@:3}"; do
		[[ $package != linux-kbuild-* ]] || fetch_here "$2" "${1%-arm64}" "$package" || return 1
	done
	fetch_here "$2" own-arm64 busybox-static
}

# fetch_binary SCOPE RELEASE PACKAGE...
fetch_binary() {
	local scope=$1 release=$2 tmp=$KERNELS/.new-$2 makefile
	shift 2
	note "fetching Linux $release"
	rm -rf "$tmp"
	apt_fetch "$scope" "$tmp" "$@" || return 1
	[[ $ARCH = x86_64 ]] || fetch_foreign "$scope" "$tmp" "$@" || return 1
	makefile=$tmp/usr/src/linux-headers-$release/Makefile
	need_file "$makefile"
	image_of "$tmp" "$release" >/dev/null
	# The one absolute path. Headers keep their neighbours, wherever the cache is.
	# shellcheck disable=SC2016 # for make to expand
	sed -i 's|^include /usr/src/|include $(dir $(lastword $(MAKEFILE_LIST)))../|' "$makefile"
	rm -rf "${tmp:?}/usr/share"
	touch "$tmp/$MARK"
	rm -rf "${KERNELS:?}/$release"
	mv "$tmp" "$KERNELS/$release"
}

# fetch_tree SCOPE VERSION: the source, unpacked once for all that is made from it; sets SRC.
fetch_tree() {
	local name=linux-source-$SERIES tmp
	SRC=$SOURCES/$2
	! is_complete "$SRC" || return 0
	note "fetching and unpacking the source of Linux ${2%%-*}"
	tmp=$SOURCES/.new-$2
	rm -rf "$tmp" "$SRC"
	apt_fetch "$1" "$tmp/package" "$name=$2" || return 1
	mkdir "$tmp/tree"
	tar -xf "$tmp/package/usr/src/$name.tar.xz" -C "$tmp/tree" --strip-components=1 || return 1
	touch "$tmp/tree/$MARK"
	mv "$tmp/tree" "$SRC"
	rm -rf "$tmp"
}

# make_tree LOG OBJ GOAL...
make_tree() {
	local log=$1 obj=$2
	shift 2
	make -C "$SRC" O="$obj" -j"$(nproc)" "$@" >>"$log" 2>&1
}

# prepare DIR: makes DIR/obj, which has a .config, a tree that modules can be built against.
prepare() {
	local log=$1/prepare.log obj=$1/obj symbol
	note "preparing it for modules"
	if ! make_tree "$log" "$obj" olddefconfig || ! make_tree "$log" "$obj" modules_prepare; then
		tail -n 20 "$log" >&2
		die "the source in $SRC could not be prepared (whole log: $log)"
	fi
	for symbol in MODULES DEBUG_FS SMP TRANSPARENT_HUGEPAGE MMU; do
		grep -qx "CONFIG_$symbol=y" "$obj/.config" ||
			die "CONFIG_$symbol did not take in $obj/.config"
	done
}

# fetch_rebuilt SCOPE RELEASE VERSION PACKAGE...: what the headers package has that a
# source tree has not, is its configuration and the symbols that the image exports. An
# output folder holds absolute paths, so it is made in its final place.
fetch_rebuilt() {
	local scope=$1 release=$2 version=$3 dir=$KERNELS/$2 headers
	shift 3
	note "fetching Linux $release (its headers, for a newer compiler, are made here from source)"
	"$VM_DIR/deps.sh" src
	fetch_tree "$scope" "$version" || return 1
	rm -rf "$dir"
	apt_fetch "$scope" "$dir" "$@" || return 1
	image_of "$dir" "$release" >/dev/null
	headers=$dir/usr/src/linux-headers-$release
	mkdir "$dir/obj"
	cp "$headers/.config" "$headers/Module.symvers" "$dir/obj/"
	"$SRC/scripts/config" --file "$dir/obj/.config" -d WERROR -d LOCALVERSION_AUTO \
		--set-str LOCALVERSION "${release#"${version%%-*}"}"
	prepare "$dir"
	[[ $(cat "$dir/obj/include/config/kernel.release") = "$release" ]] ||
		die "the source of $version does not make $release"
	ln -s "$SRC" "$dir/src"
	rm -rf "${dir:?}/usr/src" "${dir:?}/usr/share"
	touch "$dir/$MARK"
}

# fetch_source SCOPE NAME VERSION
fetch_source() {
	local dir=$KERNELS/$2 log
	"$VM_DIR/deps.sh" src
	fetch_tree "$1" "$3" || return 1
	rm -rf "$dir"
	mkdir -p "$dir/obj"
	log=$dir/prepare.log
	make_tree "$log" "$dir/obj" x86_64_defconfig || die "no configuration: see $log"
	"$SRC/scripts/config" --file "$dir/obj/.config" -e MODULES -e MODULE_UNLOAD -e DEBUG_FS \
		-e SMP -e TRANSPARENT_HUGEPAGE -e SHRINKER_DEBUG -d WERROR -d DEBUG_INFO_BTF
	prepare "$dir"
	ln -s "$SRC" "$dir/src"
	touch "$dir/$MARK"
}

# prune: of a series the last two kernels stay, for the last but one may be in use; and the
# sources that a kernel still points to.
prune() {
	local sort name tree
	for sort in image source; do
		for name in $(cached_names "$sort" | head -n -2); do
			rm -rf "${KERNELS:?}/$name"
		done
	done
	for tree in "$SOURCES"/*/; do
		[[ -d $tree ]] || continue
		tree=${tree%/}
		[[ -n $(find "$KERNELS" -maxdepth 2 -name src -lname "$tree") ]] || rm -rf "$tree"
	done
}

# fetch KIND SCOPE NAME ...: lists may be older than the archive by hours, and a package
# may have gone since; then they are read afresh once, and the search repeated.
fetch() {
	local kind=$1 words
	shift
	is_complete "$KERNELS/$2" && return 0
	mkdir -p "$SOURCES"
	forget_outer_make
	if ! "fetch_$kind" "$@"; then
		apt_refresh "$1" force || return 1
		"find_$kind" "$1" || return 1
		read -ra words <<<"$FOUND"
		"fetch_$kind" "${words[@]:1}" || return 1
	fi
	prune
}
