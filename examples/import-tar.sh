#!/bin/sh
# An image from a tar: here a root that holds nothing but the one program of box
# (which is every tool by the name that it is called by) and what it needs.
set -eu
berth=${BERTH:-berth}
image=example-$$
dir=$(mktemp -d)
trap '"$berth" rmi "$image" >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT

# Any tar will do: docker export, debootstrap, a build tree. This tree comes out
# of a container, through a folder that it shares with the host.
mkdir -p "$dir/root/bin"
"$berth" run --rm -v "$dir/root/bin:/out" box sh -c '
cp /bin/box /out/box
for tool in sh ls wc; do ln -s box "/out/$tool"; done'

tar -C "$dir/root" -c . | "$berth" import \
	-c 'ENV GREETING=hello' -c 'CMD ["sh", "-c", "echo $GREETING from $(ls /bin | wc -l) files"]' \
	- "$image" >/dev/null
"$berth" images | grep -E "REPOSITORY|$image"
"$berth" run --rm "$image"
