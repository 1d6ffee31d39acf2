#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install_test.sh CMAKE SOURCE BUILD: programs that use libkebound in the three ways there are (find_package, pkg-config,
# add_subdirectory) build and run; the preload library is found for both classes of programs.
set -euo pipefail
cmake=$1 source=$2 build=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/kebound-library-XXXXXX")
trap 'rm -rf -- "$work"' EXIT
unset KEBOUND_OPTIONS KEBOUND_RING

fail() {
  printf 'install test: %s\n' "$*" >&2
  exit 1
}
quietly() {
  "$@" >"$work/log" 2>&1 || fail "$*: $(cat "$work/log")"
}

quietly "$cmake" --install "$build" --prefix "$work/first"
mv "$work/first" "$work/moved"
prefix=$work/moved
lib=$(dirname "$(find "$prefix" -name libkebound.so | grep -v 32 | head -1)")

check_crash_handler() {
  [ "$("$@" bound | tail -1)" = 'the program goes on' ] || fail "$*: $("$@" bound)"
  local status=0
  (ulimit -c 0 && "$@" crash) >"$work/out" 2>/dev/null || status=$?
  [ "$status" = 139 ] || fail "$* crash: status $status"
  grep -q 'crash handler' "$work/out" || fail "$*: the program's handler did not run"
}

cp -r "$source/examples/library" "$work/examples"
quietly "$cmake" -S "$work/examples" -B "$work/found" -DCMAKE_PREFIX_PATH="$prefix"
quietly "$cmake" --build "$work/found"
for bits in '' 32; do
  [ -x "$work/found/bin/service$bits" ] || fail "find_package: no service$bits"
  "$work/found/bin/service$bits" "$work/found/bin/libservice_plugin$bits.so" 2000 >"$work/out" || fail "service$bits: $(cat "$work/out")"
  check_crash_handler "$work/found/bin/crash_handler$bits"
done

pc=$(find "$prefix" -name libkebound.pc)
# shellcheck disable=SC2046
quietly cc -o "$work/by_hand" "$source/examples/library/crash_handler.c" \
  $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs libkebound)
check_crash_handler env LD_LIBRARY_PATH="$lib" "$work/by_hand"

quietly "$cmake" -S "$source/tests/inproc/consumer" -B "$work/inside" -DKEBOUND_SOURCE="$source" -DCMAKE_BUILD_TYPE=Release
quietly "$cmake" --build "$work/inside" --target consumer
check_crash_handler "$(find "$work/inside" -name consumer -type f -perm -u+x | head -1)"

for guest in bound32 compat64; do
  KEBOUND_OPTIONS='--on-bound clamp' LD_PRELOAD="$lib/kebound/preload/\$LIB/libkebound-preload.so" \
    "$build/bin/guests/$guest" --expect 9 >"$work/out" 2>&1 || fail "$guest: $(cat "$work/out")"
done
