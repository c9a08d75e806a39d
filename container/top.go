package container

import (
	"context"
	"fmt"

	"berth/container/top"
)

// Processes returns what runs in a container, as the host sees it: the programs
// of exec too. Nothing is run in the container for it.
func (e *Engine) Processes(ctx context.Context, ref string) ([]top.Process, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if v.Live == nil || !v.Up() {
		return nil, fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
	}
	m, err := groups(v.Live.Cgroups)
	if err != nil {
		return nil, fmt.Errorf("list processes of container %s: %w", v.ID, err)
	}
	pids, err := m.Procs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes of container %s: %w", v.ID, err)
	}
	list, err := top.Read(pids)
	if err != nil {
		return nil, fmt.Errorf("list processes of container %s: %w", v.ID, err)
	}
	return list, nil
}
