#!/bin/sh
# Records what runtimes do with the validation programs, in testdata/results, and
# makes docs/conformance.md of it. As root, with runc and crun installed.
#   record.sh WHERE RUNTIME     WHERE: here or vm; RUNTIME: runc crun berth berth-systemd
set -eu
cd "$(dirname "$0")/../.."
where=$1
runtime=$2
results=tests/conformance/testdata/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh tests/conformance/build.sh
export CONFORMANCE_RECORD="$runtime"
if [ "$where" = here ]; then
	kind=hybrid
	[ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ] || kind=v2
	go test -count=1 -timeout 60m -run TestRecord -v ./tests/conformance >"$work/log" || { tail -20 "$work/log" >&2; exit 1; }
else
	kind=v2
	CGO_ENABLED=0 go test -c -o "$work/conformance.test" ./tests/conformance
	mkdir "$work/bin" "$work/lib"
	# The guest is Debian 12 too, but has not all of their libraries.
	for peer in runc crun; do
		cp "$(command -v $peer)" "$work/bin/"
		ldd "$(command -v $peer)" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | grep -v 'libc\.so' | xargs -I{} cp -L {} "$work/lib/"
	done
	cp -a .build/conformance "$work/programs"
	sh tests/vm/run.sh -t 5400 -f "$work/bin" -f "$work/lib" -f "$work/programs" -f "$work/conformance.test" -f "${BERTH_BIN:-./berth}" \
		-e "CONFORMANCE_RECORD=$runtime" -e "CONFORMANCE_TRIES=1" "cp -an /payload/bin/* /usr/bin/; cp -an /payload/lib/* /usr/local/lib/; ldconfig
		export BERTH_BIN=/usr/local/bin/berth CONFORMANCE_DIR=/payload/programs
		/payload/conformance.test -test.run TestRecord -test.timeout 80m -test.v" >"$work/log" || { tail -20 "$work/log" >&2; exit 1; }
fi
sed -n 's/^record\t//p' "$work/log" >"$work/lines"
[ -s "$work/lines" ] || { cat "$work/log" >&2; exit 1; }
cp "$work/lines" "$results/$kind-$runtime.tsv"
CONFORMANCE_UPDATE=1 go test -count=1 -run TestTable ./tests/conformance
