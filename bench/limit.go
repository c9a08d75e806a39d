package main

import (
	"context"
	"fmt"
	"strconv"
)

// limitTop is where every search begins; what does not run there never will.
const limitTop = 64 << 20

// searchLimits finds out what a container's start itself needs: it happens in
// the container's own memory group, before the payload has done anything.
func (c *comparison) searchLimits(ctx context.Context) error {
	for _, e := range c.engines {
		c.addLimit(e.name, e.absent, e.floor, func(bytes int64) error {
			_, err := e.run([]string{"--rm", "-m", strconv.FormatInt(bytes, 10)}, "true").output()
			return firstError(ctx.Err(), err)
		})
	}
	for _, r := range c.runtimes {
		reason := r.absent
		if reason == "" {
			reason = r.memory
		}
		c.addLimit(r.name, reason, 1<<10, func(bytes int64) error {
			run, err := r.bundle("limit", bundleOptions{args: []string{"/bin/true"}, filtered: true, memory: bytes})
			if err != nil {
				return err
			}
			_, err = run.output()
			if err != nil {
				// A start that was killed half way leaves its record.
				r.base.with("delete", "--force", "bench-limit").output()
			}
			return firstError(ctx.Err(), err)
		})
	}
	return ctx.Err()
}

func (c *comparison) addLimit(name, absent string, floor int64, try func(int64) error) {
	row := Row{Section: sectionLimit, Name: name, Absent: absent}
	if absent == "" {
		bytes, err := smallestLimit(floor, limitTop, try)
		if err != nil {
			row.Absent = fmt.Sprintf("with %d MiB: %v", limitTop>>20, err)
		}
		row.Bytes = bytes
	}
	c.report.Rows = append(c.report.Rows, row)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
