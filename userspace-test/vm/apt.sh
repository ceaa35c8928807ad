# SPDX-License-Identifier: GPL-2.0-only
#
# A private apt: its own package lists and sources below the cache, so that other suites
# can be read, and packages fetched, without root and without touching the machine's own
# configuration. Mirror and keyring are those the machine itself uses.
# A scope whose name ends in -arm64 is that suite for the other machine: its packages can be
# fetched and unpacked here, never installed. Sourced by kernel.sh, after lib.sh.
# shellcheck shell=bash

APT_DIR=$CACHE/apt
# Where kernels are looked for, nearest first. A suite that is not the machine's own may
# have been built with a compiler this machine does not have.
# shellcheck disable=SC2034 # used by kernel.sh
APT_SCOPES=(own backports stable unstable)

# apt_arch SCOPE: the architecture of its packages.
apt_arch() {
	[[ $1 = *-arm64 ]] && echo arm64 || echo amd64
}

# apt_config NAME: writes the configuration of a scope and prints its path. What is
# installed on this machine is nothing to it.
apt_config() {
	local dir=$APT_DIR/$1 arch
	arch=$(apt_arch "$1")
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
	: >"$dir/status"
	cat >"$dir/apt.conf" <<-END
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		APT::Sandbox::User "$(id -un)";
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		Acquire::Languages "none";
		Acquire::Retries "1";
		Acquire::http::Timeout "15";
		Acquire::https::Timeout "15";
		Dir::State::Lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir";
		Dir::Cache::archives "$dir/archives";
		Dir::Cache::pkgcache "$dir/pkgcache.bin";
		Dir::Cache::srcpkgcache "$dir/srcpkgcache.bin";
	END
	printf '%s\n' "$dir/apt.conf"
}

# apt_targets [OPTION...]: the Debian repositories that apt reads, one a line:
# "URI suite codename label sources-entry".
apt_targets() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get "$@" indextargets --format \
		'$(REPO_URI) $(RELEASE) $(CODENAME) $(LABEL) $(SOURCESENTRY)' \
		'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u
}

# apt_keyring SOURCES-ENTRY: the keyring that the machine's sources name, if they name one.
apt_keyring() {
	local file=${1%:*} line=${1##*:}
	[[ -f $file ]] || return 0
	case $file in
	*.sources)
		sed -n 's|^Signed-By:[[:space:]]*\(/[^[:space:]]*\).*|\1|Ip' "$file"
		;;
	*)
		sed -n "${line}s|.*signed-by=\(/[^] ]*\).*|\1|p" "$file"
		;;
	esac | sed -n 1p
}

# The machine's own repositories. A machine that never ran "apt-get update" shows none;
# then its sources are read into private lists first.
apt_own_targets() {
	local targets conf
	targets=$(apt_targets)
	if [[ -z $targets ]]; then
		conf=$(apt_config machine)
		apt-get -c "$conf" -qq update >&2 || true
		targets=$(apt_targets -c "$conf")
	fi
	[[ -n $targets ]] || return 1
	printf '%s\n' "$targets"
}

# apt_source ARCH URI SUITE ENTRY: one line of a sources.list.
apt_source() {
	local keyring
	keyring=$(apt_keyring "$4")
	printf 'deb [arch=%s%s] %s %s main\n' "$1" "${keyring:+ signed-by=$keyring}" "$2" "$3"
}

# apt_scope_sources SCOPE: the sources.list of a scope, in full.
apt_scope_sources() {
	local uri suite codename label entry arch
	arch=$(apt_arch "$1")
	while read -r uri suite codename label entry; do
		case ${1%-arm64} in
		own)
			apt_source "$arch" "$uri" "$suite" "$entry"
			;;
		*)
			# Other suites lie where the machine's release itself lies.
			[[ $label = Debian && $codename != *-* ]] || continue
			[[ $1 = backports* ]] && suite=$codename-backports || suite=${1%-arm64}
			apt_source "$arch" "$uri" "$suite" "$entry"
			return
			;;
		esac
	done <<<"$APT_TARGETS"
}

# apt_refresh SCOPE [force]: makes the lists of a scope no older than a day. Fails when
# they cannot be had.
apt_refresh() {
	local dir=$APT_DIR/$1 conf log
	if [[ ${2:-} != force && -n $(find "$dir/updated" -mmin -1440 2>/dev/null) ]]; then
		return 0
	fi
	[[ -n ${APT_TARGETS:=$(apt_own_targets)} ]] || return 1
	conf=$(apt_config "$1")
	apt_scope_sources "$1" >"$dir/sources.list"
	printf 'Dir::Etc::SourceList "%s";\nDir::Etc::SourceParts "%s";\n' \
		"$dir/sources.list" "$dir/parts" >>"$conf"
	log=$dir/update.log
	rm -f "$dir/updated"
	if ! apt-get -c "$conf" -q -o APT::Update::Error-Mode=any update >"$log" 2>&1; then
		note "cannot read the suite '$1': $(grep '^[EW]:' "$log" | head -n 1)"
		return 1
	fi
	touch "$dir/updated"
}

# apt_names SCOPE REGEX: names of the packages that match.
apt_names() {
	apt-cache -c "$APT_DIR/$1/apt.conf" --names-only search "$2" | cut -d' ' -f1
}

# apt_has SCOPE PACKAGE
apt_has() {
	[[ -n $(apt_versions "$1" "$2") ]]
}

# apt_versions SCOPE PACKAGE: its versions, newest first.
apt_versions() {
	apt-cache -c "$APT_DIR/$1/apt.conf" madison "$2" | awk '{ print $3 }' | uniq
}

# apt_depends SCOPE PACKAGE: names of what it depends on.
apt_depends() {
	apt-cache -c "$APT_DIR/$1/apt.conf" --important depends "$2" |
		sed -n 's/^[ |]*Depends: //p'
}

# apt_fetch SCOPE DIR PACKAGE...: fetches packages and unpacks them below DIR.
apt_fetch() {
	local scope=$1 dir=$2 deb
	shift 2
	mkdir -p "$dir/.debs"
	(cd "$dir/.debs" && apt-get -c "$APT_DIR/$scope/apt.conf" -qq download "$@" >&2) || return 1
	for deb in "$dir"/.debs/*.deb; do
		dpkg-deb -x "$deb" "$dir" || return 1
	done
	rm -rf "$dir/.debs"
}
