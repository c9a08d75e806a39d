#!/bin/sh
# Runs every native fuzz test of the module for a given time each.
#   GO=go TAGS=a,b tests/fuzz.sh 30s
set -eu
cd "$(dirname "$0")/.."
duration=$1
for package in $("$GO" list -tags "$TAGS" ./...); do
	folder=./${package#berth}
	for name in $(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | sed 's/^func //'); do
		echo "=== $package $name for $duration"
		"$GO" test -trimpath -tags "$TAGS" -run '^$' -fuzz "^$name\$" -fuzztime "$duration" "$package"
	done
done
