#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check_exports.sh TREE [PROGRAM]: what the headers declare as imported and what exports.def lists are the same; PROGRAM exports
# nothing else to drivers.
set -euo pipefail
tree=$1 program=${2:-}
# Names stand before the parenthesis of the parameters, after the last annotation. One header is for drivers that are modules of the
# Linux kernel, where KeGetCurrentThread is a function of kebound.ko.
shopt -s extglob
declared=$(cat "$tree"/include/nt/kebound_nt/!(x64_linux_kernel).h | sed 's,//.*,,' | tr '\n' ' ' | sed 's/;/;\n/g' |
  grep -E 'NTKERNELAPI|NTSYSAPI' | grep -v '#define NTKERNELAPI' |
  sed -E 's/.*(NTKERNELAPI|NTSYSAPI)//; s/\(.*//; s/.*[ *]([A-Za-z0-9_]+) *$/\1/' | sort -u)
listed=$(sed -n 's/^  \([A-Za-z_][A-Za-z0-9_]*\)\( *\)\(.*\)$/\1/p' "$tree/nt/exports.def" |
  grep -vxE 'mem(cpy|cmp|set|move)|PsThreadType' | sort -u)
diff <(echo "$declared") <(echo "$listed") || { echo 'headers (<) and exports.def (>) differ' >&2; exit 1; }
if [ -n "$program" ]; then
  strange=$(nm -D --defined-only "$program" | awk '{print $NF}' | sed 's/@.*//' | grep -E 'kebound' | head -3 || true)
  [ -z "$strange" ] || { echo "$program exports names of its own: $strange" >&2; exit 1; }
  missing=$(comm -13 <(nm -D --defined-only "$program" | awk '{print $NF}' | sort -u) <(echo "$listed"))
  [ -z "$missing" ] || { echo "$program does not export: $missing" >&2; exit 1; }
fi
