package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"berth/state"

	"golang.org/x/sys/unix"
)

// landing is content that is complete and verified and waits for its place.
type landing struct {
	// part is a blob; nil when it was stored before.
	part *partial
	// stage and chain are an unpacked layer; nil when there is none.
	stage *stage
	chain Digest
}

// commits puts what has come in to its place. Syncing is dear and syncs all there
// is, so what becomes ready at about the same time goes together with one sync.
type commits struct {
	store *Store

	mu    sync.Mutex
	queue []*commitWait
	busy  bool
	// working is how many may still come to commit, or wait for it.
	working int
	// changed gets a word when queue or working has changed.
	changed chan struct{}
}

type commitWait struct {
	landing
	// result gets errLead when it is this one's turn to commit for all that wait.
	result chan error
}

var errLead = errors.New("lead")

// batchTime is how long a commit waits for others.
const batchTime = 300 * time.Millisecond

func newCommits(s *Store) *commits { return &commits{store: s, changed: make(chan struct{}, 1)} }

// work tells that one more, or one less, will commit.
func (c *commits) work(change int) {
	c.mu.Lock()
	c.working += change
	c.mu.Unlock()
	c.wake()
}

func (c *commits) wake() {
	select {
	case c.changed <- struct{}{}:
	default: // It has one already.
	}
}

// commit returns when l is synced and in its place, for every reader to see.
func (c *commits) commit(ctx context.Context, l landing) error {
	w := &commitWait{landing: l, result: make(chan error, 1)}
	c.mu.Lock()
	c.queue = append(c.queue, w)
	if !c.busy {
		c.busy = true
		w.result <- errLead
	}
	c.mu.Unlock()
	c.wake()
	err := <-w.result
	if err != errLead {
		return err
	}
	c.lead(ctx)
	return <-w.result
}

// lead commits all that waits and hands on the lead.
func (c *commits) lead(ctx context.Context) {
	batch := c.collect(ctx)
	c.batch(ctx, batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy = len(c.queue) > 0; c.busy {
		c.queue[0].result <- errLead
	}
}

// collect waits a moment for others, unless there are none.
func (c *commits) collect(ctx context.Context) []*commitWait {
	late := time.NewTimer(batchTime)
	defer late.Stop()
	for waiting := true; ; {
		c.mu.Lock()
		if batch := c.queue; !waiting || len(batch) >= c.working {
			c.queue = nil
			c.mu.Unlock()
			return batch
		}
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-late.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
}

func (c *commits) batch(ctx context.Context, batch []*commitWait) {
	err := c.prepare(batch)
	var unlock func()
	if err == nil {
		unlock, err = c.store.lock(ctx)
	}
	for _, w := range batch {
		if err == nil {
			w.result <- c.place(ctx, w.landing)
		} else {
			w.result <- err
		}
	}
	if unlock != nil {
		unlock()
	}
}

// prepare brings all of a batch to the disk, where nobody sees it yet.
func (c *commits) prepare(batch []*commitWait) error {
	for _, w := range batch {
		if w.stage == nil {
			continue
		}
		rec := w.stage.record()
		if err := state.WriteJSON(w.stage.dir+"/record", &rec, state.Fast); err != nil {
			return err
		}
	}
	return c.store.syncAll()
}

// syncAll syncs the file systems that blobs and layers lie on: mostly one.
func (s *Store) syncAll() error {
	var devices []uint64
	for _, dir := range []string{s.dirs.Image(), s.dirs.Layer()} {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = unix.Fstat(int(f.Fd()), &st)
		if err == nil && (len(devices) == 0 || devices[0] != st.Dev) {
			devices = append(devices, st.Dev)
			err = unix.Syncfs(int(f.Fd()))
		}
		f.Close()
		if err != nil {
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	return nil
}

// place renames one landing into place. The folders are synced when an index is
// about to name what is in them. Of an image that will not be, the blobs are kept
// for the next try, which makes trees of them.
func (c *commits) place(ctx context.Context, l landing) error {
	if l.part != nil {
		if err := c.store.placeBlob(l.part); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.stage == nil || c.store.hasTree(l.chain) {
		return nil
	}
	return c.store.placeLayer(l.stage, l.chain)
}

func (s *Store) placeBlob(p *partial) error {
	if p.resumed {
		// Collect goes by the time.
		now := time.Now()
		if err := os.Chtimes(p.path, now, now); err != nil {
			return err
		}
	}
	if err := os.Rename(p.path, s.blobPath(p.blob)); err != nil {
		return err
	}
	p.placed = true
	return nil
}

// placeLayer moves a staged tree and what belongs to it to their places.
func (s *Store) placeLayer(st *stage, chain Digest) error {
	final := s.layerPath(chain)
	if err := os.Rename(st.dir+"/record", final+".json"); err != nil {
		return err
	}
	if err := s.linkLayer(chain); err != nil {
		return err
	}
	// Last: whoever sees the tree sees all that belongs to it.
	return os.Rename(st.dir+"/tree", final)
}
