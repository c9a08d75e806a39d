package container

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"berth/state"
)

// List returns all containers, the newest first, without their specs. It takes no lock but to
// settle what lost its supervisor. A container whose record cannot be read is
// there with the status Broken; the others do not suffer from it.
func (e *Engine) List(ctx context.Context) ([]*View, error) { return e.list(ctx, true) }

// ListRunning is List for one who cares for those that run only. It may return
// others; but of most that do not run it reads nothing.
func (e *Engine) ListRunning(ctx context.Context) ([]*View, error) { return e.list(ctx, false) }

func (e *Engine) list(ctx context.Context, all bool) ([]*View, error) {
	if err := e.prepare(); err != nil {
		return nil, err
	}
	ids, err := state.List(e.Dirs)
	if err != nil {
		return nil, err
	}
	// Looked at behind the ids: what starts now is seen as it was before.
	started, err := state.Started(e.Dirs)
	if err != nil {
		return nil, err
	}
	views, skipped := make([]*View, len(ids)), make([]bool, len(ids))
	var readers sync.WaitGroup
	for start := range listReaders {
		readers.Go(func() {
			for i := start; i < len(ids); i += listReaders {
				id := ids[i]
				if skipped[i] = !all && e.atRest(id, started[id]); !skipped[i] {
					views[i] = e.listed(ctx, id, started[id])
				}
			}
		})
	}
	readers.Wait()
	there := 0
	for i := range ids {
		if skipped[i] || views[i] != nil {
			there++
		}
	}
	views = slices.DeleteFunc(views, func(v *View) bool { return v == nil })
	e.sweep(there)
	slices.SortStableFunc(views, func(a, b *View) int { return b.Created.Compare(a.Created) })
	return views, nil
}

// atRest reports whether a container does not run, and is on record. One that is
// not may be what a command left that died. Started tells that it has a folder of
// this boot.
func (e *Engine) atRest(id string, started bool) bool {
	return (!started || !exists(e.livePath(id))) && exists(e.Dirs.Container(id)+"/config.json")
}

// sweep removes the claims and files of commands that died on the way, when
// there are more names than containers or a removal was cut short. It is
// nobody's errand, so it tells nobody what it could not do.
func (e *Engine) sweep(containers int) {
	names, err := os.ReadDir(e.Dirs.Names())
	if err == nil && len(names) > containers || slices.ContainsFunc([]string{e.Dirs.Containers(), e.Dirs.RunContainers(), e.Dirs.Cache()}, unfinished) {
		_, _ = state.Sweep(e.Dirs)
	}
}

// unfinished reports whether a folder has entries of work in progress: their
// names begin with a dot. Sweep leaves alone what somebody is still at.
func unfinished(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	return err == nil && slices.ContainsFunc(names, func(n string) bool { return n[0] == '.' })
}

// listReaders is how many containers are looked at side by side.
const listReaders = 4

// listed is a container's view for a listing; nil for one that is gone since,
// or not there yet.
func (e *Engine) listed(ctx context.Context, id string, started bool) *View {
	v, err := e.viewOf(ctx, id, started)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &View{Config: &Config{ID: id}, Status: Broken, Err: err}
	}
	return v
}
