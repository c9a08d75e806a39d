package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	removingPrefix = ".removing-"
	// maxDepth bounds the directories that a removal holds open. What lies
	// deeper is moved up to the top, so a tree of any depth comes apart with few
	// descriptors and without a path near PATH_MAX.
	maxDepth = 64
	// direntBuffer holds some hundred entries.
	direntBuffer = 16 << 10
)

// RemoveTree removes a file or a directory with all that is in it. It is
// renamed to a sibling .removing-… first: readers see all of it or nothing,
// and when the removal is cut short Sweep finishes it. A missing path is fine.
//
// It follows no symlink and leaves mounts alone: one in the tree is an error
// that names it and wraps EBUSY. Others may add to or take from the tree
// meanwhile.
func RemoveTree(path string) error {
	dir, base := filepath.Split(path)
	if base == "" || base == "." || base == ".." {
		return fmt.Errorf("remove %q: not a removable path", path)
	}
	if !strings.HasPrefix(base, removingPrefix) && !strings.HasPrefix(base, stagingPrefix) {
		moved := removingName()
		err := rename(path, dir+moved)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return err
		}
		base = moved
	}
	if dir == "" {
		dir = "."
	}
	parent, err := open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	r := remover{buf: make([]byte, direntBuffer), top: -1}
	return r.remove(parent, base, dir+base, 0)
}

// remover removes one tree.
type remover struct {
	buf []byte
	top int // the tree's own directory, where deep ones are moved to
}

// remove takes name out of the directory parent; path is for errors.
func (r *remover) remove(parent int, name, path string, depth int) error {
	// Most entries are files, so unlink is tried before anything is asked.
	err := retry(func() error { return unix.Unlinkat(parent, name, 0) })
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.EISDIR {
		return &fs.PathError{Op: "unlinkat", Path: path, Err: err}
	}
	// rmdir fails with EBUSY on a mount point even when it is not empty, so the
	// descent below never starts in one.
	err = rmdir(parent, name)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.ENOTEMPTY && err != unix.EEXIST {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	if depth >= maxDepth {
		return r.hoist(parent, name, path)
	}
	return r.empty(parent, name, path, depth)
}

// empty removes the entries of a directory, then the directory.
func (r *remover) empty(parent int, name, path string, depth int) error {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd := -1
	err := retry(func() (err error) { fd, err = unix.Openat2(parent, name, &how); return err })
	switch err {
	case unix.ENOENT:
		return nil
	case unix.EXDEV:
		err = unix.EBUSY // mounted on since the rmdir
	}
	if err != nil {
		return &fs.PathError{Op: "openat2", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if depth == 0 {
		r.top = fd
	}
	for {
		found, err := r.pass(fd, path, depth)
		if err != nil {
			return err
		}
		err = rmdir(parent, name)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		// Deleting while reading may skip entries, hoisting adds some to the
		// top, and a straggler may still write: read again while that helps.
		if err != unix.ENOTEMPTY && err != unix.EEXIST || found == 0 {
			return &fs.PathError{Op: "rmdir", Path: path, Err: err}
		}
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return &fs.PathError{Op: "lseek", Path: path, Err: err}
		}
	}
}

// pass reads the directory fd once and removes what it finds. All other
// entries are tried after one that fails: the more is gone the better.
func (r *remover) pass(fd int, path string, depth int) (found int, err error) {
	var failed error
	for {
		n := 0
		err := retry(func() (err error) { n, err = unix.Getdents(fd, r.buf); return err })
		if err != nil && err != unix.ENOENT { // ENOENT: removed by somebody else
			return found, &fs.PathError{Op: "getdents64", Path: path, Err: err}
		}
		if err != nil || n == 0 {
			return found, failed
		}
		// Names are copied out of the buffer before the recursion reuses it.
		_, _, names := unix.ParseDirent(r.buf[:n], -1, nil)
		for _, name := range names {
			found++
			if err := r.remove(fd, name, path+"/"+name, depth+1); err != nil && failed == nil {
				failed = err
			}
		}
	}
}

// hoist moves a deep directory to the top of the tree, where a later pass
// finds it.
func (r *remover) hoist(parent int, name, path string) error {
	for {
		// A name never used before: another remover of this tree may still hold
		// a directory open whose name has become free.
		to := removingName()
		err := retry(func() error {
			return unix.Renameat2(parent, name, r.top, to, unix.RENAME_NOREPLACE)
		})
		if err == unix.EEXIST {
			continue
		}
		if err != nil && err != unix.ENOENT {
			return &fs.PathError{Op: "renameat2", Path: path, Err: err}
		}
		return nil
	}
}

// removingName returns a name for what is being removed.
func removingName() string { return removingPrefix + strings.TrimPrefix(StagingName(), stagingPrefix) }

func rmdir(parent int, name string) error {
	return retry(func() error { return unix.Unlinkat(parent, name, unix.AT_REMOVEDIR) })
}
