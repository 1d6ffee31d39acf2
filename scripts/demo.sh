#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make demo: programs index out of range, and what can be made of it.
set -uo pipefail
build=${1:-build/release}
kebound=$build/bin/kebound
program=$build/bin/examples/pick
squares=$build/bin/examples/squares
driver=$build/lib/drivers/repair.so
for file in "$kebound" "$program" "$squares" "$driver"; do
  [ -e "$file" ] || {
    printf 'demo: %s: is missing; run make first\n' "$file" >&2
    exit 1
  }
done
unset KEBOUND_OPTIONS

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

# show EXPECTED-STATUS EXPLANATION COMMAND...
failed=0
show() {
  local expected=$1 explanation=$2 status
  shift 2
  printf '\n%s== %s%s\n%s$ %s%s\n' "$bold" "$explanation" "$plain" "$bold" "$*" "$plain"
  # bash's own "Segmentation fault" line is kept out of the picture.
  { ("$@") 2>&1; } 2>/dev/null
  status=$?
  printf '%s-> exit status %d%s\n' "$bold" "$status" "$plain"
  if [ "$status" != "$expected" ]; then
    printf 'demo: expected %d\n' "$expected" >&2
    failed=1
  fi
}

show 132 'A 64-bit program, built with clang -O2 -fsanitize=bounds -fsanitize-trap=bounds. It dies of SIGILL: which index it was, nobody says.' \
  "$squares"
show 132 'kebound finds the check that failed, its index and its bounds. The program gets its signal all the same.' \
  "$kebound" run -- "$squares"
show 0 'The index is clamped to the nearest bound, in every copy that the compiler made of it, and the check runs again.' \
  "$kebound" run --on-bound clamp -- "$squares"
show 0 'The same inside the process, at the price of a signal: libkebound is preloaded.' \
  "$kebound" run --host inproc --on-bound clamp -- "$squares"
show 0 'Which checks a program has, and which of them can be recovered, without running it.' \
  "$kebound" scan "$squares"
printf '\n%sThe same facility, as NT has it: an i386 program with the BOUND instruction.%s\n' "$bold" "$plain"
show 139 'Nobody is asked: the program dies of SIGSEGV, and the shell says no more than that.' "$program"
show 139 'No driver: the exception propagates, the program dies as before; the report says of what.' \
  "$kebound" run -- "$program"
show 0 'The built-in driver clamps the index to the nearest bound and the check runs again.' \
  "$kebound" run --on-bound clamp -- "$program"
show 0 'A driver with KeRegisterBoundCallback repairs the index in the trap frame and answers Handled.' \
  "$kebound" run --driver "$driver" -- "$program"
show 9 'The same for a test suite: handled, but the exit status tells that it happened.' \
  "$kebound" run --on-bound clamp --error-exitcode 9 --report none -- "$program"
exit "$failed"
