#!/bin/sh
# Builds the validation programs into .build/conformance, with what they look for
# beside themselves: runtimetest, which they run in containers, and the tar of
# its root file system, which comes with their module. Nothing to do when
# the module's version is the one that was built.
set -eu
cd "$(dirname "$0")/../.."
programs=tests/conformance/programs
out=$PWD/.build/conformance
key=$(cat "$programs/go.mod" "$programs/go.sum" tests/conformance/build.sh | sha256sum | cut -c1-16)
[ "$(cat "$out/.key" 2>/dev/null)" != "$key" ] || exit 0
rm -rf "$out"
mkdir -p "$out"
export CGO_ENABLED=0
go build -C "$programs" -trimpath -buildvcs=false -ldflags='-s -w' -o "$out/" tool
module=$(go list -C "$programs" -m -f '{{.Dir}}' github.com/opencontainers/runtime-tools)
install -m 644 "$module/rootfs-$(go env GOARCH).tar.gz" "$out/"
echo "$key" >"$out/.key"
