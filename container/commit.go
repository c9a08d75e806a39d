package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"berth/archive"
	"berth/rootfs"
	"berth/state"
)

// WriteLayer writes what a container has changed of its image's files as the tar
// of a layer. With pause, none of its processes runs meanwhile; one that was
// paused before stays so. notice is told what the layer lacks.
//
// Layers of one container are written one after the other. Should this process
// be killed in the middle, a container that was paused for it stays paused.
func (e *Engine) WriteLayer(ctx context.Context, ref string, pause bool, w io.Writer, notice func(string)) (err error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	if len(v.Layers) == 0 {
		return fmt.Errorf("commit container %s: %w", v.ID[:12], errNoLayers)
	}
	release, err := e.quiet(ctx, v, pause)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := e.writeLayer(ctx, v.Config, w, notice); err != nil {
		return fmt.Errorf("commit container %s: %w", v.ID[:12], err)
	}
	e.emit(v.Config, "commit")
	return nil
}

// quiet makes sure that a container stays as it is: one that runs is frozen, if
// that is wished, one that does not cannot be started.
func (e *Engine) quiet(ctx context.Context, v *View, pause bool) (release func() error, err error) {
	if err := state.MakeDir(e.Dirs.RunContainer(v.ID)); err != nil {
		return nil, err
	}
	turn, err := state.Lock(ctx, path.Join(e.Dirs.RunContainer(v.ID), "commit.lock"))
	if err != nil {
		return nil, err
	}
	// It may have changed while this call waited for its turn.
	v, err = e.Get(ctx, v.ID)
	if err == nil && v.Live == nil {
		lock, err := e.lock(ctx, v.ID)
		return func() error { return errors.Join(lock.Close(), turn.Close()) }, err
	}
	release = turn.Close
	if err == nil && pause && v.Status == Running {
		release, err = e.still(ctx, v, turn)
	}
	if err != nil {
		return nil, errors.Join(err, turn.Close())
	}
	return release, nil
}

// still freezes a container until the release, if it has not ended meanwhile.
func (e *Engine) still(ctx context.Context, v *View, turn *state.Locked) (release func() error, err error) {
	m, err := e.freeze(ctx, v.ID)
	if gone(err) {
		return turn.Close, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot pause container %s: %w", v.ID, err)
	}
	return func() error {
		ctx, cancel := settling(ctx)
		defer cancel()
		err := m.Thaw(ctx)
		if gone(err) {
			err = nil
		}
		return errors.Join(err, turn.Close())
	}, nil
}

func (e *Engine) writeLayer(ctx context.Context, c *Config, w io.Writer, notice func(string)) error {
	below, err := e.given(c)
	if err != nil {
		return err
	}
	upper, err := openFolder(e.upperDir(c.ID))
	if errors.Is(err, fs.ErrNotExist) {
		upper, err = openFolder(e.emptyDir()) // it has never been started
	}
	if err != nil {
		return err
	}
	defer upper.Close()
	old, err := rootfs.View(below)
	if err != nil {
		return err
	}
	defer old.Close()
	now, err := e.openView(c)
	if err != nil {
		return err
	}
	defer now.Close()
	return archive.PackLayer(ctx, w, old, now, upper, archive.PackOptions{Notice: notice})
}
