#!/bin/sh
# make test-vm and test-vm-short: compiles the test binaries that need a kernel,
# hands them and ./berth to the virtual machine, and runs them there as root.
#   tests/vm/suite.sh [-short]
#
# -short passes -short to every test binary, leaves the Debian fixture out and
# stops after 14 minutes: a slow machine may take longer than the usual ten.
set -eu
cd "$(dirname "$0")/../.."
# Packages with tests that need a kernel. The image store only reads and writes
# files; so do records and command lines, which the short run leaves to the host.
short=
limit=5400
packages="nsenter state rootfs cgroup systemd resctrl seccomp container bundle cli tests/ledger tests/conformance tests/callers tests"
if [ "${1:-}" = -short ]; then
	short=-test.short
	limit=840
	packages="nsenter rootfs cgroup systemd seccomp container tests/ledger tests/conformance tests/callers tests"
fi
# SUITE="cgroup tests" picks some.
wanted=${SUITE:-$packages}
tags=netgo,osusergo,urfave_cli_no_docs,nethttpomithttp2,embedbox
work=$(mktemp -d "${TMPDIR:-/tmp}/berth-suite.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/suite"

for package in $wanted; do
	ls "$package"/*_test.go >/dev/null 2>&1 || continue
	# Static, like the product: the guest's C library may be older than the host's.
	go test -c -trimpath -buildvcs=false -tags "$tags" -vet=off \
		-ldflags '-s -w -linkmode external -extldflags "-static"' \
		-o "$work/suite/$(echo "$package" | tr / _).test" "./$package"
	# Tests read their testdata, scripts and golden files from their own folder.
	mkdir -p "$work/suite/$package"
	for data in testdata scripts; do
		[ ! -d "$package/$data" ] || cp -a "$package/$data" "$work/suite/$package/"
	done
done
cp tests/vm/guest-suite.sh "$work/suite/run"
cp tests/judge.sh go.mod "$work/suite/"
set -- -f "$work/suite" -f ./berth -t "$limit" -e "WANTED=$wanted" -e "SHORT=$short"
# Built here: the machine has no network.
case " $wanted " in
*" tests/conformance "*)
	sh tests/conformance/build.sh
	set -- "$@" -f .build/conformance
	;;
esac
if [ -z "$short" ]; then
	set -- "$@" -f "$(sh tests/fixture/debootstrap.sh bookworm)"
fi
sh tests/vm/run.sh "$@" sh suite/run
