#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Put the driver into a kernel tree, in the place of the tree's own: as
# drivers/hv/hv_balloon/, with its Kconfig and its KUnit tests. The second time
# it only brings the files up to date.
#
# usage: intree.sh KERNEL-SOURCE

set -eu

die()
{
	echo "intree: $*" >&2
	exit 1
}

# usage: add_line LINE FILE
# Add it unless it is there. Makes a new file: the tree may be one of hard links.
add_line()
{
	grep -Fqx "$1" "$2" || sed -i "\$a\\
$1" "$2"
}

[ $# -eq 1 ] || die "usage: intree.sh KERNEL-SOURCE"
hv=$1/drivers/hv
[ -f "$hv/vmbus_drv.c" ] || die "$1 is no source of a kernel"
project=$(realpath "$(dirname "$0")/..")
target=$hv/hv_balloon

grep -Eq '^obj-(\$\(CONFIG_HYPERV_BALLOON\)|y).*hv_balloon' "$hv/Makefile" ||
	die "$hv has no hv_balloon that this could take the place of"

rm -rf "$target"
mkdir -p "$target/compat" "$target/tests"
cp "$project"/*.c "$project"/*.h "$target"
cp -r "$project/lib" "$target"
cp "$project/compat/probe.sh" "$target/compat"
cp -r "$project/tests/unit" "$target/tests"
rm -rf "$target/tests/unit/shim"

# shellcheck disable=SC2016 # $(...) is for make
# Kconfig decides there, and objects may lie in another folder than sources.
sed -e 's/^obj-m := /obj-$(CONFIG_HYPERV_BALLOON) += /' \
	-e 's,\$(src)/,$(srctree)/drivers/hv/hv_balloon/,g' \
	-e 's,-I\$(src),-I$(srctree)/drivers/hv/hv_balloon,' \
	"$project/Kbuild" >"$target/Makefile"

# drivers/hv is for kernels of Hyper-V; the tests need none.
# shellcheck disable=SC2016
tests='obj-$(CONFIG_HV_BALLOON_KUNIT_TEST) += hv/hv_balloon/tests/unit/'
add_line "$tests" "$1/drivers/Makefile"

# shellcheck disable=SC2016
sed -i 's,^obj-\$(CONFIG_HYPERV_BALLOON).*,obj-y += hv_balloon/,' "$hv/Makefile"
add_line 'source "drivers/hv/hv_balloon/tests/unit/Kconfig"' "$hv/Kconfig"
rm -f "$hv/hv_balloon.c"
echo "in $target; CONFIG_HYPERV_BALLOON chooses it, CONFIG_HV_BALLOON_KUNIT_TEST its tests"
