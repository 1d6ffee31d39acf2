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
mapfile -t fuzzers < <(ninja -C build/fuzz -t targets all | sed -n 's|^bin/\(fuzz_[^:]*\):.*|\1|p' | grep -v '_test$')
[ ${#fuzzers[@]} -gt 0 ] || {
  echo 'fuzz: there are no fuzzers' >&2
  exit 1
}
cmake --build build/fuzz -j "$jobs" --target "${fuzzers[@]}"
mkdir -p build/fuzz/crashes
for fuzzer in "${fuzzers[@]}"; do
  corpus=build/fuzz/corpus/$fuzzer
  mkdir -p "$corpus"
  seeds=tests/fuzz/corpus/${fuzzer#fuzz_}
  [ -d "$seeds" ] || seeds=
  printf '%s: %s s\n' "$fuzzer" "$seconds"
  "build/fuzz/bin/$fuzzer" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix=build/fuzz/crashes/ "$corpus" ${seeds:+"$seeds"}
done
