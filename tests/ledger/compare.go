package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// counts says how often each entry occurs: two equal mounts are two.
type counts map[string]int

// snapshot holds the entries of each kind of thing.
type snapshot map[string]counts

func (s snapshot) add(kind, entry string, n int) {
	if s[kind] == nil {
		s[kind] = counts{}
	}
	s[kind][entry] += n
}

func (s snapshot) merge(kind string, entries counts) {
	for entry, n := range entries {
		s.add(kind, entry, n)
	}
}

// compare lists what was added (+) and what is gone (-), kind by kind.
func compare(before, after snapshot) string {
	kinds := maps.Clone(before)
	maps.Copy(kinds, after)
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		lines := difference(before[kind], after[kind])
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n", kind)
		const most = 40
		for i, line := range lines {
			if i == most {
				fmt.Fprintf(&b, "    … and %d more\n", len(lines)-most)
				break
			}
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

func difference(before, after counts) []string {
	var lines []string
	for entry, n := range after {
		if d := n - before[entry]; d > 0 {
			lines = append(lines, times("+ ", entry, d))
		}
	}
	for entry, n := range before {
		if d := n - after[entry]; d > 0 {
			lines = append(lines, times("- ", entry, d))
		}
	}
	slices.Sort(lines)
	return lines
}

func times(sign, entry string, n int) string {
	if n == 1 {
		return sign + entry
	}
	return fmt.Sprintf("%s%s (%d times)", sign, entry, n)
}
