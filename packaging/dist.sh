#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Write the release archive and its checksum. The same commit gives the same
# bytes: file dates are the commit's, gzip keeps none.
#
# usage: dist.sh FOLDER

set -eu

die()
{
	echo "dist: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: dist.sh FOLDER"
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/.."

version=$(sh packaging/version.sh)
archive=hv_balloon-$version.tar.gz

commit=$(git rev-parse --verify -q HEAD) ||
	die "this is no git checkout, from which the archive is made." \
		"In an unpacked release archive run: dpkg-buildpackage -us -uc -b"
changed=$(git stash create)
[ -z "$changed" ] || {
	echo "dist: changes that are not committed are in the archive: do not publish it" >&2
	commit=$changed
}

git archive --prefix="hv_balloon-$version/" "$commit" | gzip -9n >"$folder/$archive"
cd "$folder"
sha256sum "$archive" >"$archive.sha256"
echo "$folder/$archive"
