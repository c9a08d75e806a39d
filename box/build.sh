#!/bin/sh
# Build the embedded image: box/build.sh OUT.tar
# GOARCH chooses the architecture of its programs; the file is gzip-compressed,
# and the same sources give the same bytes.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUT.tar" >&2; exit 2; }
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")"
go=${GO:-go}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The image is part of a static binary's build, whose flags are not for here.
unset GOFLAGS CGO_CFLAGS CGO_LDFLAGS || true
CGO_ENABLED=0 GOOS=linux GOWORK=off "$go" build -trimpath -buildvcs=false -ldflags "-s -w" -o "$tmp/box" .
GOARCH= GOOS= CGO_ENABLED=0 GOWORK=off "$go" build -trimpath -buildvcs=false -o "$tmp/box-host" .
GOARCH= GOOS= CGO_ENABLED=0 GOWORK=off "$go" run ./mkimage "$tmp/box" "$("$tmp/box-host" --list)" "$out.tmp"
mv "$out.tmp" "$out"
