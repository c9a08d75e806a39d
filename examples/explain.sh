#!/bin/sh
# A container is a list of system calls. This shows parts of the list.
set -eu
berth=${BERTH:-berth}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo "the steps that --read-only asks for:"
"$berth" explain --format json run --rm --read-only box true >"$dir/plan"
grep '"from":"--read-only"' "$dir/plan" | sed 's/.*"text":"//; s/"},*$//; s/\\"/"/g'

echo "the same flag, as a difference between two plans:"
"$berth" explain --format json run --rm box true | sed 's/.*"call":"\([^"]*\)".*/\1/' >"$dir/without"
sed 's/.*"call":"\([^"]*\)".*/\1/' "$dir/plan" >"$dir/with"
diff "$dir/without" "$dir/with" | grep '^[<>]' || true

echo "how a start really went:"
"$berth" run --rm --trace box true 2>&1 | tail -2

echo "the plan of an OCI bundle, made by any tool:"
mkdir -p "$dir/bundle/rootfs"
cat >"$dir/bundle/config.json" <<'EOF'
{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
 "process": {"args": ["/bin/true"], "cwd": "/", "user": {"uid": 7, "gid": 7}},
 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]}}
EOF
"$berth" explain --bundle "$dir/bundle" | grep -E 'setresuid|unshare|execve'
