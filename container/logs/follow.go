package logs

import (
	"context"
	"fmt"
	"time"
)

// follow goes on from the current file, or waits for the first one.
func (r *reader) follow(ctx context.Context) error {
	r.limit = -1
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		timer := time.NewTimer(time.Until(r.o.Until))
		defer timer.Stop()
		until = timer.C
	}
	done := r.o.Done
	for last := false; ; {
		moved, err := r.advance(ctx)
		if err != nil {
			return err
		}
		if moved {
			continue
		}
		if last {
			if r.f != nil {
				r.endFile()
			}
			return nil
		}
		r.o.idle()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.chase.changed:
		case <-done:
			// What was written before the close may have come after the drain
			// above, so go round once more.
			last = true
		case <-until:
			last = true
		}
	}
}

// advance reads what the current file has got and steps to the next file if
// the current one is complete. moved tells that it did.
func (r *reader) advance(ctx context.Context) (moved bool, err error) {
	// Looked up before the drain: a file with a successor is never written to
	// again, so what the drain finds then is all of it.
	next, gap, err := r.chase.next()
	if err != nil {
		return false, err
	}
	if r.f != nil {
		if err := r.drain(ctx); err != nil {
			if next != nil {
				next.Close()
			}
			return false, err
		}
	}
	if next == nil {
		return false, nil
	}
	if r.f != nil {
		r.endFile()
		r.f.Close()
	}
	if gap {
		r.note(fmt.Errorf("read log %s: %w", r.path, ErrRotatedAway))
	}
	r.f = next
	return true, nil
}

// idle tells that nothing more is there for now.
func (o *ReadOptions) idle() {
	if o.Idle != nil {
		o.Idle()
	}
}
