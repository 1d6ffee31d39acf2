#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# packages_test.sh SOURCE-TREE: scripts/install-packages.sh over a made-up package database.
set -euo pipefail
source_tree=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/kebound-packages-XXXXXX")
trap 'rm -rf -- "$work"' EXIT

fail() {
  printf 'packages test: %s\n' "$*" >&2
  exit 1
}

# fake NAME BODY: a command of that name, found before the real one.
mkdir "$work/bin"
fake() {
  printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
for tool in bash dirname env; do ln -s "$(command -v "$tool")" "$work/bin/$tool"; done
fake dpkg-query 'for missing in $MISSING; do [ "${@: -1}" = "$missing" ] && exit 1; done; printf installed'
fake apt-get 'printf "%s %s\n" "$DEBIAN_FRONTEND" "$*" >>"$LOG"'
fake id 'echo "$FAKE_UID"'
export LOG=$work/log
install() { MISSING=$2 FAKE_UID=$1 PATH=$work/bin "$source_tree/scripts/install-packages.sh" "${@:3}" 2>"$work/err"; }

install 0 '' >"$work/out" || fail 'nothing is missing, yet it fails'
[ ! -e "$LOG" ] && [ ! -s "$work/out" ] || fail 'nothing is missing, yet it does something'
install 1000 '' || fail 'nothing is missing, yet it wants rights'

install 0 'zsh lowdown' >/dev/null || fail "as root: $(cat "$work/err")"
[ "$(cat "$LOG")" = 'noninteractive update -q
noninteractive install -q -y --no-install-recommends zsh lowdown' ] || fail "as root it ran: $(cat "$LOG")"

[ "$(install 0 'zsh lowdown' --list)" = $'zsh\nlowdown' ] || fail '--list lists something else'

rm "$LOG"
if install 1000 'zsh' >/dev/null; then fail 'without rights it succeeds'; fi
grep -q 'missing packages: zsh: neither root nor sudo.*apt-get install zsh' "$work/err" || fail "without rights: $(cat "$work/err")"
[ ! -e "$LOG" ] || fail 'without rights it calls apt-get'

fake sudo 'printf "sudo " >>"$LOG"; exec "$@"'
install 1000 'zsh' >/dev/null || fail "with sudo: $(cat "$work/err")"
[ "$(grep -c '^sudo noninteractive' "$LOG")" = 2 ] || fail "with sudo it ran: $(cat "$LOG")"

fake apt-get 'exit 100'
if install 0 'zsh' >/dev/null; then fail 'a failed update is not noticed'; fi
grep -q 'apt-get update failed; check' "$work/err" || fail "a failed update: $(cat "$work/err")"

sorted=$(grep -v '^#' "$source_tree/scripts/packages.txt" | sort)
[ "$sorted" = "$(sort -u <<<"$sorted")" ] || fail 'packages.txt has a package twice'
