package image

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Defaults and bounds of a pull.
const (
	// pullConcurrency is how many layers travel at once, docker's default.
	pullConcurrency = 3
	// maxLayers is how many layers an image may have. Docker's overlay driver stops
	// at 128.
	maxLayers = 500
	// maxRepairs is how often a pull fetches again what was removed under its hands
	// by a program that knows nothing of needs (need.go).
	maxRepairs = 10
)

// PullOptions tune Pull.
type PullOptions struct {
	// Platform picks an image from one for several; zero is this machine's.
	Platform Platform
	// Limits against bombs; zero means the defaults.
	Limits Limits
	// Concurrency is how many layers travel at once, 0 for docker's three.
	Concurrency int
	// Progress is told of each step with a layer, from several goroutines; nil for
	// nobody.
	Progress func(Progress)
}

// Pulled is what the store has after a pull.
type Pulled struct {
	Image Image
	// Digest is the digest by which the source knows the name: a multi-platform
	// index's, or the manifest's own.
	Digest Digest
	// New tells that the name means another image than before, or none before.
	New bool
}

// Pull brings the image that ref names from src into the store: manifest, config
// and layers, each verified by size and digest, every layer unpacked and the tar
// in it compared with what the config says; a layer that is unpacked already is
// taken as it is. The image appears, with its name, when
// all of it is on disk; until then other images see nothing of it.
//
// Any number of processes may pull at once: each blob is fetched by one of them.
// What was complete when a pull failed or was killed is not fetched again by the
// next, and an incomplete blob goes on where it was.
//
// The error matches ErrHostileEntry, ErrLayerTooBig or ErrCorrupt when what came is
// refused, and is what src said when that failed.
func (s *Store) Pull(ctx context.Context, src Source, ref Reference, o PullOptions) (Pulled, error) {
	p := &pull{
		store: s, src: src, ref: ref, verb: "pull", subject: ref.Familiar(), platform: o.Platform, asked: o.Platform.OS != "" || o.Platform.Architecture != "",
		limits: o.Limits.OrDefaults(), progress: o.Progress, concurrency: o.Concurrency,
	}
	if !p.asked {
		p.platform = hostPlatform()
	}
	if p.progress == nil {
		p.progress = func(Progress) {}
	}
	if err := p.find(ctx); err != nil {
		return Pulled{}, err
	}
	if img, ok := p.unchanged(); ok {
		return Pulled{Image: img, Digest: p.known}, nil
	}
	if err := s.ensure(); err != nil {
		return Pulled{}, err
	}
	if err := s.sweep(); err != nil {
		return Pulled{}, err
	}
	defer func() { p.need.close() }()
	for range maxRepairs {
		if err := p.fetch(ctx); err != nil {
			return Pulled{}, err
		}
		pulled, err := p.publish(ctx)
		if !errors.Is(err, errTaken) {
			return pulled, err
		}
	}
	return Pulled{}, fmt.Errorf("pull %s: %w again and again", ref.Familiar(), errTaken)
}

// errTaken is content that vanished between its arrival and the commit.
var errTaken = errors.New("another process removed content of the image")

// pull is one image on its way.
type pull struct {
	store    *Store
	src      Source
	ref      Reference
	platform Platform
	// asked tells that the platform was asked for, and is not just the machine's.
	asked    bool
	limits   Limits
	progress func(Progress)
	// concurrency is how many layers travel at once, 0 for the default.
	concurrency int
	// verb and subject are what errors call this: "pull" or "load", and the image.
	verb, subject string
	// need keeps others from removing what this has counted on since fetch.
	need *reliance

	// known is the digest by which the source knows ref.
	known Digest
	// desc and content are the image's manifest, as it came.
	desc     Descriptor
	content  []byte
	manifest Manifest
	// configBlob and config are there once the config is.
	configBlob []byte
	config     ImageConfig

	// seats are held while a layer travels or is unpacked.
	seats chan struct{}
	// wide is held while a layer is unpacked that needs much memory.
	wide    chan struct{}
	commits *commits
}

// name is the name of the image's row. A digest wins over a tag beside it.
func (p *pull) name() string {
	ref := p.ref
	if ref.Digest != "" {
		ref.Tag = ""
	}
	return ref.String()
}

// unchanged returns the image when the store has it under its name already, whole.
func (p *pull) unchanged() (Image, bool) {
	index, err := p.store.readIndex()
	if err != nil {
		return Image{}, false
	}
	row, ok := p.row(index)
	if !ok {
		return Image{}, false
	}
	e, err := p.store.readEntry(row)
	if err != nil || !p.store.complete(e) || p.asked && !e.config.suits(p.platform) {
		return Image{}, false
	}
	img, err := p.store.image(e)
	return img, err == nil
}

// row returns the row that this pull would write, if the index has it.
func (p *pull) row(index Index) (Descriptor, bool) {
	for _, row := range index.Manifests {
		if row.Digest != p.desc.Digest || knownDigest(row) != p.known {
			continue
		}
		have := fullName(row)
		if have == p.name() {
			return row, true
		}
		// A tag of the repository says more than a digest alone.
		if ref, err := ParseNamed(have); err == nil && p.ref.Digest != "" && ref.Name() == p.ref.Name() {
			return row, true
		}
	}
	return Descriptor{}, false
}

// complete tells whether all blobs and trees of an image are there.
func (s *Store) complete(e entry) bool {
	if !s.hasBlob(e.manifest.Config.Digest, e.manifest.Config.Size) {
		return false
	}
	for i, chain := range chainIDs(e.config.RootFS.DiffIDs) {
		l := e.manifest.Layers[i]
		if !s.hasBlob(l.Digest, l.Size) || !s.hasTree(chain) {
			return false
		}
	}
	return true
}

func (s *Store) hasTree(chain Digest) bool {
	fi, err := os.Lstat(s.layerPath(chain))
	return err == nil && fi.IsDir()
}

// publish names the image in the index, if all of it still is there.
func (p *pull) publish(ctx context.Context) (Pulled, error) {
	s := p.store
	unlock, err := s.lock(ctx)
	if err != nil {
		return Pulled{}, err
	}
	defer unlock()
	e := entry{manifest: p.manifest, config: p.config, desc: p.desc}
	if !s.complete(e) || !s.hasBlob(p.desc.Digest, p.desc.Size) {
		return Pulled{}, errTaken
	}
	// What was renamed so far, by this process or another, has to outlast a power
	// cut before the index may speak of it.
	if err := s.syncFolders(); err != nil {
		return Pulled{}, err
	}
	index, err := s.readIndex()
	if err != nil {
		return Pulled{}, err
	}
	if row, ok := p.row(index); ok {
		e.desc = row
		img, err := s.image(e)
		return Pulled{Image: img, Digest: p.known}, err
	}
	e.desc.Annotations = map[string]string{annotationDigest: string(p.known)}
	index = withName(p.takeDigest(index), e.desc, p.name())
	if err := s.writeIndex(index); err != nil {
		return Pulled{}, err
	}
	e.desc = named(e.desc, p.name())
	img, err := s.image(e)
	return Pulled{Image: img, Digest: p.known, New: true}, err
}

// syncFolders brings what was renamed into the store's folders to the disk.
func (s *Store) syncFolders() error {
	for _, dir := range []string{s.blobDir(), s.dirs.Layer(), s.dirs.Layer() + "/" + linkDir} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// takeDigest takes the name by repository and digest from rows that have it: an
// image for another platform, which came through the same index, and a row without
// a tag of the same image, when this one gets it.
func (p *pull) takeDigest(index Index) Index {
	pinned := Reference{Domain: p.ref.Domain, Path: p.ref.Path, Digest: p.known}
	rows := make([]Descriptor, 0, len(index.Manifests))
	for _, row := range index.Manifests {
		switch {
		case row.Digest != p.desc.Digest && knownDigest(row) == p.known:
			row = without(row, []Reference{pinned})
		case row.Digest == p.desc.Digest && p.ref.Digest == "" && fullName(row) == pinned.String():
			continue
		}
		rows = append(rows, row)
	}
	index.Manifests = rows
	return index
}
