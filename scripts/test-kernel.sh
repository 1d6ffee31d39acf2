#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# test-kernel.sh KERNEL-BUILD DIRECTORY: prints the path of the kernel image that goes with these headers
# (/lib/modules/<abi>/build). Nothing is installed: the image is taken out of Debian's package, once, into DIRECTORY.
set -euo pipefail

fail() {
  printf 'test-kernel: %s\n' "$1" >&2
  exit 1
}

[ $# -eq 2 ] || fail 'usage: test-kernel.sh KERNEL-BUILD DIRECTORY'
abi=$(basename -- "$(dirname -- "$1")")
directory=$2
image=$directory/vmlinuz-$abi
if [ ! -s "$image" ]; then
  mkdir -p "$directory"
  download=$(mktemp -d "$directory/download.XXXXXX")
  trap 'rm -rf -- "$download"' EXIT
  (cd "$download" && apt-get download -q "linux-image-$abi" >&2) ||
    fail "apt-get cannot download linux-image-$abi; if the archive has moved on, run apt-get update and install linux-headers-amd64 anew"
  package=("$download"/linux-image-*.deb)
  dpkg-deb --fsys-tarfile "${package[0]}" >"$download/files.tar"
  tar -xf "$download/files.tar" -C "$download" "./boot/vmlinuz-$abi" || fail "linux-image-$abi has no /boot/vmlinuz-$abi"
  mv "$download/boot/vmlinuz-$abi" "$image"
fi
printf '%s\n' "$image"
