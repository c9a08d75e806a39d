package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"berth/state"
)

// mountPointsDir is the lowest layer of every container's overlay: a folder
// with nothing but the places that berth mounts something on. Images often lack
// them, and making them in the writable layer would cost several new inodes
// for each start, copy /etc up, and show as changes of the container.
func (e *Engine) mountPointsDir() string { return path.Join(e.Dirs.Cache(), "mountpoints") }

// mountPoints makes the folder when it is missing. It appears by rename, whole,
// and is never changed after.
func (e *Engine) mountPoints() error {
	dir := e.mountPointsDir()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	staging := path.Join(e.Dirs.Cache(), state.StagingName())
	if err := fillMountPoints(staging); err != nil {
		return errors.Join(fmt.Errorf("make mount points: %w", err), state.RemoveTree(staging))
	}
	err := os.Rename(staging, dir)
	if errors.Is(err, fs.ErrExist) {
		return state.RemoveTree(staging) // another process was faster
	}
	return err
}

// fillMountPoints makes the folders and files. Modes are those of a Debian
// root, whatever the umask.
func fillMountPoints(root string) error {
	for _, dir := range []string{"", "/dev", "/proc", "/sys", "/etc"} {
		if err := errors.Join(os.Mkdir(root+dir, 0o755), os.Chmod(root+dir, 0o755)); err != nil {
			return err
		}
	}
	for _, file := range []string{"hostname", "hosts", "resolv.conf"} {
		if err := writePublic(path.Join(root, "etc", file), nil); err != nil {
			return err
		}
	}
	return nil
}
