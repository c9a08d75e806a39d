package main

import (
	"slices"
	"testing"
	"time"
)

func ms(values ...float64) []time.Duration {
	var out []time.Duration
	for _, v := range values {
		out = append(out, time.Duration(v*float64(time.Millisecond)))
	}
	return out
}

func TestSummarize(t *testing.T) {
	tests := map[string]struct {
		times []time.Duration
		want  Summary
	}{
		"nothing":         {nil, Summary{}},
		"one":             {ms(3), Summary{1, 3, 3, 3}},
		"even":            {ms(4, 1, 3, 2), Summary{4, 1, 2.5, 4}},
		"odd":             {ms(9, 1, 5), Summary{3, 1, 5, 9}},
		"p90 of ten":      {ms(10, 9, 8, 7, 6, 5, 4, 3, 2, 1), Summary{10, 1, 5.5, 9}},
		"p90 of eleven":   {ms(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1), Summary{11, 1, 6, 10}},
		"one outlier":     {ms(1, 1, 1, 1, 1, 1, 1, 1, 1, 900), Summary{10, 1, 1, 1}},
		"fractions of ms": {ms(0.5, 0.25), Summary{2, 0.25, 0.375, 0.5}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.times)
			if got := summarize(test.times); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if !slices.Equal(before, test.times) {
				t.Error("the argument was sorted")
			}
		})
	}
}

func TestRatio(t *testing.T) {
	base := summarize(ms(2, 2, 2))
	if got := ratio(summarize(ms(3, 5, 7)), base); got != 2.5 {
		t.Errorf("got %v, want 2.5", got)
	}
	if got := ratio(Summary{}, base); got != 0 {
		t.Errorf("ratio of nothing: got %v", got)
	}
	if got := ratio(base, Summary{}); got != 0 {
		t.Errorf("ratio to nothing: got %v", got)
	}
}

func TestSchedule(t *testing.T) {
	const rounds, n = 200, 7
	plan := schedule(1, rounds, n)
	first := map[int]int{}
	for i, order := range plan {
		first[order[0]]++
		sorted := slices.Sorted(slices.Values(order))
		for want, got := range sorted {
			if got != want {
				t.Fatalf("round %d is no permutation: %v", i, order)
			}
		}
	}
	for command := range n {
		if first[command] < rounds/n/3 {
			t.Errorf("command %d came first %d times of %d", command, first[command], rounds)
		}
	}
	again := schedule(1, rounds, n)
	for i := range plan {
		if !slices.Equal(plan[i], again[i]) {
			t.Fatalf("round %d differs with the same seed", i)
		}
	}
	other, differs := schedule(2, rounds, n), false
	for i := range plan {
		differs = differs || !slices.Equal(plan[i], other[i])
	}
	if !differs {
		t.Error("another seed gave the same schedule")
	}
}
