package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// warmUp rounds run first and do not count: page cache, dentries, filters that
// berth and crun keep compiled.
const warmUp = 3

// measure runs all contenders once a round, each round in another order, and
// returns the times by contender. A command that fails even once ends the
// measurement: it would look fast.
func measure(ctx context.Context, list []contender, rounds int, seed int64, progress func(done, all int)) ([][]time.Duration, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	times := make([][]time.Duration, len(list))
	for i, order := range schedule(seed, warmUp+rounds, len(list)) {
		progress(i, warmUp+rounds)
		for _, k := range order {
			c := list[k]
			if c.absent != "" {
				continue
			}
			r := c.run(null.Fd())
			if r.err != nil {
				return nil, fmt.Errorf("%s in round %d: %w", c.name, i, r.err)
			}
			if i >= warmUp {
				times[k] = append(times[k], r.wall)
			}
			time.Sleep(c.settle)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return times, nil
}

// run makes one measurement: all of the contender's commands, one after
// another, up to the first that fails.
func (c contender) run(null uintptr) timedRun {
	var sum timedRun
	for _, cmd := range append([]command{c.command}, c.then...) {
		r := cmd.run(null)
		if r.err == nil && r.code != 0 {
			r.err = fmt.Errorf("exit code %d", r.code)
		}
		if r.err != nil && len(c.then) > 0 {
			r.err = fmt.Errorf("%s: %w", cmd, r.err)
		}
		sum.wall, sum.code, sum.err = sum.wall+r.wall, r.code, r.err
		if sum.err != nil {
			break
		}
	}
	return sum
}

// check runs every contender once, before anything is timed, and turns one that
// fails into a row with the reason.
func check(list []contender) {
	for i := range list {
		if list[i].absent != "" {
			continue
		}
		for _, cmd := range append([]command{list[i].command}, list[i].then...) {
			if _, err := cmd.output(); err != nil {
				list[i].absent = err.Error()
				break
			}
		}
	}
}

// limitTries is how often true must run under a limit for it to count: what
// fits once may not fit the next time.
const limitTries = 5

// smallestLimit is the smallest memory limit, to 64 KiB, under which try works
// every time. It needs try to work at the top.
func smallestLimit(floor, top int64, try func(bytes int64) error) (int64, error) {
	const grain = 64 << 10
	works := func(bytes int64) error {
		for range limitTries {
			if err := try(bytes); err != nil {
				return err
			}
		}
		return nil
	}
	if err := works(top); err != nil {
		return 0, err
	}
	low, high := (floor-1)/grain, top/grain
	for high-low > 1 {
		middle := (low + high) / 2
		if works(middle*grain) == nil {
			high = middle
		} else {
			low = middle
		}
	}
	return high * grain, nil
}

// privateDirty is the memory that belongs to one process alone and cannot be
// dropped, in bytes: smaps_rollup's Private_Dirty (proc(5)).
func privateDirty(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parsePrivateDirty(string(text))
}

func parsePrivateDirty(rollup string) (int64, error) {
	_, rest, found := strings.Cut(rollup, "\nPrivate_Dirty:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); !found || err != nil {
		return 0, fmt.Errorf("parse smaps_rollup: no Private_Dirty in %q", rollup)
	}
	return kib << 10, nil
}
