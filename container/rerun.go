package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"berth/state"
)

// A monitor runs its container as often as the restart policy wants. Between
// two runs its live record says Restarting, and no group and no attach socket
// exists. What commands want of a monitor they say with two bits in the mode
// of the container's lock file: changing a mode needs no space on a full disk,
// wakes who watches the file, and tears nothing when somebody dies half-way.
//
//	sticky   the user ends this run: no restart, whatever the policy says
//	set-gid  the next run at once, whatever the policy says
//
// A command changes them, and a monitor reads them when it begins a run, with
// the lock held, so that a run that nobody wants any more cannot begin. The
// first run of a monitor clears both.
const (
	halted  = os.ModeSticky
	hurried = os.ModeSetgid
)

// wishes reads the bits. A container without a lock file is being removed.
func (e *Engine) wishes(id string) os.FileMode {
	info, err := os.Lstat(e.lockPath(id))
	if err != nil {
		return halted
	}
	return info.Mode() & (halted | hurried)
}

// wish replaces the bits, with the lock held by the caller.
func (e *Engine) wish(id string, bits os.FileMode) error {
	return os.Chmod(e.lockPath(id), 0o600|bits)
}

// tellMonitor leaves a wish with a container's monitor and returns its live
// record as it is then; nil when it has ended. A container in the foreground
// has no policy, and nobody who would read the wish.
func (e *Engine) tellMonitor(ctx context.Context, v *View, bits os.FileMode) (*Live, error) {
	if v.Live == nil || !v.Live.Attach {
		return v.Live, nil
	}
	lock, err := e.lock(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	defer unlock(lock)
	if err := e.wish(v.ID, bits); err != nil {
		return nil, err
	}
	return e.loadLive(v.ID)
}

// halt ends the restart policy for the container's present run. A payload that
// is just being started is waited for, so that it can be signalled. The view is
// of the moment after that.
func (e *Engine) halt(ctx context.Context, v *View) error {
	live, err := e.tellMonitor(ctx, v, halted)
	if err == nil && live != nil && live.Payload.PID == 0 && !live.Restarting {
		live, err = e.awaitPayload(ctx, v.ID)
	}
	if live != nil {
		v.Status, v.Live = e.runningView(v.Config, live).Status, live
	}
	return err
}

// lives runs the container until its policy, or the user, wants no more. The
// error is the first run's: nobody waits for those of later ones.
func (s *supervisor) lives(ctx context.Context) error {
	_, err := s.supervise(ctx)
	for s.again && s.e.pause(ctx, s.c.ID, s.pause) {
		s.reset()
		// A failure shows in the mount that needs the folder.
		_ = s.e.remountable(s.c)
		_, _ = s.supervise(ctx)
	}
	if s.again {
		return errors.Join(err, s.e.endRestarting(s.c))
	}
	return err
}

// reset prepares the next run.
func (s *supervisor) reset() {
	s.restarts++
	s.last = s.live.Exit
	s.again, s.rerun, s.ran = false, true, false
	s.compiled, s.run, s.groups = nil, nil, nil
	s.streams = &detached{rerun: true}
	s.e.Trace = nil // it was for the command that has gone
	s.started = debug.FreeOSMemory
}

// remountable clears away the mark that overlayfs leaves in the work folder of
// a volatile mount, which a container that removes itself has: it refuses
// another mount with the same upper folder, whose data a crash of the machine
// may have lost. There was none.
func (e *Engine) remountable(c *Config) error {
	if !c.AutoRemove {
		return nil
	}
	return removeKnown(e.workDir(c.ID),
		[]string{"/work/incompat/volatile/dirty"},
		[]string{"/work/incompat/volatile", "/work/incompat", "/work"})
}

// decide makes out, when a run has ended, whether there will be another one.
func (s *supervisor) decide(x *Exit) {
	x.Restarts = s.restarts - s.asked
	if !s.detached || !s.ran {
		return
	}
	switch bits := s.e.wishes(s.c.ID); {
	case bits&halted != 0:
		return
	case bits&hurried != 0:
		s.again, s.pause, s.asked = true, 0, s.restarts+1
	case s.c.Restart.wants(x.Code, x.Restarts):
		s.again, s.pause = true, nextPause(s.pause, x.Finished.Sub(x.Started))
	}
	s.live.Again = s.again
}

// awaitNext puts the record of a container that waits for its next run in the
// place of that of the run that ended.
func (s *supervisor) awaitNext() error {
	waiting := Live{
		Name: s.live.Name, Supervisor: s.live.Supervisor, Started: s.live.Started, Attach: true,
		Restarting: true, Restarts: s.restarts + 1, Asked: s.asked, Last: s.live.Exit,
	}
	return state.WriteJSON(s.e.livePath(s.c.ID), &waiting, state.Fast)
}

// pause waits until a container's next run is due. It reports whether that is
// still wanted.
func (e *Engine) pause(ctx context.Context, id string, d time.Duration) bool {
	end := time.Now().Add(d)
	watch, err := watchFile(e.lockPath(id), unix.IN_ATTRIB)
	if err != nil {
		// Without a watch the wishes are looked at every now and then.
		watch = -1
	} else {
		defer unix.Close(watch)
	}
	for ctx.Err() == nil {
		bits := e.wishes(id)
		rest := time.Until(end)
		switch {
		case bits&halted != 0:
			return false
		case bits&hurried != 0 || rest <= 0:
			return true
		case watch < 0:
			rest = min(rest, pollStep)
		}
		awaitWatch(watch, rest)
	}
	return false
}

// watchFile watches the file that a path names now.
func watchFile(path string, events uint32) (int, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("watch %s: %w", path, err)
	}
	if _, err := unix.InotifyAddWatch(fd, path, events); err != nil {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "watch", Path: path, Err: err}
	}
	return fd, nil
}

// awaitWatch waits for an event, or for some time, and forgets what came. More
// descriptors are waited for as well.
func awaitWatch(watch int, d time.Duration, more ...int) {
	fds := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}}
	for _, fd := range more {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	// Interrupted or not, the caller looks for itself.
	_, _ = unix.Poll(fds, int(max(1, d.Milliseconds())))
	var buf [4096]byte
	if watch >= 0 {
		_, _ = unix.Read(watch, buf[:])
	}
}

// endRestarting turns a container that waited for its next run into one that
// has exited.
func (e *Engine) endRestarting(c *Config) error {
	e.current(c)
	live, err := e.loadLive(c.ID)
	if live != nil {
		end := Exit{Error: errHalted.Error(), Started: live.Started, Finished: time.Now().UTC()}
		before, lost := e.endBefore(c.ID, live)
		if before != nil {
			end = *before
		}
		// The run that does not come counts, as it did while it was waited for.
		end.Restarts = live.Restarts - live.Asked
		live.Exit = &end
		err = errors.Join(lost, e.finish(c, live))
	}
	if c.AutoRemove {
		return errors.Join(err, e.discard(c))
	}
	return err
}

// endBefore is how the run before that of a live record ended; nil when there
// was none.
func (e *Engine) endBefore(id string, live *Live) (*Exit, error) {
	if live.Again {
		return live.Exit, nil
	}
	if live.Last != nil {
		return live.Last, nil
	}
	return e.loadExit(id)
}
