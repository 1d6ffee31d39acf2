#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs those packages of packages.txt that are missing. Does nothing, and needs no rights, if none is.
# --list prints the missing ones instead.
set -euo pipefail
list=$(dirname -- "${BASH_SOURCE[0]}")/packages.txt

fail() {
  printf 'install-packages: %s\n' "$1" >&2
  exit 1
}

command -v dpkg-query >/dev/null ||
  fail 'this is no Debian system: dpkg-query is missing; install what scripts/packages.txt lists by other means'

missing=()
while read -r package; do
  case $package in '' | '#'*) continue ;; esac
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
  [ "$status" = installed ] || missing+=("$package")
done <"$list"

if [ "${1-}" = --list ]; then
  [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
  exit 0
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    fail "missing packages: ${missing[*]}: neither root nor sudo is at hand; install them as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
printf 'installing: %s\n' "${missing[*]}"
run() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@"; }
run apt-get update -q || fail 'apt-get update failed; check the network and /etc/apt/sources.list'
run apt-get install -q -y --no-install-recommends "${missing[@]}" ||
  fail 'apt-get install failed; see its messages above'
