package container

import (
	"context"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// limitTime arranges for the end of a run that takes longer than the container
// may (--timeout). The function that it returns calls that off.
func (s *supervisor) limitTime(ctx context.Context) (stop func()) {
	if s.c.Timeout <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	timer := time.AfterFunc(Seconds(s.c.Timeout), func() {
		defer close(done)
		ctx, cancel := settling(ctx)
		defer cancel()
		// The group knows all processes, also frozen ones. Without one, the end of
		// the payload must do.
		if err := s.groups.Kill(ctx); err != nil {
			_ = s.run.Signal(unix.SIGKILL)
		}
		s.e.emitKill(s.c, unix.SIGKILL)
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// Seconds is a time that a user has given. One of more than 292 years is that
// long: as a negative one it would be over at once, and end what it should wait
// for.
func Seconds(n int) time.Duration {
	return time.Duration(min(int64(n), int64(math.MaxInt64/time.Second))) * time.Second
}
