package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/state"
	"berth/systemd"
)

// Kill sends a signal to the container's first process, or, with all, to every
// one of its processes.
func (r *Runtime) Kill(ctx context.Context, id string, sig unix.Signal, all bool) error {
	c, err := r.load(id)
	if err != nil {
		return err
	}
	status, err := r.status(c)
	if err != nil {
		return err
	}
	if all {
		return r.signalAll(ctx, c, sig)
	}
	if status == stopped || status == creating {
		return fmt.Errorf("%w: %s", ErrNotRunning, status)
	}
	err = c.Payload.Signal(sig)
	if errors.Is(err, state.ErrProcessGone) || errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal container %s: %w", id, err)
	}
	if sig != unix.SIGKILL {
		return nil
	}
	return r.finishKill(ctx, c, status)
}

// finishKill has a SIGKILL reach everybody: a frozen v1 group holds it back,
// and without a PID namespace of its own the container's other processes would
// live on, where the kernel does not end them with the first one.
func (r *Runtime) finishKill(ctx context.Context, c *record, status string) error {
	groups, err := r.groups(c)
	if err != nil {
		return err
	}
	spec, err := r.Spec(c.ID)
	if err == nil && !ownPIDs(spec) {
		if err := groups.Kill(ctx); err != nil {
			return fmt.Errorf("kill processes of container %s: %w", c.ID, err)
		}
	}
	if status != paused {
		return nil
	}
	// A frozen v2 group lets its processes die, and whoever reaps them or
	// systemd may have removed it by now.
	if err := groups.Thaw(ctx); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// ownPIDs reports whether a container has a PID namespace of its own.
func ownPIDs(s *specs.Spec) bool {
	return s.Linux != nil && slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

// signalAll signals every process of the container.
func (r *Runtime) signalAll(ctx context.Context, c *record, sig unix.Signal) error {
	groups, err := r.groups(c)
	if err != nil {
		return err
	}
	if sig == unix.SIGKILL {
		err = groups.Kill(ctx)
	} else {
		err = groups.Signal(ctx, sig)
	}
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return nil // nothing is left that could be signalled
	}
	if err != nil {
		return fmt.Errorf("signal processes of container %s: %w", c.ID, err)
	}
	return nil
}

// Delete removes a container that has ended, or was never started. With force
// it ends one that runs, and a container that does not exist is no error.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) error {
	if err := checkID(id); err != nil {
		return err
	}
	if force {
		r.hasten(id)
	}
	folder, err := r.takeFolder(ctx, id, force)
	switch {
	case errors.Is(err, fs.ErrNotExist) && force:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", ErrNotExist, id)
	case err != nil:
		return err
	}
	defer folder.close()
	return r.remove(ctx, id, force)
}

// remove deletes a container whose folder is this process's.
func (r *Runtime) remove(ctx context.Context, id string, force bool) error {
	c, unlock, err := r.locked(ctx, id)
	if errors.Is(err, ErrNotExist) && force {
		return state.RemoveTree(r.dir(id))
	}
	if err != nil {
		return err
	}
	defer unlock()
	status, err := r.status(c)
	if err != nil && !force {
		return err
	}
	if status != stopped && status != created && !force {
		return notStopped(id, status)
	}
	spec, specErr := r.Spec(id)
	if err := r.clear(ctx, c); err != nil {
		return err
	}
	// The hooks come once everything is gone (runtime-spec, runtime.md,
	// "Lifecycle"); a broken record has none to offer.
	if specErr == nil {
		r.poststop(ctx, c, spec)
	}
	return nil
}

func notStopped(id, status string) error {
	return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
}

// hasten ends a container's first process before the lock is asked for: a start
// holds it as long as hooks of the image run, and they end with that process.
func (r *Runtime) hasten(id string) {
	if c, err := r.load(id); err == nil && c.Payload.PID != 0 {
		_ = c.Payload.Signal(unix.SIGKILL) // what goes wrong shows once the lock is held
	}
}

// killAll ends every process of a container and waits for that.
func (r *Runtime) killAll(ctx context.Context, c *record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := c.Payload.Signal(unix.SIGKILL); err != nil && !errors.Is(err, state.ErrProcessGone) {
		return err
	}
	if r.ended(c) {
		return nil
	}
	groups, err := r.groups(c)
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := groups.Kill(ctx); err != nil && !errors.Is(err, cgroup.ErrNoCgroup) {
		return err
	}
	if err := groups.Wait(ctx); err != nil && !errors.Is(err, cgroup.ErrNoCgroup) {
		return err
	}
	return nil
}

// ended reports whether a container has no process left for sure: the kernel
// ends all of a PID namespace with its first one. Whoever is in its group by
// now is another container, which came later and must live.
func (r *Runtime) ended(c *record) bool {
	spec, err := r.Spec(c.ID)
	return err == nil && ownPIDs(spec) && c.Payload.PID != 0 && !c.Payload.Alive()
}

// clear ends what runs of a container and removes everything that is its own.
func (r *Runtime) clear(ctx context.Context, c *record) error {
	if err := r.killAll(ctx, c); err != nil {
		return fmt.Errorf("end container %s: %w", c.ID, err)
	}
	if err := r.removeGroups(ctx, c); err != nil {
		return err
	}
	return r.removeFolder(c.ID)
}

// removeGroups removes the container's groups of every kind.
func (r *Runtime) removeGroups(ctx context.Context, c *record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if c.Scope != "" {
		if err := systemd.Stop(ctx, c.Scope); err != nil && !errors.Is(err, systemd.ErrNotBooted) {
			return fmt.Errorf("stop scope of container %s: %w", c.ID, err)
		}
	}
	if err := r.leaveResctrl(c.ID); err != nil {
		return err
	}
	groups, err := r.groups(c)
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := groups.Remove(ctx); err != nil {
		return fmt.Errorf("remove cgroups of container %s: %w", c.ID, err)
	}
	return nil
}

// removeFolder removes a container's folder: the few files that are known, and
// if there is more, all of it.
func (r *Runtime) removeFolder(id string) error {
	for _, name := range []string{r.gatePath(id), r.planPath(id), r.configPath(id), r.dir(id) + "/lock", r.statePath(id)} {
		if err := unix.Unlink(name); err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove container %s: unlink %s: %w", id, name, err)
		}
	}
	err := unix.Rmdir(r.dir(id))
	if err == nil || err == unix.ENOENT {
		return nil
	}
	return state.RemoveTree(r.dir(id))
}
