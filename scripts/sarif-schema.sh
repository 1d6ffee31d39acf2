#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches the official JSON schema of SARIF 2.1.0, as the npm package @microsoft/jest-sarif carries it, for
# the test of --report sarif. usage: sarif-schema.sh FILE
# Exit status: 0, FILE is the schema; 77, it cannot be had here (no npm, no network); 1, it is not what it should be.
set -eu
file=$1
package=@microsoft/jest-sarif@1.0.0-beta.0
sum=2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8

good() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$sum" ]; }

good "$file" && exit 0
command -v npm >/dev/null || { echo "sarif-schema.sh: npm is not installed" >&2; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! (cd "$folder" && npm pack --silent "$package" >/dev/null 2>"$folder/error"); then
  echo "sarif-schema.sh: $package cannot be had: $(tail -n 1 "$folder/error")" >&2
  exit 77
fi
tar -xzf "$folder"/*.tgz -C "$folder" package/lib/schemas/sarif-2.1.0-rtm.5.json
good "$folder/package/lib/schemas/sarif-2.1.0-rtm.5.json" || {
  echo "sarif-schema.sh: $package: the schema has another checksum" >&2
  exit 1
}
mkdir -p "$(dirname "$file")"
mv "$folder/package/lib/schemas/sarif-2.1.0-rtm.5.json" "$file"
