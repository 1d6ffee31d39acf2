#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make test: builds the release tree and the parts of the sanitizer trees that make sense there, then
# runs all of it as one ctest, whose summary comes last.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
jobs=${1:-$(nproc)}

# Unit tests only: the supervisor's window below 4 GiB and the sanitizers' shadow memory exclude each other. With
# ThreadSanitizer only what has threads; the torture tests of core/ bring their own build of that kind, in the
# release tree.
declare -A targets=(
  [asan-ubsan]='core_test kebound_report_test kebound_report_emit_records kebound_tool_test kebound_trap_test nt_test inproc_torture_64'
  [tsan]='kebound_report_test kebound_report_emit_records nt_test posix_pal_test inproc_torture_64'
)

# The kernel module, too: scripts/packages.txt has the headers of the kernel that it is made for and tested in.
cmake --preset release -DKEBOUND_MODULE=ON -DKEBOUND_SANITIZER_TREES="$(
  IFS=';'
  echo "${!targets[*]}"
)"
cmake --build build/release -j "$jobs"
for tree in "${!targets[@]}"; do
  cmake --preset "$tree"
  # shellcheck disable=SC2086
  cmake --build "build/$tree" -j "$jobs" --target ${targets[$tree]}
done
exec ctest --test-dir build/release -j "$jobs" --output-on-failure --no-tests=error
