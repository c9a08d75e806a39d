#!/bin/sh
# make demo: one container from the embedded image, with no network, in roots of
# its own, so that the machine is left as it was.
set -eu
berth=$1
if [ "$(id -u)" != 0 ]; then
	echo "demo: making namespaces and mounts needs root; run: sudo make demo" >&2
	exit 1
fi
if [ -z "${BERTH_ROOT:-}" ] && [ -z "${BERTH_RUNROOT:-}" ]; then
	mkdir -p .build
	scratch=$(mktemp -d "$PWD/.build/demo.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	export BERTH_ROOT="$scratch/root" BERTH_RUNROOT="$scratch/run"
fi

show() {
	printf '\n$ berth %s\n' "$*"
	"$berth" "$@"
}
echo "berth $("$berth" --version 2>/dev/null | sed 's/^berth version //'): a container is a list of syscalls. Here is one."
printf '\n$ berth run --rm --network none --hostname harbour box sh -c ...\n'
"$berth" run --rm --network none --hostname harbour box sh -c '
echo "hostname   $(hostname)"
echo "user       $(id -u)"
echo "process    $$ (this shell is PID 1 of its own namespace)"
echo "interfaces $(ls /sys/class/net | tr "\n" " ")"
echo "root       $(ls / | tr "\n" " ")"
echo "mounts     $(wc -l </proc/self/mountinfo)"'
printf '\nThe first steps that made it (berth explain run ... prints them all):\n'
"$berth" explain run --rm --network none --hostname harbour box true | head -12 || true
show ps -a
printf '\nNothing is left: the container is gone with its mounts, cgroups and files.\n'
