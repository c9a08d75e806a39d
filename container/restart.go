package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/state"
)

// errRestarting is a container that an operation needs stopped.
var errRestarting = errors.New("container is restarting")

// waits is the refusal of what needs a container to run that will in a moment.
func (v *View) waits() error {
	return fmt.Errorf("container %s is restarting, wait until the container is running", v.ID)
}

// Restart stops a container, as [Engine.Stop] does, and starts it again. One
// that does not run is started.
func (e *Engine) Restart(ctx context.Context, ref string, timeout *int, signal string) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	if v.AutoRemove && v.Live != nil {
		err = e.rerun(ctx, v, timeout, signal)
	} else if err = e.Stop(ctx, v.ID, timeout, signal); err == nil {
		err = e.Start(ctx, v.ID)
	}
	var start *StartError
	if errors.As(err, &start) {
		return err
	}
	if err != nil {
		return fmt.Errorf("cannot restart container %s: %w", ref, err)
	}
	e.emit(v.Config, "restart")
	return nil
}

// rerun restarts a container that removes itself when its monitor ends: the
// monitor goes on with another run.
func (e *Engine) rerun(ctx context.Context, v *View, timeout *int, signal string) error {
	if !v.Live.Attach {
		return errors.New("it runs in the foreground of another command, and removes itself")
	}
	sig, err := v.stopSignal(signal)
	if err != nil {
		return err
	}
	if _, err := e.tellMonitor(ctx, v, hurried); err != nil {
		return err
	}
	if err := signalPayload(v.Live, sig); err != nil && !errors.Is(err, state.ErrProcessGone) {
		return err
	}
	e.emitKill(v.Config, sig)
	if err := thaw(ctx, v); err != nil {
		return err
	}
	wait, cancel := v.patience(ctx, timeout)
	defer cancel()
	if _, err = e.awaitRun(wait, v); err != nil && ctx.Err() == nil {
		if err = e.killAll(ctx, v); err == nil {
			_, err = e.awaitRun(ctx, v)
		}
	}
	if err != nil {
		return err
	}
	return e.awaitStart(ctx, v)
}

// patience is a context for the time that a container has to follow its stop
// signal.
func (v *View) patience(ctx context.Context, timeout *int) (context.Context, context.CancelFunc) {
	n := defaultStopTimeout
	for _, t := range []*int{v.StopTimeout, timeout} {
		if t != nil {
			n = *t
		}
	}
	if n < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, Seconds(n))
}

// hurry begins the next run of a container that waits for it. It reports
// whether that has begun: somebody may have stopped the container.
func (e *Engine) hurry(ctx context.Context, v *View) (began bool, err error) {
	if err := e.wakeMonitor(ctx, v.ID); err != nil {
		return false, err
	}
	err = e.awaitStart(ctx, v)
	if errors.Is(err, ErrNotRunning) {
		return false, nil
	}
	return err == nil, err
}

// wakeMonitor asks for the next run at once, if the monitor waits for it and
// nobody has called that off. A wish that came when the run has begun would
// count for the one after it.
func (e *Engine) wakeMonitor(ctx context.Context, id string) error {
	lock, err := e.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock(lock)
	live, err := e.loadLive(id)
	if err != nil || live == nil || !live.Restarting || e.wishes(id)&halted != 0 {
		return err
	}
	return e.wish(id, hurried)
}

// awaitStart waits for the next run of a container whose monitor is about to
// begin it: that of the view's number when it has no payload yet, else the one
// after it. It may have ended by now.
func (e *Engine) awaitStart(ctx context.Context, v *View) error {
	next := v.Live.Restarts
	if v.Live.Payload.PID != 0 {
		next++
	}
	for {
		live, err := e.loadLive(v.ID)
		switch {
		case err != nil:
			return err
		case live == nil || !live.Supervisor.Alive():
			return e.notStarted(v)
		case live.Restarts > next || live.Restarts == next && live.Payload.PID != 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// notStarted is why a run did not come to be.
func (e *Engine) notStarted(v *View) error {
	if x, err := e.loadExit(v.ID); err == nil && x != nil && x.Error != "" && x.Code != nil {
		return &StartError{Code: *x.Code, Err: errors.New(x.Error)}
	}
	return fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
}
