#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build-page.sh LOWDOWN PAGE.md OUTPUT: one man page. Option dashes become real minus signs, which can be
# copied from the page whatever hyphen the terminal's font has.
set -euo pipefail
trap 'rm -f -- "$3"' ERR
"$1" -s -Tman --out-no-smarty "$2" | sed '/^\.\\"/!s/--/\\-\\-/g' >"$3"
