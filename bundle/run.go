package bundle

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"berth/container"
	"berth/nsenter"
)

// Run makes a container, starts it, and, unless it is detached, waits for its
// end and deletes it. The code is the payload's exit status.
func (r *Runtime) Run(ctx context.Context, id string, o RunOptions) (int, error) {
	if !o.Detach && !o.NoSubreaper {
		if err := adoptOrphans(); err != nil {
			return 0, err
		}
	}
	m := &maker{r: r, id: id, o: o.CreateOptions, background: o.Detach, starts: true}
	if err := m.make(ctx); err != nil {
		m.notifier.close()
		return 0, err
	}
	defer m.run.Close()
	n := m.notifier
	if err := m.launch(ctx); err != nil {
		n.close()
		return 0, errors.Join(err, m.undo(ctx, err))
	}
	if o.Detach {
		defer n.close()
		return 0, n.wait(ctx, m.rec.Payload)
	}
	n.serve(os.Getpid())
	code, err := wait(m.run, m.terminal(), o.Stdio)
	n.close()
	if o.Keep {
		return code, err
	}
	if left := m.finish(ctx); left != nil {
		// The program's own status is what the caller waits for.
		r.Warn("delete container %s: %v", id, left)
	}
	return code, err
}

// finish deletes a container whose payload this process has seen end: much of
// what Delete asks is known.
func (m *maker) finish(ctx context.Context) error {
	if !ownPIDs(m.conf.spec) || m.scope != "" || m.resctrl != nil {
		return m.r.Delete(ctx, m.id, true)
	}
	// The kernel has ended all processes with the first one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	err := m.groups.Remove(ctx)
	if err == nil {
		err = m.r.removeFolder(m.id)
	}
	m.r.poststop(ctx, m.rec, m.conf.spec)
	return err
}

// launch runs the hooks of a start, around the opening of the gate if the
// payload waits at one.
func (m *maker) launch(ctx context.Context) error {
	if m.gated {
		return m.r.letGo(ctx, m.rec, m.conf.spec)
	}
	m.r.poststart(ctx, m.rec, m.conf.spec)
	return nil
}

// wait waits for a program in the foreground and returns its exit status, as
// shells know it.
func wait(run *nsenter.Run, terminal int, stdio container.Stdio) (int, error) {
	finish, err := accompany(run, terminal, stdio)
	if err != nil {
		_ = run.Signal(unix.SIGKILL)
		_, _ = run.Wait()
		return 0, err
	}
	status, err := run.Wait()
	finish()
	if err != nil {
		return 0, err
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}
