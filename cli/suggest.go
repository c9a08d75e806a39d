package cli

import (
	"slices"
	"strings"
)

// didYouMean is the hint for a word that nothing goes by; empty when none of
// the candidates is near. lead is what stands in front of a candidate when it is
// typed: "berth container ", "--".
func didYouMean(word, lead string, candidates []string) string {
	near := nearest(word, candidates)
	if len(near) == 0 {
		return ""
	}
	for i := range near {
		near[i] = `"` + lead + near[i] + `"`
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// nearest returns the candidates that word may be a slip of the finger for: the
// ones with the fewest slips, three at most. A word of five letters may have two of them,
// and the beginning of a name counts as none.
func nearest(word string, candidates []string) []string {
	var allowed int
	switch n := len(word); {
	case n < 2:
		return nil
	case n < 5:
		allowed = 1
	default:
		allowed = 2
	}
	best, found := allowed, []string(nil)
	for _, c := range candidates {
		d := slips(word, c)
		if len(word) > 2 && strings.HasPrefix(c, word) {
			d = 0
		}
		switch {
		case d > best || d >= len(c):
			continue
		case d < best:
			best, found = d, nil
		}
		if !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	slices.Sort(found)
	return found[:min(len(found), 3)]
}

// slips counts the letters that were left out, put in, mistaken or swapped with
// their neighbour to make b of a: the optimal string alignment distance.
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			mistaken := 1
			if a[i] == b[j] {
				mistaken = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+mistaken)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
