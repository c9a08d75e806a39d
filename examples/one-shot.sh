#!/bin/sh
# A container as one program in a pipe. It reads our stdin, writes our stdout,
# sees one folder of the host, read-only, and has no network.
set -eu
berth=${BERTH:-berth}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'pear\napple\nquince\n' >"$dir/fruit"

echo "sorted, from a folder of the host:"
"$berth" run --rm -v "$dir:/data:ro" box sort /data/fruit

echo "in capitals, through a pipe (-i keeps stdin open):"
sort -r "$dir/fruit" | "$berth" run --rm -i box tr a-z A-Z

echo "the exit code is the program's own:"
code=0
"$berth" run --rm box sh -c 'exit 42' || code=$?
echo "$code"
[ "$code" = 42 ]
