#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check_sys_imports.sh OBJDUMP DRIVER.sys EXPORTS.def: the driver imports from ntoskrnl.exe alone, and only names
# that kebound exports.
set -euo pipefail
objdump=$1 driver=$2 exports=$3
dump=$("$objdump" -p "$driver")
dlls=$(sed -n 's/^[[:space:]]*DLL Name: *//p' <<<"$dump" | sort -u)
[ "$dlls" = ntoskrnl.exe ] || { echo "$driver imports from: $dlls" >&2; exit 1; }
# Lines of the import tables: thunk address, hint, name.
imports=$(sed -n '/^The Import Tables/,/^The /p' <<<"$dump" | awk 'NF == 3 && $2 ~ /^[0-9]+$/ && $3 !~ /^[0-9]/ {print $3}' | sort -u)
[ -n "$imports" ] || { echo "$driver: no imports found" >&2; exit 1; }
known=$(sed -n 's/^  \([A-Za-z_][A-Za-z0-9_]*\).*/\1/p' "$exports" | sort -u)
unknown=$(comm -23 <(printf '%s\n' "$imports") <(printf '%s\n' "$known"))
[ -z "$unknown" ] || { echo "$driver imports what kebound does not export: $unknown" >&2; exit 1; }
grep -qx KeRegisterBoundCallback <<<"$imports" || { echo "$driver does not import KeRegisterBoundCallback" >&2; exit 1; }
