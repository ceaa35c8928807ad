# SPDX-License-Identifier: GPL-2.0-only
#
# Which kernel of a series the archive has. Names of kernel packages change every few weeks,
# so they are searched for, never written down. Sourced by kernel.sh, after apt.sh.
#
# A kernel comes in one of three kinds:
#   binary   image and headers as packaged
#   rebuilt  image as packaged, but its headers need a compiler newer than this machine's:
#            they are prepared afresh from the same version's source and configuration
#   source   the source alone, under a general configuration, with no image
#
# A find_* function sets FOUND to the words "kind scope name ...", which are the arguments
# of the fetch_* function of that kind.
# shellcheck shell=bash disable=SC2034,SC2153

# has_compiler SCOPE HEADERS-PACKAGE: the compiler that built this kernel is here, or is at
# least no newer than ours: headers carry flags that an older one does not know.
has_compiler() {
	local wanted gcc=${CROSS_COMPILE}gcc
	wanted=$(apt_depends "$1" "$2" | sed -n 's/.*gcc-\([0-9]*\).*/\1/p' | head -n 1)
	[[ -n $wanted ]] || return 0
	command -v "$gcc-$wanted" >/dev/null && return 0
	[[ $wanted -le $("$gcc" -dumpversion 2>/dev/null || echo 0) ]]
}

# companions SCOPE PACKAGE: what it depends on that belongs to the kernel itself.
companions() {
	apt_depends "$1" "$2" | grep -E '^linux-(kbuild|headers|modules|binary|base-[0-9])' || true
}

# newest_image SCOPE: the newest image of the series that has headers, the signed one if
# there is one.
newest_image() {
	local image release
	while read -r image; do
		release=${image#linux-image-}
		if apt_has "$1" "linux-headers-${release%-unsigned}"; then
			printf '%s\n' "$image"
			return
		fi
	done < <(apt_names "$1" \
		"^linux-image-${SERIES//./\\.}[.][0-9][^-]*(-[0-9][^-]*)?-$FLAVOUR(-unsigned)?$" |
		sed 's/-unsigned$/ &/' | sort -k1,1Vr -k2,2 | tr -d ' ')
}

find_binary() {
	local image release headers packages
	image=$(newest_image "$1")
	[[ -n $image ]] || return 1
	release=${image#linux-image-}
	release=${release%-unsigned}
	headers=linux-headers-$release
	has_compiler "$1" "$headers" || return 1
	packages=$({ companions "$1" "$image"; companions "$1" "$headers"; } | sort -u | tr '\n' ' ')
	FOUND="binary $1 $release $image $headers $packages"
}

# The source must be of the very version, and the release must be that version and a
# suffix, so that a tree prepared from it calls itself the same.
find_rebuilt() {
	local image release version packages
	image=$(newest_image "$1")
	[[ -n $image ]] || return 1
	release=${image#linux-image-}
	release=${release%-unsigned}
	version=$(apt_versions "$1" "linux-headers-$release" | head -n 1)
	[[ $release = "${version%%-*}"[+-]* ]] || return 1
	apt_versions "$1" "linux-source-$SERIES" | grep -qxF "$version" || return 1
	packages=$(companions "$1" "$image" | tr '\n' ' ')
	FOUND="rebuilt $1 $release $version $image linux-headers-$release $packages"
}

find_source() {
	local version
	version=$(apt_versions "$1" "linux-source-$SERIES" | head -n 1)
	[[ -n $version ]] || return 1
	FOUND="source $1 ${version%%-*}-src $version"
}

# Asks the archive, scope by scope. Returns 1: not in the archive; 2: archive not reached.
discover() {
	local scope kind result=1 unreached=' '
	for kind in "${KINDS[@]}"; do
		for scope in "${APT_SCOPES[@]}"; do
			[[ $unreached != *" $scope "* ]] || continue
			if ! apt_refresh "$scope"; then
				# Without the machine's own suites there is no network. Another suite
				# may be missing for good (backports of an old release).
				[[ $scope != own* ]] || return 2
				[[ $scope = backports* ]] || result=2
				unreached+="$scope "
			elif "find_$kind" "$scope"; then
				return 0
			fi
		done
	done
	return "$result"
}

# What the archive does have, for the message that it has not this one.
available_series() {
	local scope names="linux-image-[0-9].*-$FLAVOUR"
	[[ ${KINDS[*]} != *source* ]] || names+='|linux-source-[0-9.]+'
	for scope in "${APT_SCOPES[@]}"; do
		[[ -f $APT_DIR/$scope/updated ]] || continue
		apt_names "$scope" "^($names)$"
	done | sed -nE 's/^linux-(image|source)-([0-9]+\.[0-9]+).*/\2/p' | sort -Vu | tr '\n' ' '
}
