package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"berth/state"
)

// folder is a container's folder, open and locked. Whoever makes a container
// holds the lock until it is made, and whoever removes one while it goes. So
// nobody can take the folder from a process that is alive and still at work in
// it, however slow that is; one that is killed lets go by that. The name alone
// tells nothing: the folder may be another container's by now.
//
// Commands on a made container have a lock of their own, which comes second: see
// Runtime.locked. The nil folder is none.
type folder struct {
	path string
	fd   int
}

// errFolderBusy is a folder that another process has locked.
var errFolderBusy = errors.New("another process is making or deleting it")

const (
	// folderWait and folderLongWait are the first and the longest pause between
	// two looks at a lock: a blocked flock(2) could not be called off.
	folderWait, folderLongWait = 100 * time.Microsecond, 10 * time.Millisecond
	// claimTime bounds the wait for one who has the folder, but no record yet
	// or no more.
	claimTime = time.Second
)

// openFolder opens and locks a container's folder: errFolderBusy when another
// process has it, fs.ErrNotExist when there is none.
func (r *Runtime) openFolder(id string) (*folder, error) {
	f := &folder{path: r.dir(id)}
	var err error
	f.fd, err = unix.Open(f.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: f.path, Err: err}
	}
	if err := f.lock(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// lock locks the folder if it still is the container's.
func (f *folder) lock() error {
	var held, named unix.Stat_t
	err := unix.Flock(f.fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return errFolderBusy
	}
	if err != nil {
		return &fs.PathError{Op: "flock", Path: f.path, Err: err}
	}
	if err = unix.Fstat(f.fd, &held); err == nil {
		err = unix.Lstat(f.path, &named)
	}
	if err == nil && (held.Dev != named.Dev || held.Ino != named.Ino) {
		err = unix.ENOENT // removed, and perhaps made anew, before the lock was ours
	}
	if err != nil {
		f.unlock()
		return &fs.PathError{Op: "lock", Path: f.path, Err: err}
	}
	return nil
}

// unlock lets others at the folder. It stays open, to be told from another one.
func (f *folder) unlock() {
	if f != nil && f.fd >= 0 {
		// Closing would not do: a child that was forked a moment ago has the
		// lock too, until its execve. It can only fail for a bad descriptor.
		_ = unix.Flock(f.fd, unix.LOCK_UN)
	}
}

// close unlocks and closes the folder. Calling it again does nothing.
func (f *folder) close() {
	if f != nil && f.fd >= 0 {
		f.unlock()
		unix.Close(f.fd)
		f.fd = -1
	}
}

// makeFolder makes a container's folder and locks it. One without a record that
// nobody has locked is what a killed creator left, and goes.
func (r *Runtime) makeFolder(ctx context.Context, id string) (*folder, error) {
	pause := folderWait
	for deadline := time.Now().Add(claimTime); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := os.Mkdir(r.dir(id), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make container folder: %w", err)
		}
		made := err == nil
		f, err := r.openFolder(id)
		// The record comes last in a creation, and goes last in a deletion.
		if taken := r.checkFree(id); taken != nil {
			f.close()
			return nil, taken
		}
		switch {
		case err == nil && made:
			return f, nil
		case err == nil:
			err = state.RemoveTree(f.path)
			f.close()
			if err != nil {
				return nil, err
			}
		case errors.Is(err, errFolderBusy) && time.Now().Before(deadline):
			time.Sleep(pause)
			pause = min(2*pause, folderLongWait)
		case errors.Is(err, errFolderBusy):
			return nil, fmt.Errorf("%w: %s: %w", ErrExists, id, err)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
}

// checkFree refuses an id that has a record.
func (r *Runtime) checkFree(id string) error {
	if _, err := os.Lstat(r.statePath(id)); err == nil {
		return fmt.Errorf("%w: %s", ErrExists, id)
	}
	return nil
}

// takeFolder locks a container's folder to delete it. While somebody else is at
// work in it, it waits, after it has told a creator to hurry, with force, or
// else refuses a container that is being created.
func (r *Runtime) takeFolder(ctx context.Context, id string, force bool) (*folder, error) {
	f, err := r.openFolder(id)
	if !errors.Is(err, errFolderBusy) {
		return f, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	told := false
	for pause := folderWait; errors.Is(err, errFolderBusy); pause = min(2*pause, folderLongWait) {
		// A container that is not on record yet has no status, and will have one.
		if c, err := r.load(id); err == nil && c.Payload.PID == 0 && c.Creator.Alive() {
			if !force {
				return nil, notStopped(id, creating)
			}
			told = told || c.interrupt()
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("delete container %s: %w", id, err)
		}
		time.Sleep(pause)
		f, err = r.openFolder(id)
	}
	return f, err
}

// interrupt tells a container's creator to take everything back, and reports
// that it did.
func (c *record) interrupt() bool {
	if c.Creator.PID != os.Getpid() {
		_ = c.Creator.Signal(unix.SIGTERM) // what goes wrong shows by the wait
	}
	return true
}

// retake locks the folder again that this process has made: false when the
// container was deleted meanwhile, and whoever has the id now is a stranger.
func (f *folder) retake(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	for pause := folderWait; ; pause = min(2*pause, folderLongWait) {
		err := f.lock()
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		case !errors.Is(err, errFolderBusy) || ctx.Err() != nil:
			return false, err
		}
		time.Sleep(pause)
	}
}
