#!/usr/bin/env bash
# Install what is missing from Debian, and build in .build/. What tests/demo.sh
# and tests/check.sh do first; quiet while all goes well.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/.build
output=$(mktemp)
policy=/usr/sbin/policy-rc.d
own_policy=

clean_up() {
	rm -f "$output"
	if [ -n "$own_policy" ]; then
		rm -f "$policy"
	fi
}
trap clean_up EXIT

fail() {
	echo "setup: $*" >&2
	exit 1
}

# quietly FAILURE COMMAND...: show what a command says only if it fails.
quietly() {
	local failure=$1
	shift
	if ! "$@" >"$output" 2>&1 </dev/null; then
		cat "$output" >&2
		fail "$failure; see above what \"$*\" says"
	fi
}

missing_packages() {
	local package release releases
	release=$(. /etc/os-release && echo "${VERSION_ID:-}")
	while read -r package releases; do
		case $package in
		'' | '#'*) continue ;;
		esac
		if [ -n "$releases" ] && [[ " $releases " != *" $release "* ]]
		then
			continue
		fi
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null)" != installed ]; then
			echo "$package"
		fi
	done <"$top/tests/packages"
}

# Debian starts services when it installs them. Ours are others: keep slapd and
# Dovecot of the system from starting.
forbid_services() {
	if [ ! -e "$policy" ]; then
		own_policy=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
}

allow_services() {
	if [ -n "$own_policy" ]; then
		rm -f "$policy"
		own_policy=
	fi
}

install_packages() {
	local missing
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
	then
		echo "setup: not a Debian system, so what tests/packages lists" \
			"has to be there already" >&2
		return
	fi
	mapfile -t missing < <(missing_packages)
	if [ ${#missing[@]} -eq 0 ]; then
		return
	fi
	echo "Installing from Debian: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	forbid_services
	quietly "the lists of Debian packages cannot be fetched" apt-get update
	quietly "Debian packages cannot be installed" \
		apt-get install --yes --no-install-recommends "${missing[@]}"
	allow_services
}

build_modules() {
	# The build's own rules would not add what automake newly requires.
	if [ ! -e "$top/configure" ] ||
		[ "$top/configure.ac" -nt "$top/configure" ] ||
		[ "$top/Makefile.am" -nt "$top/Makefile.in" ]; then
		echo "Preparing the build"
		quietly "autoreconf failed" autoreconf -i "$top"
	fi
	mkdir -p "$build"
	cd "$build"
	if [ ! -e Makefile ]; then
		echo "Configuring"
		quietly "configure failed" ../configure
	fi
	echo "Building"
	quietly "the build failed" make -j "$(nproc)"
}

if [ "$(id -u)" -ne 0 ]; then
	fail "root is needed to install packages and to start the servers"
fi
install_packages
build_modules
