#!/bin/sh
# Reads the output of "go test -v", prints what is worth reading and fails on a
# test that skipped itself: where CI is set a skipped test is a missing tool or
# right, not a pass. Accepted is a reason that begins "by design: ", or one that
# names a kind of cgroup this machine has not: the VM and the host have one each.
#   tests/judge.sh LOG
set -eu
log=$1
# What a test printed is kept until its result is known, and dropped if it passed.
awk '
/^=== (RUN|CONT|NAME) / { current = $3; next }
/^=== PAUSE / || /^PASS$/ || /no test files/ { next }
/^[ \t]*--- (PASS|SKIP|FAIL): / {
	n[$2]++
	if ($2 != "PASS:") printf "%s\n%s", $0, said[$3]
	delete said[$3]
	current = ""
	next
}
current != "" { said[current] = said[current] $0 "\n"; next }
{ print }
END {
	for (name in said) printf "%s", said[name]
	printf "%d passed, %d failed, %d skipped\n", n["PASS:"], n["FAIL:"], n["SKIP:"]
}
' "$log"
# A reason is printed while its test is the current one.
skipped=$(awk '
/^=== (RUN|CONT|NAME) / { current = $3 }
/by design: |: no (cgroup )?(v1|v2|hybrid) / { fine[current] = 1 }
/^[ \t]*--- SKIP: / { if (!fine[$3]) print }
' "$log")
if [ -n "$skipped" ] && [ "${CI:-}" = true ]; then
	printf 'skipped, which CI does not allow:\n%s\n' "$skipped" >&2
	exit 1
fi
