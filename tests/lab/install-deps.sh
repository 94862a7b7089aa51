#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Install what building the module and running the test lab need on Debian 12.
# Installs only what is missing, asks no questions; does nothing when all is there.
# Usage: install-deps.sh [--check] [--packages] [--matrix] [--tracers] [--coccinelle] [--proof]
# --check only names what is missing, status 1 if anything is; the others add what these need.

set -eu

# package       what needs it
needs='
gcc             the module and the guest program
clang           the fuzzers
libclang-rt-14-dev  libFuzzer and the sanitizers of clang
gcovr           coverage of the unit tests
libc6-dev       the static guest program
make            the module
flex            tools of the kernel build
bison           tools of the kernel build
bc              the kernel build
libelf-dev      objtool, of the stock headers and of the debug kernel
pahole          type information of modules for kernel 6.12
sparse          make C=2
kmod            modinfo
perl            checkpatch.pl
openssl         keys for signed modules
xz-utils        the sources of the kernel
cpio            the boot image of the guest
rsync           the copy of the driver that each kernel builds in
shellcheck      the command hvballoon, and the lint of all scripts
mandoc          its manual page
groff-base      its manual page
procps          its tests
python3         the lab
python3-pytest  the scenarios
python3-pyflakes  the lint of the tests
mypy            the lint of the tests
python3-matplotlib  the pictures of demo and benchmark
'

needs_of_packages='
debhelper       the Debian package
dh-dkms         the Debian package
dpkg-dev        the Debian package
git             the release archive
lintian         its rules
reuse           licences
rpm             the RPM package
rpmlint         its rules
makepkg         the package for Arch
libarchive-tools  its archives
fakeroot        its archives
mmdebstrap      the systems in which the Debian package is installed
e2fsprogs       their disks
'

needs_of_matrix='
mmdebstrap      the compilers of other releases
gcc-aarch64-linux-gnu  the builds for arm64
lld             the build with clang
llvm            the build with clang
'

needs_of_coccinelle='
coccinelle      semantic patches
'

needs_of_proof='
spin            the model of the work items
'

needs_of_tracers='
mmdebstrap      the systems with perf, trace-cmd and bpftrace
'

check=
for option; do
	case $option in
	--check) check=yes ;;
	--packages) needs=$needs$needs_of_packages ;;
	--matrix) needs=$needs$needs_of_matrix ;;
	--tracers) needs=$needs$needs_of_tracers ;;
	--proof) needs=$needs$needs_of_proof ;;
	--coccinelle) needs=$needs$needs_of_coccinelle ;;
	esac
done

die()
{
	echo "install-deps: $*" >&2
	exit 1
}

is_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages()
{
	local package reason
	echo "$needs" | while read -r package reason; do
		if [ -n "$package" ] && ! is_installed "$package"; then
			printf '%-20s %s\n' "$package" "$reason"
		fi
	done
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

command -v apt-get >/dev/null ||
	die "this is not a Debian system; install by hand what the list in $0 names"

missing=$(missing_packages)
[ -n "$missing" ] || exit 0

echo "install-deps: missing packages, and what needs them:" >&2
echo "$missing" >&2
[ -z "$check" ] || exit 1
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
	die "not root and no sudo: ask an administrator to install the packages above"

packages=$(echo "$missing" | cut -d' ' -f1)
echo "install-deps: installing them with apt-get" >&2
# Package lists may be old or absent: read them anew before giving up.
install="apt-get install -y -qq --no-install-recommends"
# shellcheck disable=SC2086 # one word per package
as_root env DEBIAN_FRONTEND=noninteractive $install $packages >/dev/null 2>&1 ||
	{ as_root apt-get update -qq &&
	  as_root env DEBIAN_FRONTEND=noninteractive $install $packages >/dev/null; } ||
	die "apt-get could not install them: is the Debian mirror reachable?"
echo "install-deps: done" >&2
