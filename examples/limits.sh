#!/bin/sh
# What limits look like from inside, and what happens at them.
set -eu
berth=${BERTH:-berth}
name=hungry-$$
trap '"$berth" rm -f "$name" >/dev/null 2>&1 || true' EXIT

echo "a memory limit of 32 MiB, and a program that wants more:"
code=0
"$berth" run --name "$name" -m 32m --memory-swap 32m box sh -c 'x=0123456789; while :; do x=$x$x; done' || code=$?
echo "exit code $code, killed for memory: $("$berth" inspect --format '{{.State.OOMKilled}}' "$name")"
[ "$code" = 137 ]

echo "at most 20 processes; the Go runtime of box's tools counts its threads, too:"
"$berth" run --rm --pids-limit 20 box sh -c 'echo one; echo two' | sort

echo "a tenth of a CPU and few open files:"
"$berth" run --rm --cpus 0.1 --ulimit nofile=64:64 box sh -c 'ulimit -n'

echo "a limit that makes no sense is an error, and nothing is left:"
"$berth" run --rm -m 4k box true || echo "status $?"
