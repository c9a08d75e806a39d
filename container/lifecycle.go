package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/state"
)

// defaultStopTimeout is how many seconds a payload has to follow its stop
// signal, docker's.
const defaultStopTimeout = 10

// Kill sends a signal to the container's first process.
func (e *Engine) Kill(ctx context.Context, ref string, sig unix.Signal) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	switch v.Status {
	case Running, Paused, Restarting:
	default:
		return fmt.Errorf("cannot kill container: %s: container %s %w", ref, v.ID, ErrNotRunning)
	}
	if v.ends(sig) {
		if err := e.halt(ctx, v); err != nil {
			return err
		}
	}
	if v.Status == Restarting {
		return nil // there is nobody to signal; what ends the container has ended its policy
	}
	err = signalPayload(v.Live, sig)
	if errors.Is(err, state.ErrProcessGone) {
		return fmt.Errorf("cannot kill container: %s: container %s %w", ref, v.ID, ErrNotRunning)
	}
	if err != nil {
		return err
	}
	e.emitKill(v.Config, sig)
	if !v.ends(sig) {
		return nil
	}
	return thaw(ctx, v)
}

// ends tells whether a signal is one that the container is to end by.
func (v *View) ends(sig unix.Signal) bool {
	stop, err := v.stopSignal("")
	return sig == unix.SIGKILL || err == nil && sig == stop
}

// stopSignal is the signal that asks the payload to end, unless asked names
// another one.
func (v *View) stopSignal(asked string) (unix.Signal, error) {
	if asked == "" {
		asked = v.StopSignal
	}
	if asked == "" {
		return unix.SIGTERM, nil
	}
	return ParseSignal(asked)
}

// Stop asks the payload to end and kills it when it has not after timeout
// seconds (nil for the container's own; negative for ever). signal overrides
// the container's stop signal. Stopping what does not run is no error.
func (e *Engine) Stop(ctx context.Context, ref string, timeout *int, signal string) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	if v.Live == nil {
		return nil
	}
	sig, err := v.stopSignal(signal)
	if err != nil {
		return err
	}
	if err := e.halt(ctx, v); err != nil {
		return err
	}
	err = signalPayload(v.Live, sig)
	if err != nil && !errors.Is(err, state.ErrProcessGone) {
		return err
	}
	if err == nil {
		e.emitKill(v.Config, sig)
	}
	if err := thaw(ctx, v); err != nil {
		return err
	}
	if err := e.stopped(ctx, v, timeout); err != nil {
		return err
	}
	e.emit(v.Config, "stop")
	return nil
}

// stopped waits for the end of a container that was asked to stop, and insists
// after its time.
func (e *Engine) stopped(ctx context.Context, v *View, timeout *int) error {
	wait, cancel := v.patience(ctx, timeout)
	defer cancel()
	err := waitSupervisor(wait, v.Live)
	if err == nil {
		return e.settled(ctx, v.ID)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.forceStop(ctx, v)
}

// forceStop kills every process of the container and waits for its end.
func (e *Engine) forceStop(ctx context.Context, v *View) error {
	if err := e.halt(ctx, v); err != nil {
		return err
	}
	if v.Status != Restarting {
		if err := e.killAll(ctx, v); err != nil {
			return err
		}
	}
	limit, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := waitSupervisor(limit, v.Live); err != nil {
		return fmt.Errorf("wait for the end of container %s: %w", v.ID, err)
	}
	return e.settled(ctx, v.ID)
}

// killAll kills every process of a run.
func (e *Engine) killAll(ctx context.Context, v *View) error {
	m, err := groups(v.Live.Cgroups)
	if err == nil {
		err = m.Kill(ctx)
	}
	if err != nil {
		if kill := signalPayload(v.Live, unix.SIGKILL); kill != nil && !errors.Is(kill, state.ErrProcessGone) {
			return errors.Join(err, kill)
		}
	}
	e.emitKill(v.Config, unix.SIGKILL)
	return nil
}

// settled looks at a container once more, so that a supervisor that died on
// the way leaves nothing.
func (e *Engine) settled(ctx context.Context, id string) error {
	_, err := e.view(ctx, id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Wait blocks until the container's present run has ended and returns its exit
// code; of one that does not run, the last one's.
func (e *Engine) Wait(ctx context.Context, ref string) (int, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return 0, err
	}
	x := v.Exit
	if v.Live != nil {
		if x, err = e.awaitRun(ctx, v); err != nil {
			return 0, err
		}
	}
	switch {
	case x == nil:
		return 0, nil // created and never run: docker says 0
	case x.Code == nil:
		return 0, fmt.Errorf("container %s: %w", v.ID, ErrSupervisorLost)
	}
	return *x.Code, nil
}

// Remove removes a container; one that runs only with force.
func (e *Engine) Remove(ctx context.Context, ref string, force bool) error {
	v, err := e.Get(ctx, ref)
	if errors.Is(err, state.ErrCorrupt) || errors.Is(err, state.ErrVersion) {
		return e.removeBroken(ctx, ref, force, err)
	}
	if err != nil {
		return err
	}
	if v.Live != nil {
		if !force {
			return fmt.Errorf("cannot remove container %q: %w", "/"+v.Name, v.inUse())
		}
		if err := e.forceStop(ctx, v); err != nil {
			return err
		}
		if v.AutoRemove {
			return nil
		}
	}
	lock, err := e.lock(ctx, v.ID)
	if err != nil {
		return err
	}
	defer unlock(lock)
	// Somebody may have started it meanwhile.
	if live, err := e.loadLive(v.ID); err == nil && live != nil && live.Supervisor.Alive() {
		return fmt.Errorf("cannot remove container %q: %w: it was started just now", "/"+v.Name, ErrRunning)
	}
	return e.discard(v.Config)
}

// inUse is why a container cannot be removed as it is.
func (v *View) inUse() error {
	if v.Status == Paused {
		return fmt.Errorf("container %w and must be unpaused first", ErrPaused)
	}
	cause := ErrRunning
	if v.Status == Restarting {
		cause = errRestarting
	}
	return fmt.Errorf("%w: stop the container before removing or force remove", cause)
}

// removeBroken removes a container whose record cannot be read, when forced:
// nobody can say what it was, but its folders and groups are known by its id.
func (e *Engine) removeBroken(ctx context.Context, ref string, force bool, cause error) error {
	if !force {
		return fmt.Errorf("%w (rm -f removes it)", cause)
	}
	id, err := e.Resolve(ref)
	if err != nil {
		return err
	}
	if err := e.endGroups(ctx, nil, id); err != nil {
		return err
	}
	return e.discard(&Config{ID: id})
}

// ParseSignal reads a signal's name, with or without SIG, or its number.
func ParseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > 64 {
			return 0, fmt.Errorf("invalid signal: %s", s)
		}
		return unix.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return realtimeSignal(name, s)
}

// realtimeSignal reads SIGRTMIN+n and SIGRTMAX-n. glibc and musl keep the
// first two for themselves, so that SIGRTMIN is 34 to every program.
func realtimeSignal(name, s string) (unix.Signal, error) {
	const first, last = 34, 64
	for prefix, base := range map[string]int{"SIGRTMIN": first, "SIGRTMAX": last} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		n := 0
		if rest != "" {
			var err error
			if n, err = strconv.Atoi(rest); err != nil {
				break
			}
		}
		if base+n >= first && base+n <= last {
			return unix.Signal(base + n), nil
		}
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}
