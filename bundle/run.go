package bundle

import (
	"context"
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
	ctx, m.signals = interruptible(ctx)
	defer m.signals.close()
	if err := m.make(ctx); err != nil {
		m.notifier.close()
		return 0, m.signals.explain(err)
	}
	defer m.folder.close()
	defer m.run.Close()
	n := m.notifier
	if err := m.launch(ctx); err != nil {
		n.close()
		return 0, m.takeBack(ctx, err)
	}
	if o.Detach {
		defer n.close()
		return 0, n.wait(ctx, m.rec.Payload)
	}
	n.serve(os.Getpid())
	code, err := wait(m.run, m.terminal(), o.Stdio, m.signals.signals)
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
	ours, err := m.folder.retake(ctx)
	if err != nil || !ours {
		return err // who has deleted it has run its hooks, too
	}
	if !ownPIDs(m.conf.spec) || m.scope != "" || m.resctrl != nil {
		err = m.r.clear(ctx, m.rec)
	} else {
		err = m.removeEnded(ctx)
	}
	m.r.poststop(ctx, m.rec, m.conf.spec)
	return err
}

// removeEnded removes a container whose processes the kernel has ended with the
// first one.
func (m *maker) removeEnded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := m.groups.Remove(ctx); err != nil {
		return err
	}
	return m.r.removeFolder(m.id)
}

// launch runs the hooks of a start, around the opening of the gate if the
// payload waits at one.
func (m *maker) launch(ctx context.Context) error {
	if m.gated {
		if err := m.r.letGo(ctx, m.rec, m.conf.spec); err != nil {
			return err
		}
		if err := m.signals.release(); err != nil {
			return err
		}
	}
	m.folder.unlock()
	if m.background {
		m.signals.end()
	}
	m.r.poststart(ctx, m.rec, m.conf.spec)
	return nil
}

// wait waits for a program in the foreground and returns its exit status, as
// shells know it.
func wait(run *nsenter.Run, terminal int, stdio container.Stdio, signals chan os.Signal) (int, error) {
	finish, err := accompany(run, terminal, stdio, signals)
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
