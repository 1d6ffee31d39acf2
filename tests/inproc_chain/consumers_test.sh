#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# consumers_test.sh CMAKE SOURCE BUILD: C and C++ programs use libkebound, shared and static, 64- and 32-bit, by find_package,
# add_subdirectory and pkg-config. The installed tree is moved before.
set -euo pipefail
cmake=$1 source=$2 build=$3
here=$source/tests/inproc_chain/consumers
work=$(mktemp -d "${TMPDIR:-/tmp}/kebound-consumers-XXXXXX")
trap 'rm -rf -- "$work"' EXIT
unset KEBOUND_OPTIONS KEBOUND_RING LD_PRELOAD LD_LIBRARY_PATH

fail() {
  printf 'consumers test: %s\n' "$*" >&2
  exit 1
}
quietly() {
  "$@" >"$work/log" 2>&1 || fail "$*: $(cat "$work/log")"
}

# expect BITS COMMAND...
expect() {
  local bits=$1 output
  shift
  output=$("$@" 2>&1) || fail "$*: status $?: $output"
  [[ $output == *" $bits bits: asked 2 times" ]] || fail "$*: $output"
  passed=$((passed + 1))
}
passed=0

# by_cmake FOLDER OPTION...: everything that the project there builds.
by_cmake() {
  local folder=$1 program bits
  shift
  quietly "$cmake" -S "$here" -B "$folder" -DCMAKE_BUILD_TYPE=Release "$@"
  quietly "$cmake" --build "$folder" --target consumers
  for program in "$folder"/programs/*; do
    bits=64
    [[ $program != *32 ]] || bits=32
    expect "$bits" "$program"
  done
}

quietly "$cmake" --install "$build" --prefix "$work/first"
mv "$work/first" "$work/prefix"
by_cmake "$work/found" -DCMAKE_PREFIX_PATH="$work/prefix"
by_cmake "$work/found_by_c" -DCMAKE_PREFIX_PATH="$work/prefix" -DLANGUAGE=C
by_cmake "$work/inside" -DKEBOUND_SOURCE="$source"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name libkebound.pc)")
# For -m32 the other folder; there is no pkg-config of 32 bits beside that of 64.
declare -A folder
folder[64]=$(pkg-config --variable=libdir libkebound)
folder[32]=$(dirname "$(find "$work/prefix" \( -path '*/lib32/libkebound.a' -o -path '*/i386-linux-gnu/libkebound.a' \))")
for bits in 64 32; do
  lib=${folder[$bits]}
  read -ra flags <<<"$(pkg-config --define-variable=libdir="$lib" --cflags --libs libkebound)"
  read -ra all <<<"$(pkg-config --define-variable=libdir="$lib" --cflags --libs --static libkebound)"
  quietly cc "-m$bits" -o "$work/c" "$here/consumer.c" "${flags[@]}"
  quietly c++ "-m$bits" -std=c++20 -o "$work/cpp" "$here/consumer.cpp" "${flags[@]}"
  expect "$bits" env LD_LIBRARY_PATH="$lib" "$work/c"
  expect "$bits" env LD_LIBRARY_PATH="$lib" "$work/cpp"
  # A program that is static altogether, and one of which only libkebound is.
  quietly cc "-m$bits" -static -o "$work/c" "$here/consumer.c" "${all[@]}"
  quietly c++ "-m$bits" -std=c++20 -o "$work/cpp" "$here/consumer.cpp" -Wl,-Bstatic "${all[@]}" -Wl,-Bdynamic
  expect "$bits" "$work/c"
  expect "$bits" "$work/cpp"
done
[ "$passed" = 28 ] || fail "$passed programs ran, not 28"
