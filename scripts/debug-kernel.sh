#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# debug-kernel.sh DIRECTORY: builds Debian's kernel with lockdep, KASAN and the other checks of debug-kernel.config, and
# kebound.ko and its tests for it, and runs them in the emulated machine: docs/linux-module.md. By hand: the kernel takes ten
# minutes on two processors and 3 GB in DIRECTORY, the run five more. What is already there is not done again.
# JOBS: how many compilers at a time (2). SOURCE: Debian's package (linux-source-6.1).
set -euo pipefail

fail() {
  printf 'debug-kernel: %s\n' "$1" >&2
  exit 1
}

[ $# -eq 1 ] || fail 'usage: debug-kernel.sh DIRECTORY'
mkdir -p "$1"
directory=$(cd -- "$1" && pwd)
root=$(cd -- "$(dirname -- "$0")/.." && pwd)
config=$root/scripts/debug-kernel.config
jobs=${JOBS:-2}
package=${SOURCE:-linux-source-6.1}
sources=$directory/$package
build=$directory/build

for tool in apt-get flex bison bc cmake ctest ninja qemu-system-x86_64; do
  command -v "$tool" >/dev/null || fail "$tool is not there (Debian: flex, bison, bc, libelf-dev beside what make packages installs)"
done

if [ ! -e "$sources/Makefile" ]; then
  download=$(mktemp -d "$directory/download.XXXXXX")
  trap 'rm -rf -- "$download"' EXIT
  (cd "$download" && apt-get download -q "$package" >&2) || fail "apt-get cannot download $package"
  packages=("$download"/*.deb)
  dpkg-deb --fsys-tarfile "${packages[0]}" | tar -xO "./usr/src/$package.tar.xz" >"$download/sources.tar.xz"
  tar -xf "$download/sources.tar.xz" -C "$download"
  mv "$download/$package" "$sources"
fi

compiler=gcc
if command -v ccache >/dev/null; then compiler='ccache gcc'; fi
if [ ! -e "$build/Module.symvers" ] || [ "$config" -nt "$build/.config" ]; then
  mkdir -p "$build"
  make -s -C "$sources" O="$build" KCONFIG_ALLCONFIG="$config" allnoconfig >/dev/null
  # Kconfig drops in silence what has no place.
  refused=$(grep -E '^CONFIG_' "$config" | grep -vxFf "$build/.config" || true)
  [ -z "$refused" ] || fail "this kernel does not take: $(tr '\n' ' ' <<<"$refused")"
  nice -n 19 make -s -C "$sources" O="$build" CC="$compiler" -j"$jobs" bzImage modules >"$directory/kernel.log" 2>&1 ||
    fail "the kernel cannot be built: $directory/kernel.log"
fi

(cd "$root" && cmake --preset module -B "$directory/kebound" -DKEBOUND_KERNEL_BUILD="$build" -DKEBOUND_BOOT_SECONDS=1500 &&
  nice -n 19 cmake --build "$directory/kebound" --target module-tests -j"$jobs") >"$directory/kebound.log" 2>&1 ||
  fail "kebound cannot be built for it: $directory/kebound.log"

# The mutant of the torture test is wrong on purpose, which this kernel would say.
status=0
ctest --test-dir "$directory/kebound" -L module -E torture-mutant --timeout 1600 --output-on-failure >"$directory/ctest.log" 2>&1 || status=$?
log=$directory/kebound/module/boot.log
printf 'kernel    Linux %s\n' "$(<"$build/include/config/kernel.release")"
printf 'date      %s\n' "$(date -u +%Y-%m-%d)"
printf 'tests     %s\n' "$(grep -E 'tests passed' "$directory/ctest.log")"
printf 'sections  %s\n' "$(grep -acE '^@begin ' "$log")"
printf 'statements ok %s, failed %s\n' "$(grep -acE '^@check ok' "$log")" "$(grep -acE '^@check FAILED' "$log" || true)"
printf 'lines of lockdep, KASAN and the like  %s\n' "$(grep -acE 'WARNING:|BUG:|KASAN|possible (circular|recursive) locking|scheduling while atomic' "$log" || true)"
if [ "$status" != 0 ]; then
  sed -n '/The following tests FAILED/,$p' "$directory/ctest.log"
  fail "the log is $log, what ctest said $directory/ctest.log"
fi
