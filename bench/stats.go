package main

import (
	"math/rand"
	"slices"
	"time"
)

// Summary is what is said about one row's times, in milliseconds.
type Summary struct {
	Runs   int     `json:"runs"`
	Min    float64 `json:"min_ms"`
	Median float64 `json:"median_ms"`
	P90    float64 `json:"p90_ms"`
}

// summarize leaves its argument as it is. No times give the zero Summary.
func summarize(times []time.Duration) Summary {
	if len(times) == 0 {
		return Summary{}
	}
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	n := len(sorted)
	// The mean of the two in the middle; of an odd count both are the same.
	median := (sorted[(n-1)/2] + sorted[n/2]) / 2
	return Summary{Runs: n, Min: millis(sorted[0]), Median: millis(median), P90: millis(rank(sorted, 90))}
}

// rank is the nearest-rank percentile: the smallest time that at least percent
// of all times do not exceed.
func rank(sorted []time.Duration, percent int) time.Duration {
	n := (len(sorted)*percent + 99) / 100
	return sorted[max(n, 1)-1]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratio is how many times as long as the base something takes, by medians, or
// 0 when one of them was not measured.
func ratio(s, base Summary) float64 {
	if s.Runs == 0 || base.Runs == 0 || base.Median == 0 {
		return 0
	}
	return s.Median / base.Median
}

// schedule returns, for each round, the order in which n commands run. Every
// command runs once a round, so what disturbs the machine for a second disturbs
// all of them, and the order differs from round to round, so none always runs in
// another's wake. The same seed gives the same schedule.
func schedule(seed int64, rounds, n int) [][]int {
	source := rand.New(rand.NewSource(seed))
	all := make([][]int, rounds)
	for i := range all {
		all[i] = source.Perm(n)
	}
	return all
}
