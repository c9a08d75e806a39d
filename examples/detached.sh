#!/bin/sh
# A container in the background, from its start to its removal. There is no
# daemon: a small monitor process keeps the output and waits for the end.
set -eu
berth=${BERTH:-berth}
name=clock-$$
trap '"$berth" rm -f "$name" >/dev/null 2>&1 || true' EXIT

# --init: PID 1 that passes the stop signal on. A shell that is PID 1 itself
# would not die of it, and stop would have to wait and kill.
"$berth" run -d --name "$name" --init box sh -c 'while date +%T; do sleep 1; done' >/dev/null

sleep 2
echo "its processes, seen from inside:"
"$berth" exec "$name" ps
echo "its last line, with the time of its arrival:"
"$berth" logs --tail 1 -t "$name"
echo "its state, for a script:"
"$berth" inspect --format '{{.Name}} {{.State.Status}}' "$name"

"$berth" stop "$name" >/dev/null
code=$("$berth" wait "$name")
echo "ended with $code: 128 + SIGTERM"
[ "$code" = 143 ]
