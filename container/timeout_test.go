package container

import (
	"math"
	"testing"
	"time"
)

// TestPatience holds that a container gets the time it was given, however long
// that is.
func TestPatience(t *testing.T) {
	of := func(n int) *int { return &n }
	for _, c := range []struct {
		name      string
		own, told *int
		atLeast   time.Duration
	}{
		{"docker's default", nil, nil, 9 * time.Second},
		{"the container's own", of(100), nil, 99 * time.Second},
		{"the command's", of(1), of(200), 199 * time.Second},
		{"the most that counts", nil, of(math.MaxInt64 / int(time.Second)), 100 * 365 * 24 * time.Hour},
		{"one second more", nil, of(math.MaxInt64/int(time.Second) + 1), 100 * 365 * 24 * time.Hour},
		{"the largest number", of(math.MaxInt), nil, 100 * 365 * 24 * time.Hour},
		{"for ever", of(1), of(-1), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &View{Config: &Config{StopTimeout: c.own}}
			ctx, cancel := v.patience(t.Context(), c.told)
			defer cancel()
			end, limited := ctx.Deadline()
			if limited != (c.atLeast > 0) || limited && time.Until(end) < c.atLeast || ctx.Err() != nil {
				t.Errorf("until %v (%t), %v; want at least %v", end, limited, ctx.Err(), c.atLeast)
			}
		})
	}
}
