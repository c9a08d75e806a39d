package container

import (
	"context"
	"runtime/debug"
	"time"

	"berth/state"
)

// watchHealth probes the container for as long as it runs. The function that it
// returns ends that, and whatever probe is under way.
func (s *supervisor) watchHealth(ctx context.Context) (stop func()) {
	if !s.c.HealthCheck.Probes() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.probeAlways(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// probeAlways runs one probe after the other until the context ends.
func (s *supervisor) probeAlways(ctx context.Context) {
	check := s.c.HealthCheck
	h := s.newHealth()
	for {
		timer := time.NewTimer(check.next(h.Status, time.Since(s.live.Started)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if s.frozen() {
			continue
		}
		r := s.e.runProbe(ctx, s.c, &s.live)
		if ctx.Err() != nil || s.frozen() {
			continue // it says nothing of the container
		}
		// A record that cannot be written is written after the next probe.
		_ = s.e.recordProbe(ctx, s.c, h, r)
		if s.detached {
			// Until the next probe the monitor does nothing: it gives back what
			// the making of a plan took.
			debug.FreeOSMemory()
		}
	}
}

// newHealth begins the record of a run. The results of the last one stay, as
// docker leaves them.
func (s *supervisor) newHealth() *Health {
	h := &Health{Started: s.live.Started, Status: Starting}
	var last Health
	if state.ReadJSON(s.e.healthPath(s.c.ID), &last) == nil {
		h.Log = last.Log
	}
	// Without a record a container that runs is taken to be starting.
	_ = state.WriteJSON(s.e.healthPath(s.c.ID), h, state.Fast)
	return h
}

// frozen tells whether the container is paused: then a probe would only time
// out.
func (s *supervisor) frozen() bool {
	frozen, err := s.groups.Frozen()
	return err == nil && frozen
}
