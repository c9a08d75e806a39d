#!/bin/sh
# Installs what bench compares berth with, from Debian's packages: the runtimes,
# and what the root file system is made of. Without apt-get or without root it
# says what is missing and fails.
set -eu

# command or file to look for, and the Debian package that brings it
needs="
crun crun
runc runc
bwrap bubblewrap
podman podman
conmon conmon
dockerd docker.io
containerd containerd
docker-registry docker-registry
skopeo skopeo
buildah buildah
umoci umoci
debootstrap debootstrap
busybox busybox-static
setfattr attr
mkfs.ext4 e2fsprogs
setcap libcap2-bin
gcc gcc
musl-gcc musl-tools
"
# trixie has docker's client in a package of its own
if command -v apt-cache >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
	needs="$needs
docker docker-cli"
fi
PATH=$PATH:/usr/sbin:/sbin
missing=$(echo "$needs" | while read -r what package; do
	[ -z "$what" ] || command -v "$what" >/dev/null || echo "$package"
done | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "bench: missing: $missing" >&2
	echo "bench: these are Debian's package names; install them with this system's package manager" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "bench: missing: $missing" >&2
	echo "bench: run: sudo apt-get install -y --no-install-recommends $missing" >&2
	exit 1
fi
echo "bench: apt-get install $missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A daemon that the package starts would be in the way, and bench starts its own:
# exit code 101 of policy-rc.d forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$log" "$policy"' EXIT
fi
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
	tail -20 "$log" >&2
	exit 1
fi
