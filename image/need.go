package image

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"

	"berth/state"
)

// needPrefix begins the names of the files in fetchDir that say what a pull or a
// load counts on, a digest a line: blobs and chain ids. Such a file is locked as
// long as its writer lives, and nothing that it names is removed meanwhile.
const needPrefix = "need-"

// reliance is such a file of this process.
type reliance struct {
	path string
	lock *state.Locked
}

// declare keeps what an image consists of from being removed, whether it is there
// yet or not, until the reliance is closed.
func (s *Store) declare(ctx context.Context, digests []Digest) (*reliance, error) {
	var text bytes.Buffer
	for _, d := range digests {
		text.WriteString(string(d) + "\n")
	}
	n := &reliance{path: s.fetchPath() + "/" + needPrefix + rand.Text()}
	var err error
	if n.lock, err = state.Lock(ctx, n.path); err != nil {
		return nil, err
	}
	err = os.WriteFile(n.path, text.Bytes(), 0o600)
	var unlock func()
	if err == nil {
		// Whoever removes holds this lock: those who do from now on see the need, and
		// what the others removed is missed from now on.
		unlock, err = s.lock(ctx)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	unlock()
	return n, nil
}

// close ends the reliance. Nil is none.
func (n *reliance) close() {
	if n == nil {
		return
	}
	// What stays is not locked any more, and is swept.
	_ = os.Remove(n.path)
	_ = n.lock.Close()
}

// addNeeded adds what others need just now. The caller holds the store's lock.
func (s *Store) addNeeded(used references) error {
	names, err := readDir(s.fetchPath())
	if err != nil {
		return err
	}
	for _, n := range names {
		if !strings.HasPrefix(n.Name(), needPrefix) {
			continue
		}
		path := s.fetchPath() + "/" + n.Name()
		lock, err := state.TryLock(path)
		if err == nil {
			// Its writer has ended.
			_ = os.Remove(path)
			_ = lock.Close()
			continue
		}
		if !errors.Is(err, state.ErrLocked) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			used.blobs[Digest(line)], used.layers[Digest(line).Hex()] = true, true
		}
	}
	return nil
}

// declare makes known what the image consists of, once.
func (p *pull) declare(ctx context.Context) (err error) {
	if p.need == nil {
		p.need, err = p.store.declare(ctx, p.needs())
	}
	return err
}

// needs lists what the image of a pull consists of.
func (p *pull) needs() []Digest {
	list := append([]Digest{p.desc.Digest, p.manifest.Config.Digest}, chainIDs(p.config.RootFS.DiffIDs)...)
	for _, l := range p.manifest.Layers {
		list = append(list, l.Digest)
	}
	return list
}
