#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make fuzz: runs every libFuzzer target for a while, each from its committed corpus. New inputs stay
# under build/fuzz/corpus; a crash is written to build/fuzz/crashes and ends the run.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
jobs=${2:-$(nproc)}

cmake --preset fuzz
cmake --build build/fuzz -j "$jobs" --target fuzzers
mkdir -p build/fuzz/crashes
found=0
for fuzzer in build/fuzz/bin/*_fuzzer; do
  [ -x "$fuzzer" ] || continue
  found=1
  name=$(basename -- "$fuzzer")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  seeds=tests/fuzz/corpus/${name%_fuzzer}
  [ -d "$seeds" ] || seeds=
  printf '%s: %s s\n' "$name" "$seconds"
  "$fuzzer" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix=build/fuzz/crashes/ "$corpus" ${seeds:+"$seeds"}
done
[ "$found" = 1 ] || {
  echo 'fuzz: no fuzzer was built' >&2
  exit 1
}
