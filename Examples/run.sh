#!/usr/bin/env bash
# Builds the examples as a package that depends on Weir by version, from a clone of what is committed here, and runs each. An
# example that finds a wrong result fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet "$root" "$folder/weir"
git -C "$folder/weir" tag --force 0.1.0
cp -R "$here/Package.swift" "$here/Sources" "$folder/"
export WEIR_REPOSITORY="file://$folder/weir"
cd "$folder"
# One debug build of all examples, without the Makefile's flags. Nobody searches or debugs it, so it needs no index, and eight
# programs need no debug information. Nothing stays behind, not even in the cache of packages.
${SWIFT:-swift} build --disable-index-store --cache-path "$folder/cache" -Xlinker --strip-debug
for source in Sources/*/; do
    example=$(basename "$source")
    echo "== $example"
    .build/debug/"$example" || { echo "the example $example failed" >&2; exit 1; }
done
