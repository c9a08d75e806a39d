package container

import "context"

// watchOOM tells of processes that the kernel kills for lack of memory, at the
// moment it does: the payload may well live on without them. Only a container
// that can meet a limit of its own, and has a monitor to watch, is watched; for
// others, settle tells of a payload's end. The function that it returns ends the
// watch.
func (s *supervisor) watchOOM(ctx context.Context) (end func()) {
	s.oomTold = 0
	r := s.c.Spec.Linux.Resources
	if !s.detached || r == nil || r.Memory == nil || r.Memory.Limit == nil || *r.Memory.Limit <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	kills, err := s.groups.OOMEvents(ctx)
	if err != nil {
		// No instance of inotify is left, or there is no memory controller.
		return cancel
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range kills {
			s.e.emit(s.c, "oom")
			s.oomTold++
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// oomKilled asks the group before it is removed whether the payload, which ended
// with code, can have met the limit: only one that was killed or failed can. What
// the watch has not told of is told now.
func (s *supervisor) oomKilled(ctx context.Context, code int) bool {
	if code == 0 {
		return false
	}
	ctx, cancel := settling(ctx)
	defer cancel()
	n, err := s.groups.OOMKilled(ctx)
	if err != nil || n == 0 {
		return false
	}
	if n > s.oomTold {
		s.e.emit(s.c, "oom")
	}
	return true
}
