#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Print the version, MODULE_VERSION of the driver. Fail if a file disagrees.
#
# usage: version.sh

set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^MODULE_VERSION("\(.*\)");$/\1/p' hv_balloon.c)

# agrees FILE WHAT-IT-SAYS
agrees()
{
	[ "$2" = "$version" ] || {
		echo "version: $1 says '$2', hv_balloon.c says '$version'" >&2
		exit 1
	}
}

# first PATTERN FILE: what the pattern's first group is in the first line that it matches
first()
{
	sed -n "s/$1/\\1/p" "$2" | head -n 1
}

agrees CHANGES "$(first '^\([0-9][0-9.]*\) .*' CHANGES)"
agrees dkms.conf "$(first '^PACKAGE_VERSION="\(.*\)"$' dkms.conf)"
agrees debian/changelog "$(first '^hv-balloon (\(.*\)-[0-9]*) .*' debian/changelog)"
agrees packaging/rpm/hv_balloon-dkms.spec "$(first '^Version: *\(.*\)$' packaging/rpm/hv_balloon-dkms.spec)"
agrees packaging/arch/PKGBUILD "$(first '^pkgver=\(.*\)$' packaging/arch/PKGBUILD)"
agrees tools/hvballoon "$(first '^version=\(.*\)$' tools/hvballoon)"
echo "$version"
