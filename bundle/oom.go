package bundle

import (
	"context"
	"time"
)

// oomInterval is how often OOM looks at the counter and at the container.
const oomInterval = 200 * time.Millisecond

// OOM tells of every time that the kernel has killed a process of the
// container for lack of memory. The channel closes when the container has
// ended or the context has.
func (r *Runtime) OOM(ctx context.Context, id string) (<-chan struct{}, error) {
	c, groups, _, err := r.live(id)
	if err != nil {
		return nil, err
	}
	seen, err := groups.OOMKilled(ctx)
	if err != nil {
		return nil, err
	}
	events := make(chan struct{})
	go func() {
		defer close(events)
		for alive := true; alive && ctx.Err() == nil; {
			alive = c.Payload.Alive()
			// What cannot be read any more has been removed: the end.
			n, err := groups.OOMKilled(ctx)
			if err != nil {
				return
			}
			for ; seen < n; seen++ {
				select {
				case events <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			time.Sleep(oomInterval)
		}
	}()
	return events, nil
}
