#!/bin/sh
# Runs a shell command as root in a virtual machine with Debian, systemd and
# cgroup v2; prints its output and exits with its code.
#
#   tests/vm/run.sh [-f FILE]... [-e NAME=VALUE]... [-t SECONDS] COMMAND [ARG]...
#
# Each FILE is copied into the folder the command starts in (/payload); ./berth
# is also installed as /usr/local/bin/berth. KVM is not used: nested
# virtualisation hangs on some hosts, so everything is emulated and 10 to 20
# times slower than outside. Exit codes of its own: 1 for a machine that could not be
# made or died, 124 for one that ran past its time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
limit=600
run=$(mktemp -d "${TMPDIR:-/tmp}/berth-vm.XXXXXX")
payload=$run/payload
mkdir "$payload"
: >"$payload/environment"
qemu=
tail=
cleanup() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$tail" ] || kill "$tail" 2>/dev/null || true
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

while getopts f:e:t: option; do
	case $option in
	f) cp -a "$OPTARG" "$payload/" ;;
	e) printf "export %s='%s'\n" "${OPTARG%%=*}" "${OPTARG#*=}" >>"$payload/environment" ;;
	t) limit=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo "usage: $0 [-f FILE]... [-e NAME=VALUE]... [-t SECONDS] COMMAND [ARG]..." >&2; exit 2; }
printf '%s\n' "$*" >"$payload/command"

command -v qemu-system-x86_64 >/dev/null || { echo "vm: qemu-system-x86_64 is missing: run make setup" >&2; exit 1; }
disk=$(sh "$here/disk.sh")

size=$(du -sm "$payload" | cut -f1)
truncate -s $((size + size / 4 + 32))M "$run/payload.img"
mkfs.ext4 -q -F -O ^has_journal -E nodiscard -d "$payload" "$run/payload.img"

: >"$run/out"
qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m "${VM_MEMORY:-2G}" -smp 2 \
	-display none -no-reboot -nodefaults -snapshot \
	-kernel "$disk/vmlinuz" -initrd "$disk/initrd" \
	-append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off ${VM_APPEND:-}" \
	-drive "file=$disk/disk.img,format=raw,if=virtio,cache=unsafe" \
	-drive "file=$run/payload.img,format=raw,if=virtio,cache=unsafe" \
	-serial "file:$run/console" \
	-device virtio-serial -chardev "file,id=out,path=$run/out" \
	-device virtserialport,chardev=out,name=berth.out \
	-device virtio-rng-pci </dev/null &
qemu=$!
# Line buffering lets a person watch; the last line is ours, not the command's.
tail -f -n +1 --pid="$qemu" -s 0.2 "$run/out" | sed -u '/^berth-vm-exit [0-9]*$/d' &
tail=$!

waited=0
while kill -0 "$qemu" 2>/dev/null; do
	if [ "$waited" -ge "$limit" ]; then
		echo "vm: stopped after $limit seconds; console:" >&2
		tail -30 "$run/console" >&2
		exit 124
	fi
	sleep 1
	waited=$((waited + 1))
done
wait "$qemu" || true
qemu=
wait "$tail" || true
tail=

code=$(sed -n 's/^berth-vm-exit \([0-9]*\)$/\1/p' "$run/out" | tail -1)
if [ -z "$code" ]; then
	echo "vm: the machine stopped before the command ended; console:" >&2
	tail -40 "$run/console" >&2
	exit 1
fi
echo "vm: exit $code after $waited s" >&2
exit "$code"
