#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What DKMS leaves to do after the module was installed or removed: build it for
# the kernels to fall back to as well, of which DKMS only takes the running and
# the newest; say for which kernels it could not be built; and renew the boot images that hold a copy of
# hv_balloon, which would else be loaded for ever. Called by packages; what fails
# here is said, and is no reason to leave a package half installed.
#
# At last it says when the driver is active, where the running kernel has another one.
#
# "headers" is for when others have come, with which DKMS has built: then only
# images are renewed that hold another driver than the one that would be loaded.
#
# usage: after-change.sh installed|removed|headers [ROOT]

set -u
export LC_ALL=C

say()
{
	echo "hv_balloon: $*"
}

# headers_of RELEASE: print how to get the headers of that kernel.
headers_of()
{
	local flavour
	if command -v dpkg >/dev/null; then
		# linux-headers-amd64, -cloud-amd64, -generic: with it they come with each update.
		flavour=$(echo "$1" | sed 's/^[0-9][^-]*\(-[0-9]*\)*-//')
		echo "apt install linux-headers-$1 (linux-headers-$flavour for updates too)"
	elif command -v zypper >/dev/null; then
		echo "zypper install kernel-default-devel"
	else
		echo "dnf install kernel-devel-$1"
	fi
}

# build_for RELEASE: let DKMS do so, unless it has; 77 is what it passes over, and says why.
build_for()
{
	local version status file copy
	command -v dkms >/dev/null || return
	case $(dkms status -m hv_balloon -k "$1" 2>/dev/null) in
	*installed*) return ;;
	esac
	version=$(dkms status -m hv_balloon 2>/dev/null |
		sed -n 's,^hv_balloon/\([^,:]*\)[,:].*,\1,p' | sort -u | tail -n 1)
	[ -n "$version" ] || return
	say "building for kernel $1"
	dkms install -m hv_balloon -v "$version" -k "$1" >/dev/null
	status=$?
	case $status in
	0 | 77) ;;
	*)
		# The build for the next kernel takes its place.
		file=/var/lib/dkms/hv_balloon/$version/build/make.log
		copy=/var/log/hv_balloon-dkms-$1.log
		! cp "$root$file" "$root$copy" 2>/dev/null || file=$copy
		say "NOT built for kernel $1: dkms ended with $status, see $file"
		;;
	esac
}

check_kernel()
{
	case $1 in
	[0-5].* | 6.0.*) say "kernel $1 is too old, and keeps its own driver" ;;
	*)
		if [ -e "$root/lib/modules/$1/build/include" ]; then
			build_for "$1"
		else
			say "NOT built for kernel $1, whose headers are missing: $(headers_of "$1")"
		fi
		;;
	esac
}

# list_image IMAGE: print the names of the files in a boot image.
list_image()
{
	if command -v lsinitramfs >/dev/null; then
		lsinitramfs "$1"
	else
		lsinitrd "$1"
	fi 2>/dev/null
}

# renew_image RELEASE IMAGE: make it anew, with the tool that the system has for that.
renew_image()
{
	say "renewing $2, which holds a copy of the module"
	if command -v update-initramfs >/dev/null; then
		update-initramfs -u -k "$1"
	else
		dracut --quiet --force "$2" "$1"
	fi || say "could not renew $2: until you do, the next boot may load the old module"
}

# is_outdated RELEASE NAMES: do these names of an image have the module in another place?
is_outdated()
{
	local next
	next=$(modinfo -k "$1" -n hv_balloon 2>/dev/null)
	next=${next#*/lib/modules/}
	[ -n "$next" ] && ! echo "$2" | grep -q "lib/modules/${next%.ko*}\.ko"
}

check_image()
{
	local image names
	for image in "$root/boot/initrd.img-$1" "$root/boot/initramfs-$1.img" "$root/boot/initrd-$1"; do
		[ -e "$image" ] || continue
		if ! names=$(list_image "$image"); then
			say "could not look into $image: if it holds hv_balloon, renew it"
		elif echo "$names" | grep -q '/hv_balloon\.ko' &&
			{ [ "$change" != headers ] || is_outdated "$1" "$names"; }; then
			renew_image "$1" "$image"
		fi
	done
}

# say_when: this project's driver has parameters of its own.
say_when()
{
	local name
	for name in hv_balloon hv_dynmem; do
		[ ! -e "$root/sys/module/$name/parameters/floor_mib" ] || return 0
	done
	! modinfo -k "$(uname -r)" -n hv_dynmem >/dev/null 2>&1 ||
		say "active after the next boot, or now: hvballoon takeover"
}

change=${1-}
case $change in
installed | removed | headers) ;;
*)
	echo "usage: after-change.sh installed|removed|headers [ROOT]" >&2
	exit 2
	;;
esac
root=${2-}

# Not every folder there is of a kernel that is installed.
for folder in "$root"/lib/modules/*/kernel; do
	[ -d "$folder" ] || continue
	release=${folder%/kernel}
	release=${release##*/}
	[ "$change" != installed ] || check_kernel "$release"
	check_image "$release"
done
[ "$change" != installed ] || say_when
exit 0
