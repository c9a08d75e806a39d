package container

import (
	"context"
	"path"

	"berth/cgroup"
	"berth/state"
)

// The groups that --cgroup-parent names are made when the first container needs
// them and removed with the last one. One that is being started must not lose
// them in between.

func (e *Engine) parentsPath() string { return path.Join(e.Dirs.Run, "parents.lock") }

// holdParents keeps the parents of the container's groups while it is started.
// The function that it returns lets go of them. A lock that cannot be had costs
// a start that fails at worst.
func (s *supervisor) holdParents(ctx context.Context) (release func()) {
	if s.c.Spec.Linux.CgroupsPath == "" {
		return func() {}
	}
	ctx, cancel := settling(ctx)
	defer cancel()
	lock, err := state.RLock(ctx, s.e.parentsPath())
	if err != nil {
		return func() {}
	}
	return func() { unlock(lock) }
}

// removeParents removes the parents of groups that are gone.
func (e *Engine) removeParents(ctx context.Context, m *cgroup.Manager) error {
	if !m.MarkedParents() {
		return nil
	}
	lock, err := state.Lock(ctx, e.parentsPath())
	if err != nil {
		return err
	}
	defer unlock(lock)
	return m.RemoveParents()
}
