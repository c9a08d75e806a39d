package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/state"
)

// Get returns a container by id, name or unique id prefix. A container whose
// supervisor died is settled first.
func (e *Engine) Get(ctx context.Context, ref string) (*View, error) {
	id, err := e.Resolve(ref)
	if err != nil {
		return nil, err
	}
	v, err := e.view(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &state.NoSuchError{Ref: ref}
	}
	if err != nil {
		return nil, err
	}
	return v, e.LoadSpec(v.Config)
}

// view reads a container's records and judges its state by what the kernel
// says, not by what was written.
func (e *Engine) view(ctx context.Context, id string) (*View, error) { return e.viewOf(ctx, id, true) }

// viewOf is view for one who knows whether there is a live record to read.
func (e *Engine) viewOf(ctx context.Context, id string, started bool) (*View, error) {
	c, err := e.load(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, e.settleUnrecorded(ctx, id))
	}
	if err != nil {
		return nil, err
	}
	var live *Live
	if started {
		live, err = e.loadLive(id)
	}
	if err != nil {
		return nil, err
	}
	if live != nil && (live.Exit == nil || live.Again) {
		if v, err := e.supervised(ctx, c, live); v != nil || err != nil {
			return v, err
		}
	}
	if live != nil && c.AutoRemove && !live.Supervisor.AliveIn(e.self.BootID) {
		// It died between its last word and the removal.
		return nil, errors.Join(fs.ErrNotExist, e.discard(c))
	}
	return e.stoppedView(ctx, c, live)
}

// stoppedView is the view of a container that does not run. live is what its
// last run left, if that could not be put on record.
func (e *Engine) stoppedView(ctx context.Context, c *Config, live *Live) (*View, error) {
	exit, err := e.loadExit(c.ID)
	if err != nil {
		return nil, err
	}
	if live != nil && live.Exit != nil {
		exit = live.Exit
		e.keepExit(ctx, c, live)
	}
	v := &View{Config: c, Exit: exit, Status: Created}
	if exit != nil {
		v.Status = Exited
	}
	v.Health = e.health(v)
	return v, nil
}

// supervised is the view of a container that has a supervisor, or had one: when
// that died, the container is settled, and nil says that it has ended.
func (e *Engine) supervised(ctx context.Context, c *Config, live *Live) (v *View, err error) {
	if live.Supervisor.AliveIn(e.self.BootID) {
		if v = e.runningView(c, live); v.Status == Restarting {
			v.Exit, err = e.endBefore(c.ID, live)
		}
		return v, err
	}
	if err := e.settleLost(ctx, c, live); err != nil {
		return nil, fmt.Errorf("settle container %s: %w", c.ID, err)
	}
	if c.AutoRemove {
		return nil, fs.ErrNotExist
	}
	return nil, nil
}

// keepExit records an end that found the disk full when it came. It is tried at
// every look, and nobody's errand: until it works the live record is kept.
func (e *Engine) keepExit(ctx context.Context, c *Config, seen *Live) {
	if seen.Supervisor.AliveIn(e.self.BootID) {
		return // it is about to
	}
	lock, err := e.lock(ctx, c.ID)
	if err != nil {
		return
	}
	defer unlock(lock)
	live, err := e.loadLive(c.ID)
	if err != nil || live == nil || live.Exit == nil || live.Supervisor != seen.Supervisor {
		return
	}
	if state.WriteJSON(e.exitPath(c.ID), live.Exit, state.Durable) == nil {
		_ = os.Remove(e.livePath(c.ID))
	}
}

// settleUnrecorded clears up after a command that died while it made a
// container. One that is still at it is left alone.
func (e *Engine) settleUnrecorded(ctx context.Context, id string) error {
	live, err := e.loadLive(id)
	if err != nil {
		return err
	}
	if live != nil {
		if live.Supervisor.AliveIn(e.self.BootID) {
			return nil
		}
		return e.settleLost(ctx, &Config{ID: id, Name: live.Name, AutoRemove: true}, live)
	}
	// Not even the first record: the name, which comes before all else, tells
	// whether its maker is still at it.
	name, owner, err := state.ClaimOf(e.Dirs, id)
	if err == nil && owner.AliveIn(e.self.BootID) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The maker may have finished between the looks.
	if _, err := e.load(id); err == nil {
		return nil
	}
	return e.eraseID(id, name)
}

// runningView is the view of a container whose supervisor lives. Before the
// payload has a pid it is still being made.
func (e *Engine) runningView(c *Config, live *Live) *View {
	live.Cgroups = withGroups(live.Cgroups, c)
	v := &View{Config: c, Live: live, Status: Running}
	switch {
	case live.Restarting || live.Again:
		v.Status = Restarting
	case live.Payload.PID == 0 && live.Restarts > 0:
		v.Status = Restarting // it is just beginning again
	case live.Payload.PID == 0:
		v.Status = Created
	case cgroup.IsFrozen(live.Cgroups):
		v.Status = Paused
	}
	v.Health = e.health(v)
	return v
}

// settleLost does what a dead supervisor could not do any more: it ends what
// is left of the payload, records the end with an unknown exit code, and
// clears up. Several processes may come here at once.
func (e *Engine) settleLost(ctx context.Context, c *Config, seen *Live) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	lock, err := e.lock(ctx, c.ID)
	if err != nil {
		return err
	}
	defer unlock(lock)
	live, err := e.loadLive(c.ID)
	if err != nil || live == nil || live.Supervisor != seen.Supervisor {
		return err // somebody else was faster
	}
	if live.Supervisor.BootID == e.self.BootID {
		if err := e.endGroups(ctx, withGroups(live.Cgroups, c), c.ID); err != nil {
			return err
		}
	}
	if live.Exit, err = e.lostExit(c, live); err != nil {
		return err
	}
	waited := live.Restarting || live.Again // and its end was told of
	live.Again = false
	if err := e.finish(c, live); err != nil {
		return err
	}
	if !waited {
		e.emitDie(c, live.Exit)
	}
	if c.AutoRemove {
		return e.discard(c)
	}
	return nil
}

// lostExit is how a run ended whose supervisor died: nobody knows, unless the
// supervisor was waiting before the next one.
func (e *Engine) lostExit(c *Config, live *Live) (*Exit, error) {
	if live.Restarting || live.Again {
		if x, err := e.endBefore(c.ID, live); x != nil || err != nil {
			return x, err
		}
	}
	return &Exit{Error: ErrSupervisorLost.Error(), Started: live.Started, Finished: time.Now().UTC(), Restarts: live.Restarts - live.Asked}, nil
}

// Up reports whether the container counts as running: so does one that is
// paused, or waits for its next run.
func (v *View) Up() bool {
	return v.Status == Running || v.Status == Paused || v.Status == Restarting
}

// RestartCount is how often the monitor has started the container again since
// somebody started it.
func (v *View) RestartCount() int {
	switch {
	case v.Live != nil:
		return v.Live.Restarts - v.Live.Asked
	case v.Exit != nil:
		return v.Exit.Restarts
	}
	return 0
}

// endGroups kills and removes what is left in a container's groups. The
// supervisor may have died before it noted them.
func (e *Engine) endGroups(ctx context.Context, dirs []string, id string) error {
	host, err := cgroup.Detect(e.CgroupParent)
	if err != nil {
		return err
	}
	var m *cgroup.Manager
	if len(dirs) > 0 {
		m, err = cgroup.Open(host, dirs)
	} else {
		m, err = cgroup.Search(host, e.CgroupParent+"/"+id)
	}
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := m.Kill(ctx); err != nil {
		return err
	}
	if err := m.Wait(ctx); err != nil {
		return err
	}
	if err := m.Remove(ctx); err != nil {
		return err
	}
	return e.removeParents(ctx, m)
}

// signalPayload sends a signal to a container's first process, never to one
// that merely has its number.
func signalPayload(live *Live, sig unix.Signal) error {
	return live.Payload.Signal(sig)
}
