#!/bin/sh
# berth run in the foreground is one process of a supervisor like any other:
# signals that it gets go to the program, and its exit code is the program's.
# What works here works under runit, s6, or a unit of systemd.
set -eu
berth=${BERTH:-berth}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$berth" run --rm --pidfile "$dir/pid" box sh -c '
trap "echo leaving in good order; exit 7" TERM
echo ready
while :; do sleep 1 & wait $!; done' >"$dir/out" &
supervised=$!

until grep -q ready "$dir/out"; do sleep 0.1; done
pid=$(cat "$dir/pid")
parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
echo "the program is process $pid of the host, a child of berth, $parent"
[ "$parent" = "$supervised" ]
kill -TERM "$supervised"
code=0
wait "$supervised" || code=$?
tail -1 "$dir/out"
echo "exit code $code"
[ "$code" = 7 ]
