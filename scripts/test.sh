#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make test: builds the release tree and the parts of the sanitizer trees that make sense there, then
# runs all of it as one ctest, whose summary comes last.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
jobs=${1:-$(nproc)}

# The supervisor's window below 4 GiB and the sanitizers' shadow exclude each other: the unit tests run there, and
# the torture tests of core/ have their own ThreadSanitizer build in the release tree.
trees=(asan-ubsan tsan)

cmake --preset release -DKEBOUND_SANITIZER_TREES="$(
  IFS=';'
  echo "${trees[*]}"
)"
cmake --build build/release -j "$jobs"
for tree in "${trees[@]}"; do
  cmake --preset "$tree"
  cmake --build "build/$tree" -j "$jobs" --target unit-tests
done
exec ctest --test-dir build/release -j "$jobs" --output-on-failure --no-tests=error
