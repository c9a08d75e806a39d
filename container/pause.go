package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/state"
)

// Errors of paused containers.
var (
	// ErrPaused is a container that an operation needs not to be paused.
	ErrPaused = errors.New("is paused")
	// ErrNotPaused is a container that was to be woken and is not paused.
	ErrNotPaused = errors.New("is not paused")
)

// Pause stops every process of a running container where it is, by the
// kernel's freezer: no record tells of it, so it ends with the group.
func (e *Engine) Pause(ctx context.Context, ref string) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	switch v.Status {
	case Running:
	case Paused:
		return fmt.Errorf("container %s is already paused", v.ID)
	case Restarting:
		return v.waits()
	default:
		return fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
	}
	if _, err := e.freeze(ctx, v.ID); err != nil {
		if gone(err) {
			return fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
		}
		return fmt.Errorf("cannot pause container %s: %w", v.ID, err)
	}
	e.emit(v.Config, "pause")
	return nil
}

// freeze freezes the groups of a container's present run and returns them. It
// holds the lock, without which no run begins, and waits for the payload: the
// first process of a run whose groups are frozen already would be born frozen,
// and its supervisor, which waits for its execve, could neither start it nor
// end it any more.
func (e *Engine) freeze(ctx context.Context, id string) (*cgroup.Manager, error) {
	// Not Engine.lock: that would make the folder of a container that is gone.
	lock, err := state.Lock(ctx, e.lockPath(id))
	if err != nil {
		return nil, err
	}
	defer unlock(lock)
	live, err := e.awaitPayload(ctx, id)
	if err != nil {
		return nil, err
	}
	if live == nil || live.Payload.PID == 0 {
		return nil, fmt.Errorf("container %s has no process: %w", id, fs.ErrNotExist)
	}
	m, err := groups(live.Cgroups)
	if err != nil {
		return nil, err
	}
	return m, m.Freeze(ctx)
}

// Unpause lets a paused container go on.
func (e *Engine) Unpause(ctx context.Context, ref string) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	if v.Status != Paused {
		return fmt.Errorf("container %s %w", v.ID, ErrNotPaused)
	}
	if err := thaw(ctx, v); err != nil {
		return fmt.Errorf("cannot unpause container %s: %w", v.ID, err)
	}
	e.emit(v.Config, "unpause")
	return nil
}

// thaw lets a container go on that is to end: frozen processes of v1 take no
// signal, and those of v2 none but SIGKILL. One that is gone needs no more.
func thaw(ctx context.Context, v *View) error {
	if v.Status != Paused {
		return nil
	}
	m, err := groups(v.Live.Cgroups)
	if err == nil {
		err = m.Thaw(ctx)
	}
	if gone(err) {
		return nil
	}
	return err
}

// gone tells that an error is about a group that its container took along.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
