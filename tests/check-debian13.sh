#!/usr/bin/env bash
# tests/check.sh on Debian 13, from another Debian: in a Debian 13 root of its
# own, which is kept for the next time. Arguments go to pytest.
# REFERRAL_DEBIAN13_ROOT is where the root is, instead of
# /var/cache/dovecot-imap-referral/debian13.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
root=${REFERRAL_DEBIAN13_ROOT:-/var/cache/dovecot-imap-referral/debian13}
# Says that the root is ours, and may be removed.
marker=.dovecot-imap-referral-root
output=$(mktemp)
trap 'rm -f "$output"' EXIT

fail() {
	echo "check-debian13: $*" >&2
	exit 1
}

# show_failure COMMAND...: show what a command says only if it fails.
show_failure() {
	if ! "$@" >"$output" 2>&1 </dev/null; then
		cat "$output" >&2
		return 1
	fi
}

# in_root OPTION... -- COMMAND...: run a command in the root, in namespaces that
# end with it: no mount and no process is left behind. Options go to unshare.
in_root() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	env -u REFERRAL_SANDBOX_DIR -u REFERRAL_BUILD_DIR -u TMPDIR \
		DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		unshare --mount --propagation private --pid --fork \
		--kill-child "${options[@]}" sh -euc '
			mount --bind "$0" "$0"
			cd "$0"
			mount -t proc proc proc
			mount --rbind /dev dev
			mount -t tmpfs tmpfs run
			exec chroot . "$@"
		' "$root" "$@"
}

# archive LABEL: where this machine gets packages from.
archive() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		"Label: $1" | head -n 1
}

find_archives() {
	debian=$(archive Debian)
	if [ -z "$debian" ]; then
		show_failure apt-get update ||
			fail "the lists of Debian packages cannot be fetched"
		debian=$(archive Debian)
	fi
	security=$(archive Debian-Security)
	[ -n "$debian" ] && [ -n "$security" ] ||
		fail "apt knows no Debian archive with a security archive"
}

install_debootstrap() {
	if ! command -v debootstrap >/dev/null; then
		echo "Installing from Debian: debootstrap"
		show_failure apt-get install --yes --no-install-recommends \
			debootstrap || fail "debootstrap cannot be installed"
	fi
}

# Anew each time: the network may be another one.
configure_network() {
	cp --dereference --remove-destination /etc/resolv.conf /etc/hosts \
		"$root/etc"
	apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Force)' \
		>"$root/etc/apt/apt.conf.d/90network" || true
	printf 'deb %s %s main\n' \
		"$debian" trixie "$debian" trixie-updates \
		"$security" trixie-security >"$root/etc/apt/sources.list"
}

upgrade() {
	configure_network
	show_failure in_root -- sh -euc '
		apt-get -o APT::Update::Error-Mode=any update
		apt-get --yes upgrade
		apt-get clean'
}

is_current() {
	# debootstrap removes its folder when it is done.
	[ -e "$root/$marker" ] && [ ! -e "$root/debootstrap" ] && upgrade
}

make_root() {
	if [ -n "$(ls -A "$root" 2>/dev/null)" ] && [ ! -e "$root/$marker" ]
	then
		fail "$root is not empty and not such a root"
	fi
	rm -rf "$root"
	mkdir -p "$root"
	touch "$root/$marker"
	show_failure debootstrap --variant=minbase \
		--include=ca-certificates,iproute2 trixie "$root" "$debian" ||
		fail "debootstrap failed, see above"
	upgrade || fail "the new root cannot be upgraded, see above"
}

# What git has or would have, as a checkout: a test builds from that.
copy_tree() {
	rm -rf "$root/src"
	mkdir "$root/src"
	git -C "$top" ls-files -z --cached --others --exclude-standard \
		>"$output" || fail "$top is not a git checkout"
	tar --directory="$top" --null --files-from="$output" \
		--ignore-failed-read --create |
		tar --directory="$root/src" --extract --no-same-owner
	git init --quiet "$root/src"
}

if [ "$(id -u)" -ne 0 ]; then
	fail "root is needed to make a Debian 13 root and to enter it"
fi
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9

find_archives
install_debootstrap
if ! is_current; then
	echo "Making a Debian 13 root in $root"
	make_root
fi
copy_tree
in_root -- /src/tests/setup.sh
# The servers of a sandbox outside have the same addresses.
in_root --net -- sh -euc 'ip link set lo up; exec /src/tests/check.sh "$@"' \
	check.sh "$@"
