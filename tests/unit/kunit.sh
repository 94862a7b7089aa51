#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the KUnit suites in User Mode Linux, with the kunit.py of a kernel source.
#
# usage: kunit.sh KSRC BUILD-DIR [argument of kunit.py run]...
#
# KSRC must be as clean as after "make mrproper" and is only read: the kernel is
# built from an overlay of symbolic links, in which this project is one more
# directory below drivers/. BUILD-DIR keeps the objects for the next run.

set -eu

die()
{
	echo "kunit.sh: $*" >&2
	exit 2
}

# Make DIR of the overlay a real directory whose entries point into KSRC.
open_dir()
{
	[ ! -L "$overlay/$1" ] || rm "$overlay/$1"
	mkdir -p "$overlay/$1"
	ln -s "$ksrc/$1"/* "$overlay/$1/"
}

# Make FILE of the overlay a real file that can be changed.
open_file()
{
	rm "$overlay/$1"
	cp "$ksrc/$1" "$overlay/$1"
	chmod u+w "$overlay/$1"
}

# usage: drop_unless_same DIR FILE VALUE
# Drop the objects in DIR unless VALUE is the one of the last run, kept in FILE.
drop_unless_same()
{
	if [ "$3" != "$(cat "$build/$2" 2>/dev/null)" ]; then
		rm -rf "${build:?}/$1"
		echo "$3" >"$build/$2"
	fi
}

# make compares nothing but dates: it would take objects of another source, or of
# another copy of this project, for its own.
drop_foreign_objects()
{
	drop_unless_same objects last-source "$ksrc $(stat -c %i "$ksrc")"
	drop_unless_same objects/drivers/hv_balloon last-project "$project"
}

make_overlay()
{
	rm -rf "$overlay"
	open_dir .
	open_dir drivers
	ln -s "$project" "$overlay/drivers/hv_balloon"

	open_file drivers/Makefile
	echo 'obj-y += hv_balloon/tests/unit/' >>"$overlay/drivers/Makefile"
	open_file drivers/Kconfig
	echo 'source "drivers/hv_balloon/tests/unit/Kconfig"' >>"$overlay/drivers/Kconfig"

	# kunit.py looks for the kernel above its own real path.
	open_dir tools
	open_dir tools/testing
	rm "$overlay/tools/testing/kunit"
	cp -r "$ksrc/tools/testing/kunit" "$overlay/tools/testing/kunit"
}

[ $# -ge 2 ] || die "usage: kunit.sh KSRC BUILD-DIR [argument of kunit.py run]..."
[ -f "$1/tools/testing/kunit/kunit.py" ] || die "$1: no kunit.py there"

ksrc=$(realpath "$1")
mkdir -p "$2"
build=$(realpath "$2")
shift 2

unit=$(realpath "$(dirname "$0")")
project=$(realpath "$unit/../..")
overlay=$build/source

drop_foreign_objects
make_overlay
exec python3 "$overlay/tools/testing/kunit/kunit.py" run \
	--kunitconfig="$unit" --build_dir="$build/objects" \
	--jobs="$(nproc)" "$@" 'hv_balloon_*'
