#!/bin/sh
# Runs in the guest, from /payload: every test binary of the suite, from a
# writable copy of its package's folder, and a summary at the end.
set -u
cp -a /payload/suite /var/tmp/suite
for tar in /payload/*.tar; do
	[ ! -f "$tar" ] || export BERTH_FIXTURE_BOOKWORM="$tar"
done
[ ! -d /payload/conformance ] || export CONFORMANCE_DIR=/payload/conformance
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || { echo "vm: /sys/fs/cgroup is not cgroup v2"; exit 1; }
[ "$(cat /proc/1/comm)" = systemd ] || { echo "vm: PID 1 is not systemd"; exit 1; }

ran=0
failed=
for package in $WANTED; do
	binary=/var/tmp/suite/$(echo "$package" | tr / _).test
	[ -x "$binary" ] || continue
	ran=$((ran + 1))
	echo "=== vm: $package"
	from=$(cut -d. -f1 /proc/uptime)
	(cd "/var/tmp/suite/$package" && "$binary" -test.v -test.timeout 60m $SHORT) >/var/tmp/log 2>&1 ||
		failed="$failed $package"
	sh /var/tmp/suite/judge.sh /var/tmp/log || failed="$failed $package(skips)"
	echo "--- vm: $package $(($(cut -d. -f1 /proc/uptime) - from)) s"
done
if [ -n "$failed" ]; then
	echo "vm: failed:$failed"
	exit 1
fi
echo "vm: $ran packages passed on $(uname -r), systemd, cgroup v2"
