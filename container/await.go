package container

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"berth/state"
)

// awaited is one run of a container that a command waits for. Its supervisor
// may go on with another run: then the record tells of the end, in place and,
// once it has been replaced, by the number of the run.
type awaited struct {
	e     *Engine
	id    string
	began Live
	file  *os.File // the live record as of the last look; nil before
	watch int
}

// awaitRun waits for the end of the run that a view shows, and returns how it
// ended. When no other run follows, all records are written by then.
func (e *Engine) awaitRun(ctx context.Context, v *View) (*Exit, error) {
	w := &awaited{e: e, id: v.ID, began: *v.Live, watch: -1}
	defer w.close()
	pidfd, err := v.Live.Supervisor.Pidfd()
	if err != nil && !errors.Is(err, state.ErrProcessGone) {
		return nil, err
	}
	alive := err == nil
	if alive {
		defer unix.Close(pidfd)
	}
	for {
		x, over, err := w.look()
		if over || err != nil {
			return x, err
		}
		if !alive {
			return w.last(ctx)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		awaitWatch(w.watch, pollStep, pidfd)
		alive = v.Live.Supervisor.AliveIn(e.self.BootID)
	}
}

// look reads the record, which another one may have taken the place of.
func (w *awaited) look() (x *Exit, over bool, err error) {
	if err := w.open(); err != nil || w.file == nil {
		return nil, false, err
	}
	live := readLive(w.file)
	switch {
	case live == nil:
		return nil, false, nil // it is just being written to
	case live.Supervisor != w.began.Supervisor || live.Restarts > w.began.Restarts:
		x, err := w.e.endBefore(w.id, live)
		return x, true, err
	}
	return live.Exit, live.Exit != nil && live.Again, nil
}

// open opens the record anew when it is another file than at the last look. A
// record that is gone is read where it is still open.
func (w *awaited) open() error {
	path := w.e.livePath(w.id)
	named, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if w.file != nil {
		if held, err := w.file.Stat(); err == nil && os.SameFile(named, held) {
			return nil
		}
	}
	w.close()
	// The watch comes before the first look. Without one, looks are repeated.
	if w.watch, err = watchFile(path, unix.IN_MODIFY|unix.IN_ATTRIB|unix.IN_DELETE_SELF); err != nil {
		w.watch = -1
	}
	w.file, err = os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		w.file, err = nil, nil
	}
	return err
}

func (w *awaited) close() {
	if w.file != nil {
		w.file.Close()
	}
	if w.watch >= 0 {
		unix.Close(w.watch)
	}
	w.file, w.watch = nil, -1
}

// last is how a run ended whose supervisor has gone.
func (w *awaited) last(ctx context.Context) (*Exit, error) {
	if w.file != nil {
		if x := lastWord(w.file); x != nil {
			return x, nil
		}
	}
	after, err := w.e.view(ctx, w.id)
	if errors.Is(err, os.ErrNotExist) {
		return &Exit{}, nil
	}
	if err != nil {
		return nil, err
	}
	return after.Exit, nil
}
