package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// layoutVersion stands for what folders lists.
const layoutVersion = 1

// settleTime is longer than the tick of any file system's times (10 ms at
// HZ=100): a directory that has not changed for so long cannot change any more
// without a new time.
const settleTime = 20 * time.Millisecond

// Ensure makes the two roots and the folders of the layout, mode 0700 whatever
// the umask, and checks those that exist: real directories of the calling
// user that nobody else may write.
//
// The roots are checked every time. The folders are checked when an entry of a
// root has been made, removed or replaced since they were found well: until
// then they are the very same directories, which only their owner could have
// opened to others. So a start costs three calls.
//
// A root that others may read or search is taken as it is, because it may be
// a directory that an administrator shares with something else; the folders
// below are berth's own and are brought back to 0700.
func (d Dirs) Ensure() error {
	uid := unix.Geteuid()
	root, err := ensureRoot(d.Root, uid)
	if err != nil {
		return err
	}
	run, err := ensureRoot(d.Run, uid)
	if err != nil {
		return err
	}
	// Taken before the folders are looked at: what changes meanwhile differs.
	stamp := layoutStamp(&root, &run)
	if d.checked(stamp) {
		return nil
	}
	for _, dir := range d.folders() {
		if err := makeDir(dir, uid); err != nil {
			return err
		}
	}
	if changed := max(root.Ctim.Nano(), run.Ctim.Nano()); time.Now().UnixNano()-changed > int64(settleTime) {
		d.markChecked(stamp)
	}
	return nil
}

// layoutStamp changes whenever an entry of either root does: the kernel renews
// a directory's ctime then, and nobody can set that.
func layoutStamp(root, run *unix.Stat_t) string {
	b := strconv.AppendInt(make([]byte, 0, 128), layoutVersion, 10)
	for _, st := range []*unix.Stat_t{root, run} {
		b = strconv.AppendUint(append(b, ':'), st.Dev, 16)
		b = strconv.AppendUint(append(b, ':'), st.Ino, 16)
		b = strconv.AppendInt(append(b, ':'), st.Ctim.Nano(), 16)
	}
	return string(b)
}

// checked tells whether the folders were found well under this stamp. It is
// kept as the target of a symbolic link: one call reads it.
func (d Dirs) checked(stamp string) bool {
	var buf [128]byte
	n, err := unix.Readlink(d.layout(), buf[:])
	return err == nil && string(buf[:n]) == stamp
}

// markChecked replaces the stamp. Without one the next check is a full one, so
// a disk that is full or read-only costs time only, and so does dying between
// the two calls. By rename it would leave a file then.
func (d Dirs) markChecked(stamp string) {
	_ = unix.Unlink(d.layout())
	_ = unix.Symlink(stamp, d.layout())
}

// ensureRoot makes a root and its parents. Parents get 0755: they are the
// host's, not berth's.
func ensureRoot(root string, uid int) (unix.Stat_t, error) {
	st, made, err := checkedDir(root, uid)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
			return st, err
		}
		st, made, err = checkedDir(root, uid)
	}
	if err != nil || !made {
		return st, err
	}
	return st, makePrivate(root, &st)
}

// MakeDir makes one private directory, or checks and tightens the one that is
// there: mode 0700 whatever the umask, owned by the caller, no symlink. It is
// idempotent and safe to race. Its parent must exist and be berth's own.
func MakeDir(path string) error { return makeDir(path, unix.Geteuid()) }

func makeDir(path string, uid int) error {
	st, _, err := checkedDir(path, uid)
	if err != nil {
		return err
	}
	return makePrivate(path, &st)
}

// makePrivate sets mode 0700 unless st already says so. The parent belongs to
// us, so nobody can put a symlink in the way.
func makePrivate(path string, st *unix.Stat_t) error {
	if st.Mode&0o7777 == 0o700 {
		return nil
	}
	if err := unix.Chmod(path, 0o700); err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// checkedDir makes the directory when it is missing and refuses one that
// others than uid could control. made tells whether this call created it.
func checkedDir(path string, uid int) (st unix.Stat_t, made bool, err error) {
	err = unix.Lstat(path, &st)
	if err == unix.ENOENT {
		err = unix.Mkdir(path, 0o700)
		made = err == nil
		if err != nil && err != unix.EEXIST {
			return st, false, &fs.PathError{Op: "mkdir", Path: path, Err: err}
		}
		err = unix.Lstat(path, &st)
	}
	if err != nil {
		return st, made, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		err = fmt.Errorf("use %s: %w: it is a symbolic link; name its target in BERTH_ROOT or BERTH_RUNROOT", path, ErrUnsafeDir)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		err = fmt.Errorf("use %s: %w: it is not a directory", path, ErrUnsafeDir)
	case int(st.Uid) != uid:
		err = fmt.Errorf("use %s: %w: it belongs to user %d", path, ErrUnsafeDir, st.Uid)
	case st.Mode&0o022 != 0:
		err = fmt.Errorf("use %s: %w: others may write to it (mode %04o)", path, ErrUnsafeDir, st.Mode&0o7777)
	}
	return st, made, err
}
