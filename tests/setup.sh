#!/bin/sh
# Installs what the tests need from Debian's packages, and builds the cached
# fixtures. Without apt-get or without root it says what is missing and fails.
set -eu
cd "$(dirname "$0")/.."

# command or file to look for, and the Debian package that brings it
needs="
gcc gcc
make make
git git
musl-gcc musl-tools
strace strace
/bin/busybox busybox-static
debootstrap debootstrap
setfattr attr
setcap libcap2-bin
flock util-linux
ip iproute2
nft nftables
mkfs.ext4 e2fsprogs
qemu-system-x86_64 qemu-system-x86
skopeo skopeo
umoci umoci
buildah buildah
docker-registry docker-registry
runc runc
dockerd docker.io
containerd containerd
docker-init tini
podman podman
conmon conmon
zstd zstd
bzip2 bzip2
xz xz-utils
zsh zsh
fish fish
ps procps
mandoc mandoc
groff groff-base
aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
/usr/aarch64-linux-gnu/lib/libc.a libc6-dev-arm64-cross
/usr/include/linux/openat2.h linux-libc-dev
"
# trixie has docker's client in a package of its own
if command -v apt-cache >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
	needs="$needs
docker docker-cli"
fi
PATH=$PATH:/usr/sbin:/sbin
missing=$(echo "$needs" | while read -r what package; do
	case $what in
	"") continue ;;
	/*) [ -e "$what" ] || echo "$package" ;;
	*) command -v "$what" >/dev/null || echo "$package" ;;
	esac
done | sort -u | tr '\n' ' ')

if [ -n "$missing" ]; then
	if ! command -v apt-get >/dev/null; then
		echo "setup: missing: $missing" >&2
		echo "setup: these are Debian's package names; install them with this system's package manager" >&2
		exit 1
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "setup: missing: $missing" >&2
		echo "setup: run: sudo apt-get install -y --no-install-recommends $missing" >&2
		exit 1
	fi
	echo "setup: apt-get install $missing"
	mkdir -p .build
	# The tests start daemons of their own: exit code 101 of policy-rc.d forbids the
	# packages to.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $missing; } >.build/setup.log 2>&1 </dev/null; then
		tail -20 .build/setup.log >&2
		exit 1
	fi
fi
if ! command -v go >/dev/null; then
	echo "setup: Go 1.26 or newer is missing: https://go.dev/dl" >&2
	exit 1
fi

sh tests/conformance/build.sh
if [ "$(id -u)" = 0 ]; then
	sh tests/fixture/debootstrap.sh bookworm >/dev/null
	sh tests/fixture/images.sh busybox debian python3 nginx sixty corners >/dev/null
fi
echo "setup: done"
