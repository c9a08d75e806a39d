package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/bundle"
	"berth/cli/option"
)

func eventsCommand() *command {
	return &command{
		name: "events", args: "[OPTIONS] " + idArg, short: "Report what a container uses, and when it runs out of memory",
		about: `Events prints a JSON object a line until the container ends: "stats" at every interval, "oom" when the kernel killed a process of the container for lack of memory. With --stats it prints one object and ends.`,
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			interval, once := 5*time.Second, false
			options := []*option.Option{
				option.Parsed(&interval, time.ParseDuration, "interval", "duration", "Time between two measurements (5s)"),
				switchOption(&once, "stats", "Print one measurement and end"),
			}
			return options, s.with(func(ctx context.Context, b backend, id string) error {
				if interval <= 0 {
					return errors.New("duration interval must be greater than 0")
				}
				state, err := b.State(ctx, id)
				switch {
				case err != nil:
					return err
				case state.Status == "stopped":
					// Callers look for the sentinel's words, people for the id.
					return fmt.Errorf("container with id %s is not running: %w", id, bundle.ErrNotRunning)
				case once:
					return s.printStats(ctx, b, id)
				}
				return s.watch(ctx, b, id, interval)
			})
		},
	}
}

// event is one line of events, named as in runc's types.Event.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data *stats `json:"data,omitempty"`
}

func (s *session) printStats(ctx context.Context, b backend, id string) error {
	measured, err := b.Stats(ctx, id)
	if err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(event{Type: "stats", ID: id, Data: newStats(measured)})
}

// watch reports until the container ends.
func (s *session) watch(ctx context.Context, b backend, id string, interval time.Duration) error {
	kills, err := b.OOM(ctx, id)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, more := <-kills:
			if !more {
				return nil
			}
			if err := json.NewEncoder(s.out).Encode(event{Type: "oom", ID: id}); err != nil {
				return err
			}
		case <-tick.C:
			// The container may end between two looks; kills tells that.
			if err := s.printStats(ctx, b, id); err != nil {
				s.log.warnf("measure container %s: %v", id, err)
			}
		}
	}
}
