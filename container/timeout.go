package container

import (
	"context"
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
	timer := time.AfterFunc(time.Duration(s.c.Timeout)*time.Second, func() {
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
