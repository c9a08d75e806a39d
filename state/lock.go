package state

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Contended locks are polled, because a blocked flock(2) cannot be called
// off. Holders keep locks for microseconds, so the first waits are short.
const (
	firstWait = 100 * time.Microsecond
	longWait  = 10 * time.Millisecond
)

// Locked is a held lock. It ends with Close or with the process.
type Locked struct {
	fd int
}

// waiter pauses between two tries, or says why to give up.
type waiter func(time.Duration) error

// Lock takes the exclusive lock on path, an empty file of mode 0600 that is
// made when missing, and waits for it until ctx ends. Removing or replacing
// the file while waiting is noticed: whoever holds the lock holds it on the
// file that path names.
func Lock(ctx context.Context, path string) (*Locked, error) {
	return lockFile(path, unix.LOCK_EX, waitFor(ctx))
}

// RLock takes a lock that any number of readers share and that excludes Lock.
func RLock(ctx context.Context, path string) (*Locked, error) {
	return lockFile(path, unix.LOCK_SH, waitFor(ctx))
}

// TryLock is Lock without waiting: ErrLocked when somebody holds it.
func TryLock(path string) (*Locked, error) {
	return lockFile(path, unix.LOCK_EX, func(time.Duration) error { return ErrLocked })
}

// Close gives the lock up. Calling it again does nothing.
func (l *Locked) Close() error {
	if l == nil || l.fd < 0 {
		return nil
	}
	fd := l.fd
	l.fd = -1
	// The lock belongs to the open file, and a child forked a moment ago holds
	// that too until it execs: closing alone would not release it.
	err := retry(func() error { return unix.Flock(fd, unix.LOCK_UN) })
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

func waitFor(ctx context.Context) waiter {
	return func(d time.Duration) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
			return nil
		}
	}
}

// waitUntil is for the few locks of this package itself, whose holders do no
// more than two system calls: only a stopped process keeps one for long.
func waitUntil(deadline time.Time) waiter {
	return func(d time.Duration) error {
		if time.Now().After(deadline) {
			return ErrLocked
		}
		time.Sleep(d)
		return nil
	}
}

func lockFile(path string, how int, wait waiter) (*Locked, error) {
	for {
		fd, err := open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := acquire(fd, how, wait); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		same, err := names(path, fd)
		if same {
			return &Locked{fd: fd}, nil
		}
		_ = unix.Close(fd)
		if err == nil {
			err = wait(0)
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// lockDir takes the exclusive lock on a directory that is never removed.
func lockDir(path string, wait waiter) (*Locked, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := acquire(fd, unix.LOCK_EX, wait); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Locked{fd: fd}, nil
}

func acquire(fd, how int, wait waiter) error {
	for pause := firstWait; ; pause = min(2*pause, longWait) {
		err := retry(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
		if err != unix.EWOULDBLOCK {
			return err
		}
		if err := wait(pause); err != nil {
			return err
		}
	}
}

// names reports whether path still names the open file fd.
func names(path string, fd int) (bool, error) {
	var held, named unix.Stat_t
	if err := unix.Fstat(fd, &held); err != nil {
		return false, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	if err := unix.Lstat(path, &named); err != nil && err != unix.ENOENT {
		return false, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return held.Dev == named.Dev && held.Ino == named.Ino, nil
}
