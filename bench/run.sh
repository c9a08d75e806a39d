#!/bin/sh
# Installs the peers and runs the comparison on the berth of this folder, which
# "make build" made. Arguments are those of bench: -short, -n, -check, -json.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench: needs root: sudo make bench" >&2; exit 1; }
sh bench/setup.sh
mkdir -p .build
${GO:-go} build -trimpath -buildvcs=false -o .build/bench ./bench
exec .build/bench -berth ./berth "$@"
