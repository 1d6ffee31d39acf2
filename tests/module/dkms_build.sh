#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dkms_build.sh BUILD KERNEL-BUILD: installs the component "module" and builds it with the command of its dkms.conf,
# as DKMS does: from a copy of /usr/src/kebound-<version>, outside of everything else.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cmake --install "$1" --component module --prefix "$scratch/usr" >/dev/null
tree=("$scratch"/usr/src/kebound-*)
# What DKMS sets before it reads dkms.conf.
dkms_tree=$scratch/var
kernel_source_dir=$2
export dkms_tree kernel_source_dir
# shellcheck source=/dev/null
. "${tree[0]}/dkms.conf"
# shellcheck disable=SC2154  # dkms.conf has the names
build=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build
mkdir -p "$(dirname "$build")"
cp -r "${tree[0]}" "$build"
unset MAKEFLAGS CC CXX
${MAKE[0]} -s -j2
modinfo "$build/${BUILT_MODULE_NAME[0]}.ko"
for file in lib/udev/rules.d/60-kebound.rules lib/modprobe.d/kebound.conf; do
  [ -s "$scratch/usr/$file" ] || { echo "$file is not installed"; exit 1; }
done
