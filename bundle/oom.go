package bundle

import "context"

// OOM tells of every time that the kernel kills a process of the container for
// lack of memory. The channel closes when the container has ended, or the
// context has.
func (r *Runtime) OOM(ctx context.Context, id string) (<-chan struct{}, error) {
	_, groups, _, err := r.live(id)
	if err != nil {
		return nil, err
	}
	return groups.OOMEvents(ctx)
}
