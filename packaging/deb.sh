#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the Debian packages, source and binary, from the release archive.
#
# usage: deb.sh FOLDER

set -eu

[ $# -eq 1 ] || {
	echo "usage: deb.sh FOLDER" >&2
	exit 1
}

project=$(realpath "$(dirname "$0")/..")
rm -rf "$1"
mkdir -p "$1"
cd "$1"

version=$(sh "$project/packaging/version.sh")
archive=$(sh "$project/packaging/dist.sh" "$PWD")
tar -xzf "$archive"
# What is of the package is not of its upstream.
gzip -dc "$archive" | tar -f - --delete "hv_balloon-$version/debian" |
	gzip -9n >"hv-balloon_$version.orig.tar.gz"
rm "$archive" "$archive.sha256"
cd "hv_balloon-$version"
dpkg-buildpackage -us -uc
cd ..
rm -r "hv_balloon-$version"
echo "in $PWD:"
ls ./*.deb ./*.dsc
