package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"berth/archive"
	"berth/rootfs"
)

// Diff returns what a container has changed of its image's files, in the order
// of [archive.Compare]. What is mounted in the container is not looked at, and
// the mount points that berth itself needs are no changes.
func (e *Engine) Diff(ctx context.Context, ref string) ([]archive.Change, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	changes, err := e.changes(ctx, v.Config)
	if err != nil {
		return nil, fmt.Errorf("compare container %s with its image: %w", v.ID[:12], err)
	}
	return changes, nil
}

func (e *Engine) changes(ctx context.Context, c *Config) ([]archive.Change, error) {
	below, err := e.given(c)
	if err != nil {
		return nil, err
	}
	upper, err := openFolder(e.upperDir(c.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it has never been started
	}
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	old, err := rootfs.View(below)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	now, err := e.openView(c)
	if err != nil {
		return nil, err
	}
	defer now.Close()
	return archive.Compare(ctx, old, now, upper)
}

// pathFlags open a folder as the root of a tree.
const pathFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC

// openFolder opens one of berth's own folders as the root of a tree.
func openFolder(dir string) (*os.File, error) {
	return os.OpenFile(dir, pathFlags|unix.O_NOFOLLOW, 0)
}
