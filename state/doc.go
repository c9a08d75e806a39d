// Package state owns berth's primitives on disk: the directory layout, JSON
// records, locks, name claims, process identities and removal.
//
// It guarantees that
//
//   - a record is replaced whole or not at all, and a damaged one is reported
//     by path as ErrCorrupt or ErrVersion, never as a half-filled value;
//   - a lock ends with its holder, however the holder ends;
//   - of any number of processes claiming one name exactly one wins, and a
//     claim left by a dead owner never blocks the name;
//   - a process named in a record is only ever signalled through a pidfd whose
//     start time and boot were checked, so a recycled pid is never hit.
//
// # Names
//
// A claim is a symbolic link BERTH_RUNROOT/name/NAME whose target text is
// "v1:ID:PID:START:BOOT": the container's ID and the process that made the
// claim. symlink(2) creates name and content in one step and fails on an
// existing name, so a claim is never seen empty and a crash leaves either all
// of it or nothing; `ls -l` shows every claim. The links point nowhere and are
// never followed.
//
//	free ──symlink──▶ claimed ──Release, under the lock──▶ free
//	                     │
//	                     └─ owner dead and both container directories gone:
//	                        stale, unlinked under the lock by the next Claim
//
// Making a claim takes no lock. Every unlink happens under an flock on the
// name directory, with the link read again after locking: what was compared is
// then what is removed.
//
// Claims live on tmpfs and are gone after a reboot, stopped containers are
// not. BERTH_RUNROOT/boot (a link, too) holds the boot_id for which claims
// were restored. Every command that looks up or claims a name calls
// RestoreNames first: one readlink when the marker fits. Otherwise the caller
// lists its records, the claims are made again under the lock, and the marker
// is replaced last, so that a crash on the way repeats the work.
//
// # When not to use it
//
// Bind-mounted files (hosts, resolv.conf) must be rewritten in place, not
// through WriteFile: a rename is invisible to the container. Blobs and layers
// bring their own staging; StagingName gives them names that Sweep knows.
package state

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrCorrupt marks a record that cannot be what berth wrote: empty,
	// truncated, followed by garbage, of the wrong shape, or not a regular file.
	ErrCorrupt = errors.New("record is corrupt")
	// ErrVersion marks a record or claim written by a newer berth.
	ErrVersion = errors.New("record version is not supported")
	// ErrTooLarge marks a record above MaxRecord bytes.
	ErrTooLarge = errors.New("record is too large")
	// ErrLocked is returned by TryLock when somebody else holds the lock.
	ErrLocked = errors.New("locked by another process")
	// ErrUnsafeDir marks a state directory that others could control.
	ErrUnsafeDir = errors.New("unsafe state directory")
	// ErrProcessGone means that the process of a record has ended, whether or
	// not its pid has since been given to another one.
	ErrProcessGone = errors.New("process has ended")
)

// retry repeats a system call that a signal interrupted. The Go runtime sends
// itself signals to preempt goroutines, and FUSE and NFS let them through.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// open opens path for this process only: no descriptor may leak into the
// children that berth makes.
func open(path string, flags int, perm uint32) (int, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, perm)
		return err
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// rename is rename(2) with both paths in the error.
func rename(from, to string) error {
	if err := retry(func() error { return unix.Rename(from, to) }); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
