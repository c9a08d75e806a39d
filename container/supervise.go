package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
	"berth/state"
)

// supervisor is the berth process that a container's payload is a child of. It
// starts the payload, owns its streams and its log, waits for its end, records
// it, and clears away what the container had. A foreground run does this in
// the command's own process, a detached container in its monitor.
type supervisor struct {
	e       *Engine
	c       *Config
	streams streams
	// detached says that the supervisor is a monitor: the container is
	// accounted for, and may have run before.
	detached bool
	// unrecorded says that the Config and the spec are still to be written.
	unrecorded bool
	// created and ran say what the events have told so far.
	created, ran bool
	// refused tells that the container was not confirmed, and shall not stay.
	refused bool
	// oomTold counts the kills that the events have told of in this run.
	oomTold uint64
	// warnings is where to tell what does not stop the payload.
	warnings io.Writer
	compiled *Compiled
	run      *nsenter.Run
	groups   *cgroup.Manager
	live     Live
	started  func() // called once the payload runs
	// rerun says that a run came before this one, of restarts in all; again
	// that one will come after it, when the pause has passed.
	rerun, again bool
	restarts     int
	last         *Exit
	asked        int // the number of the last run that the user asked for
	pause        time.Duration
}

// streams connect a payload with whoever is outside.
type streams interface {
	// open prepares the payload's ends, before the plan runs.
	open(ctx context.Context, s *supervisor) (nsenter.Options, error)
	// begin starts to copy, once the payload runs.
	begin(s *supervisor)
	// drain waits, after the payload's end, until all output has arrived.
	drain()
	// end tells whoever is attached how the payload ended.
	end(ctx context.Context, x Exit)
	// close releases everything; it is called in any case.
	close()
}

// settleTime bounds each part of the clearing up that waits for the kernel.
const settleTime = 10 * time.Second

// settling is the context of clearing up: that must happen also when the
// caller's own context has ended.
func settling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}

// unlock releases a lock. Closing can only fail for a descriptor that is not
// open, and then nothing is locked.
func unlock(lock *state.Locked) { _ = lock.Close() }

// supervise runs one life of the container, from the compiling of its plan to
// the record of its end.
func (s *supervisor) supervise(ctx context.Context) (Exit, error) {
	defer s.streams.close()
	s.live = Live{Name: s.c.Name, Supervisor: s.e.self, Started: time.Now().UTC(), Attach: s.detached, Restarts: s.restarts, Asked: s.asked, Last: s.last}
	x, err := s.runPayload(ctx)
	if errors.Is(err, errStarted) {
		return x, err // another supervisor's container: nothing here to settle
	}
	if errors.Is(err, errHalted) {
		return x, errors.Join(err, s.e.endRestarting(s.c))
	}
	s.streams.end(ctx, x)
	return x, errors.Join(err, s.settle(ctx, x))
}

// errStarted is a container that another process has started.
var errStarted = errors.New("container is already running")

// errHalted is a restart that the user has called off.
var errHalted = errors.New("container was stopped before its restart")

// runPayload starts the payload and waits for its end. A payload that never
// ran is a *StartError, and its Exit says the same.
func (s *supervisor) runPayload(ctx context.Context) (Exit, error) {
	if err := s.start(ctx); err != nil {
		if s.run != nil {
			s.run.Close()
		}
		var start *StartError
		if !errors.As(err, &start) {
			start = &StartError{Code: 125, Err: err}
		}
		return Exit{Code: &start.Code, Error: start.Error(), Started: s.live.Started, Finished: time.Now().UTC()}, start
	}
	defer s.run.Close()
	s.streams.begin(s)
	s.ran = true
	s.e.emit(s.c, "start")
	defer s.recordSpecLater()()
	if s.started != nil {
		s.started()
	}
	defer s.limitTime(ctx)()
	endProbes := s.watchHealth(ctx)
	endWatch := s.watchOOM(ctx)
	status, err := s.run.Wait()
	endWatch()
	endProbes()
	if err != nil {
		return Exit{Error: err.Error(), Started: s.live.Started, Finished: time.Now().UTC()}, err
	}
	finished := time.Now().UTC()
	s.follow()
	s.killRest(ctx)
	s.streams.drain()
	code := exitCode(status)
	return Exit{Code: &code, OOMKilled: s.oomKilled(ctx, code), Started: s.live.Started, Finished: finished}, nil
}

// start brings the payload to life, or leaves nothing running.
func (s *supervisor) start(ctx context.Context) error {
	defer s.holdParents(ctx)()
	for _, step := range []func(ctx context.Context) error{
		s.announce, s.record, s.compile, s.execute, s.recordLive, s.writePidFile,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// announce makes the container this process's: whoever looks from now on finds
// its supervisor, and settles the container should it die.
func (s *supervisor) announce(ctx context.Context) error {
	if err := errors.Join(s.e.writable(s.c.ID), s.e.writeNames(s.c)); err != nil {
		return err
	}
	if s.detached {
		// Two commands may start the same container.
		lock, err := s.e.lock(ctx, s.c.ID)
		if err != nil {
			return err
		}
		defer unlock(lock)
		if err := s.take(); err != nil {
			return err
		}
	}
	if s.c.Modes.User != "" {
		return s.claimUsers(ctx)
	}
	return state.WriteJSON(s.e.livePath(s.c.ID), &s.live, state.Fast)
}

// take makes sure, with the container locked, that its next run is this
// supervisor's to begin.
func (s *supervisor) take() error {
	live, err := s.e.loadLive(s.c.ID)
	if err != nil || live != nil && live.Exit == nil && live.Supervisor.Alive() && live.Supervisor != s.e.self {
		return errors.Join(errStarted, err)
	}
	if s.rerun && s.e.wishes(s.c.ID)&halted != 0 {
		return errHalted
	}
	if s.rerun {
		if err := s.reload(); err != nil {
			return err
		}
	}
	return s.e.wish(s.c.ID, 0)
}

// record writes the Config of a container that is not on record yet. The live
// record is there already, so whoever comes upon a Config without a living
// supervisor knows how it came to be.
func (s *supervisor) record(context.Context) error {
	if !s.unrecorded {
		s.created = true
		return nil
	}
	record := s.e.record
	if s.c.AutoRemove {
		record = s.e.recordConfig // the spec follows: see recordSpecLater
	}
	if err := record(s.c); err != nil {
		return err
	}
	if err := s.c.confirm(); err != nil {
		s.refused = true
		return err
	}
	s.created = true
	s.e.emit(s.c, "create")
	s.e.emit(s.c, "attach") // the command that runs it
	return nil
}

// specDelay is how long a container that removes itself runs before its spec
// is written. Encoding one takes as long as compiling it, and a container that
// ends at once needs none: who wants to exec in it or inspect it must first
// have seen it.
const specDelay = 3 * time.Millisecond

// recordSpecLater arranges for the spec of a container that removes itself.
// The function that it returns ends that, before the container is erased.
func (s *supervisor) recordSpecLater() (stop func()) {
	if !s.unrecorded || !s.c.AutoRemove {
		return func() {}
	}
	done := make(chan struct{})
	timer := time.AfterFunc(specDelay, func() {
		defer close(done)
		if err := s.e.recordSpec(s.c); err != nil {
			fmt.Fprintf(s.warnings, "WARNING: exec and inspect will not work on this container: %v\n", err)
		}
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// compile makes the plan and notes the cgroups that it will make.
func (s *supervisor) compile(context.Context) error {
	compiled, host, err := s.e.compile(s.c, s.live.Users, s.detached)
	if err != nil {
		return err
	}
	s.compiled = compiled
	if s.warnings != nil && !s.c.Privileged { // that asks for what there is
		for _, w := range compiled.Warnings {
			fmt.Fprintf(s.warnings, "WARNING: %s\n", w)
		}
	}
	s.live.Cgroups = compiled.Cgroups
	s.groups, err = cgroup.Open(host.Cgroup, compiled.Cgroups)
	return err
}

// execute runs the plan.
func (s *supervisor) execute(ctx context.Context) error {
	opts, err := s.streams.open(ctx, s)
	if err != nil {
		return err
	}
	opts.Empty = s.e.emptyDir()
	s.run, err = s.compiled.Plan.Start(ctx, opts)
	if s.e.Trace != nil {
		s.e.Trace(s.compiled.Plan, s.run.Results())
	}
	if err != nil {
		return startError(s.c, s.compiled.Plan, s.run.Results(), err)
	}
	return nil
}

// recordLive writes who the payload is.
func (s *supervisor) recordLive(context.Context) error {
	payload, err := state.ProcessOf(s.run.Pid())
	if err != nil && !errors.Is(err, state.ErrProcessGone) {
		return s.abort(err)
	}
	// One that has ended already is no process to find, and no error.
	s.live.Payload = payload
	if err := state.WriteJSON(s.e.livePath(s.c.ID), &s.live, state.Fast); err != nil {
		return s.abort(err)
	}
	return nil
}

// writePidFile writes --pidfile.
func (s *supervisor) writePidFile(context.Context) error {
	if s.c.PidFile == "" {
		return nil
	}
	if err := os.WriteFile(s.c.PidFile, []byte(strconv.Itoa(s.run.Pid())), 0o644); err != nil {
		return s.abort(fmt.Errorf("write pid file: %w", err))
	}
	return nil
}

// abort ends a payload that must not go on, and returns the cause.
func (s *supervisor) abort(cause error) error {
	if err := s.run.Signal(unix.SIGKILL); err == nil {
		_, _ = s.run.Wait()
	}
	return cause
}

// killRest ends what the payload left in its group: with a PID namespace of
// its own the kernel has done so, without one nobody else would.
func (s *supervisor) killRest(ctx context.Context) {
	if !s.c.ownsPIDs() {
		ctx, cancel := settling(ctx)
		defer cancel()
		// The removal of the group reports what could not be killed.
		_ = s.groups.Kill(ctx)
	}
}

// settle records the end and clears away what belonged to this life.
func (s *supervisor) settle(ctx context.Context, x Exit) error {
	var errs []error
	if !s.ran { // else that was done at the payload's end
		s.follow()
	}
	if s.groups != nil {
		ctx, cancel := settling(ctx)
		defer cancel()
		errs = append(errs, s.groups.Remove(ctx), s.e.removeParents(ctx, s.groups))
	}
	s.decide(&x)
	s.live.Exit = &x
	errs = append(errs, s.e.finish(s.c, &s.live))
	if s.again {
		errs = append(errs, s.awaitNext())
	}
	if s.ran {
		s.e.emitDie(s.c, &x)
	}
	switch {
	case s.again:
	case s.c.AutoRemove && s.created:
		errs = append(errs, s.e.discard(s.c))
	case s.c.AutoRemove:
		errs = append(errs, s.e.erase(s.c))
	}
	return errors.Join(errs...)
}

// finish makes the end known: durably, and to those who hold the record open. An
// end that cannot be recorded, because the disk is full, stays in the live
// record, which has the room for it.
func (e *Engine) finish(c *Config, live *Live) error {
	var recorded error
	if !c.AutoRemove {
		recorded = state.WriteJSON(e.exitPath(c.ID), live.Exit, state.Durable)
	}
	errs := []error{recorded, e.tellWaiters(c.ID, live)}
	if !c.AutoRemove && !live.Again && recorded == nil {
		if err := os.Remove(e.livePath(c.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// exitCode is a wait status as a shell shows it.
func exitCode(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
