package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"berth/cgroup"
)

// takeBack undoes a creation that cause has ended, and says why it did.
func (m *maker) takeBack(ctx context.Context, cause error) error {
	err := errors.Join(m.signals.explain(cause), m.undo(ctx, cause))
	m.folder.close()
	return err
}

// undo takes back what make has done until cause ended it.
func (m *maker) undo(ctx context.Context, cause error) error {
	spawned := m.run != nil && m.run.Pid() > 0
	if m.run != nil {
		// ESRCH is a payload that has ended, or that never was.
		if err := m.run.Signal(unix.SIGKILL); err == nil {
			_, _ = m.run.Wait()
		}
		m.run.Close()
	}
	if spawned && (m.scope == "" || m.scoped) {
		return m.r.clear(ctx, m.rec)
	}
	// No process of ours has ever been in the group: whoever is in it now
	// belongs to another container, and must live.
	if m.scope == "" && !errors.Is(cause, cgroup.ErrBusy) && !errors.Is(cause, unix.EEXIST) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), emptyTime)
		defer cancel()
		_ = m.groups.Remove(ctx) // what does not go is not empty
	}
	return m.r.removeFolder(m.id)
}

// emptyTime bounds the removal of groups that should be empty.
const emptyTime = 100 * time.Millisecond

// checkVacant refuses groups that have processes already. From here on the
// record names them, and whoever deletes the container kills what is in them.
func (m *maker) checkVacant(ctx context.Context) error {
	pids, err := m.groups.Procs(ctx)
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		if err := m.r.checkFree(m.id); err != nil {
			return err // another creator of this id was quicker, and they are its
		}
		return fmt.Errorf("linux.cgroupsPath: process %d is in the group %s: %w", pids[0], m.groups.Dirs()[0], cgroup.ErrBusy)
	}
	return nil
}
