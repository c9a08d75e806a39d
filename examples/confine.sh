#!/bin/sh
# A program that needs nothing but its files: every power that it can do
# without is taken from it.
set -eu
berth=${BERTH:-berth}

"$berth" run --rm --read-only --tmpfs /tmp:size=1m -u 65534:65534 \
	--cap-drop all --security-opt no-new-privileges --network none \
	box sh -c '
echo "user        $(id -u)"
grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status
echo "interfaces  $(ls /sys/class/net)"
touch /file 2>&1 || true
touch /tmp/file && echo "only /tmp can be written to"'
