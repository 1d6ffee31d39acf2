#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# inproc-torture.sh [SECONDS]: the torture of the in-process host under AddressSanitizer with UBSan and under
# ThreadSanitizer, each for that long (60 s): 8 threads raise exceptions, 2 register and deregister, 1 loads and
# unloads a plugin that registers. Prints how much happened; fails when something was lost, late or stuck.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
export KEBOUND_TORTURE_SECONDS=${1:-60}
for tree in asan-ubsan tsan; do
  cmake --preset "$tree" >/dev/null
  cmake --build "build/$tree" -j "$(nproc)" --target inproc_torture_64 >/dev/null
  echo "$tree, $KEBOUND_TORTURE_SECONDS s:"
  "build/$tree/bin/inproc_torture_64" "build/$tree/lib/libinproc_plugin_64.so" "$KEBOUND_TORTURE_SECONDS"
done
