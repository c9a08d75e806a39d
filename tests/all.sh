#!/bin/sh
# make test: every phase in turn, each with its time. Stops at the first failure.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "test: the root and VM tests need root; run: sudo --preserve-env=PATH make test" >&2
	echo "test: without root, 'make lint test-unit' runs the rest" >&2
	exit 1
fi
mkdir -p .build
times=.build/times
: >"$times"
begun=$(date +%s)
phase() {
	name=$1
	shift
	printf '\n=== %s\n' "$name"
	from=$(date +%s)
	"$@"
	printf '%-22s %4d s\n' "$name" $(($(date +%s) - from)) | tee -a "$times"
}

phase setup make -s setup
phase build make build
phase vet make -s vet
phase lint make -s lint
phase "arm64 build" make -s build-arm64
phase "unit and root tests" make -s test-root
phase demo make -s demo
phase "VM tests (short)" make -s test-vm-short

printf '\n=== passed in %d s\n' $(($(date +%s) - begun))
cat "$times"
