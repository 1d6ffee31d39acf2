#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install_test.sh CMAKE BUILD-TREE PICK: installs into a temporary prefix, builds a driver outside the tree against
# what was installed (with CMake, and with pkg-config alone), runs it with the installed kebound.
set -euo pipefail
cmake=$1 build=$2 pick=$3
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kebound-install-XXXXXX")
trap 'rm -rf -- "$work"' EXIT
unset KEBOUND_OPTIONS
prefix=$work/prefix

fail() {
  printf 'install test: %s\n' "$*" >&2
  exit 1
}

"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || fail "$(cat "$work/install.log")"

for file in bin/kebound include/kebound/nt/wdm.h share/man/man1/kebound.1 \
  share/man/man3/KeRegisterBoundCallback.3 share/man/man3/KeSetEvent.3 \
  share/bash-completion/completions/kebound share/zsh/site-functions/_kebound share/kebound/events.schema.json \
  share/doc/kebound/LICENSE; do
  [ -e "$prefix/$file" ] || fail "$file is not installed"
done
# Nothing of the build tree may be needed afterwards: a moved tree works as well.
mv "$prefix" "$work/moved"
prefix=$work/moved
[ "$("$prefix/bin/kebound" --version)" = "$("$build/bin/kebound" --version)" ] || fail 'versions differ'
if grep -rIl -- "$build" "$prefix/lib" "$prefix/share" "$prefix/include"; then
  fail 'these files name the build tree'
fi

run() {
  "$prefix/bin/kebound" run --driver "$1" --report jsonl -o "$work/report" -- "$pick" 12 >"$work/out" ||
    fail "status $? with $1: $(cat "$work/report")"
  [ "$(cat "$work/out")" = $'square 12 is 81\ndone' ] || fail "wrong output with $1: $(cat "$work/out")"
  grep -q 'out of tree: index in eax is 12' "$work/report" || fail "$1 did not run: $(cat "$work/report")"
}

"$cmake" -S "$here/driver" -B "$work/driver" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
grep -q "executable: $prefix/bin/kebound" "$work/log" || fail 'kebound_EXECUTABLE is not that of the installation'
"$cmake" --build "$work/driver" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
driver=$(find "$work/driver" -name out_of_tree.so)
[ -n "$driver" ] || fail 'kebound_add_driver() built no out_of_tree.so'
run "$driver"

pc=$(find "$prefix" -name kebound.pc)
[ -n "$pc" ] || fail 'kebound.pc is not installed'
# shellcheck disable=SC2046
cc -shared -fPIC $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags kebound) -o "$work/by_hand.so" "$here/driver/out_of_tree.c"
run "$work/by_hand.so"
