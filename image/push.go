package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// Defaults and bounds of a push.
const (
	// pushConcurrency is how many layers travel at once, docker's default.
	pushConcurrency = 5
	// maxMountTries bounds how many repositories one blob is looked for in: each
	// costs a request that mostly fails where the first one did.
	maxMountTries = 3
)

// PushOptions tune Push.
type PushOptions struct {
	// Platform must be the image's; zero for whatever the image is for.
	Platform Platform
	// Progress is told of each step with a layer, from several goroutines; nil for
	// nobody.
	Progress func(Progress)
	// Concurrency is how many layers travel at once, 0 for docker's five.
	Concurrency int
}

// Pushed is what a target has after a push.
type Pushed struct {
	// Digest and Size in bytes are the manifest's.
	Digest Digest
	Size   int64
	// Forgotten is why the store does not remember that the registry has the image;
	// nil when it does.
	Forgotten error
}

// Push sends the image that query resolves to as to: layers, then the config,
// then the manifest, so that the target never shows an image that it cannot
// deliver. All of it goes as it is stored, so that digests stay what they are.
// What the target's repository has is not sent, and what another repository of
// the same registry has is taken from there, as far as names of the store tell of
// one. A row named to remembers afterwards by which digest the registry knows it;
// a store that cannot be written to is pushed from all the same.
//
// The error is *NoSuchImageError when nothing goes by query, and matches
// fs.ErrNotExist when a blob of the image is not stored, ErrCorrupt when one is
// damaged.
func (s *Store) Push(ctx context.Context, dst Target, query string, to Reference, o PushOptions) (Pushed, error) {
	p, err := s.planPush(dst, query, to, o)
	if err != nil {
		return Pushed{}, err
	}
	if err := p.run(ctx); err != nil {
		return Pushed{}, err
	}
	pushed := Pushed{Digest: p.manifest.Digest, Size: p.manifest.Size}
	pushed.Forgotten = s.noteDigest(ctx, to, p.entry.desc.Digest, pushed.Digest)
	return pushed, nil
}

// push is one image on its way.
type push struct {
	store *Store
	dst   Target
	to    Reference
	entry entry
	// manifest and content are the image's own manifest, for an image that other
	// tools stored below an index as well.
	manifest Descriptor
	content  []byte
	// open is where blobs are read, nil for the store.
	open func(blob Descriptor) func(offset int64) (io.ReadCloser, error)
	// mounts are the repositories of the registry that have a blob.
	mounts      map[Digest][]string
	progress    func(Progress)
	concurrency int
}

// planPush finds all that is to be sent, before anything is.
func (s *Store) planPush(dst Target, query string, to Reference, o PushOptions) (*push, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	e, err := s.find(index, query)
	if err != nil {
		return nil, err
	}
	if err := checkPlatform(query, e, o.Platform); err != nil {
		return nil, err
	}
	manifest := e.desc
	if isIndex(e.desc.MediaType) {
		if manifest, err = s.selectPlatform(e.desc); err != nil {
			return nil, err
		}
	}
	content, err := s.readBlob(manifest)
	if err != nil {
		return nil, err
	}
	p := newPush(s, dst, to, e, o)
	p.manifest, p.content = manifest, content
	p.manifest.MediaType = cmp.Or(e.manifest.MediaType, manifest.MediaType)
	p.mounts = s.mountSources(index, e, to)
	return p, p.checkBlobs()
}

// newPush is a push without its manifest.
func newPush(s *Store, dst Target, to Reference, e entry, o PushOptions) *push {
	p := &push{
		store: s, dst: dst, to: to, entry: e,
		progress: o.Progress, concurrency: cmp.Or(o.Concurrency, pushConcurrency),
	}
	if p.progress == nil {
		p.progress = func(Progress) {}
	}
	return p
}

// checkBlobs finds out what is missing while nothing has been sent.
func (p *push) checkBlobs() error {
	m := p.entry.manifest
	for _, blob := range append(slices.Clone(m.Layers), m.Config) {
		if err := p.store.checkStored(blob); err != nil {
			return fmt.Errorf("push %s: %w", p.to.Familiar(), err)
		}
	}
	return nil
}

// run sends all of it.
func (p *push) run(ctx context.Context) error {
	if err := p.layers(ctx); err != nil {
		return err
	}
	if err := p.send(ctx, p.entry.manifest.Config, func(Progress) {}); err != nil {
		return err
	}
	return p.dst.PutManifest(ctx, p.to, p.manifest.MediaType, p.content)
}

func isIndex(mediaType string) bool {
	return mediaType == MediaTypeIndex || mediaType == MediaTypeDockerList
}

// checkPlatform refuses an image that is for something else than was asked for,
// in docker's words.
func checkPlatform(query string, e entry, want Platform) error {
	have := e.config.platform()
	if want.OS == "" && want.Architecture == "" || e.config.suits(want) {
		return nil
	}
	return fmt.Errorf("image with reference %s was found but does not match the specified platform: wanted %s, actual: %s", query, want, have)
}

// checkStored reports whether a blob is there as its descriptor says.
func (s *Store) checkStored(blob Descriptor) error {
	if err := blob.Digest.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	fi, err := os.Lstat(s.blobPath(blob.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return &missingBlobError{blob.Digest}
	}
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || fi.Size() != blob.Size {
		return fmt.Errorf("blob %s: is not %d bytes long: %w", blob.Digest, blob.Size, ErrCorrupt)
	}
	return nil
}

// missingBlobError matches fs.ErrNotExist.
type missingBlobError struct{ digest Digest }

func (e *missingBlobError) Error() string {
	return "blob " + string(e.digest) + " is missing from the store"
}
func (e *missingBlobError) Is(target error) bool { return target == fs.ErrNotExist }

// mountSources finds which other repositories of to's registry have the layers of
// e: those of images that were pulled from there or pushed to it.
func (s *Store) mountSources(index Index, e entry, to Reference) map[Digest][]string {
	sources := map[Digest][]string{}
	for _, l := range e.manifest.Layers {
		sources[l.Digest] = nil
	}
	for _, row := range index.Manifests {
		ref, err := ParseNamed(fullName(row))
		if err != nil || knownDigest(row) == "" || ref.Domain != to.Domain || ref.Path == to.Path {
			continue
		}
		other, err := s.readEntry(row)
		if err != nil {
			continue // Nothing of it is needed.
		}
		for _, l := range other.manifest.Layers {
			have, wanted := sources[l.Digest]
			if wanted && len(have) < maxMountTries && !slices.Contains(have, ref.Path) {
				sources[l.Digest] = append(have, ref.Path)
			}
		}
	}
	return sources
}

// layers sends the layers, several at once. The first error ends the others.
func (p *push) layers(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	seats := make(chan struct{}, p.concurrency)
	queue := distinct(p.entry.manifest.Layers)
	if p.open != nil {
		// Layers that are elsewhere by design, as those of Windows, stay there.
		queue = slices.DeleteFunc(queue, func(d Descriptor) bool { return len(d.URLs) > 0 })
	}
	for _, l := range queue {
		p.progress(Progress{Blob: l.Digest, Stage: StageWaiting, Total: l.Size})
	}
	for _, l := range queue {
		wg.Go(func() {
			select {
			case seats <- struct{}{}:
				defer func() { <-seats }()
			case <-ctx.Done():
				return
			}
			if err := p.send(ctx, l, p.progress); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// distinct drops the layers that are there twice, as empty ones often are.
func distinct(layers []Descriptor) []Descriptor {
	var list []Descriptor
	for _, l := range layers {
		if !slices.ContainsFunc(list, func(d Descriptor) bool { return d.Digest == l.Digest }) {
			list = append(list, l)
		}
	}
	return list
}

// send brings one blob to the target in the cheapest way that there is.
func (p *push) send(ctx context.Context, blob Descriptor, progress func(Progress)) error {
	tell := func(stage Stage, done int64, from string) {
		progress(Progress{Blob: blob.Digest, Stage: stage, Done: done, Total: blob.Size, From: from})
	}
	has, err := p.dst.HasBlob(ctx, p.to, blob)
	if err != nil {
		return err
	}
	if has {
		tell(StageExists, blob.Size, "")
		return nil
	}
	for _, from := range p.mounts[blob.Digest] {
		mounted, err := p.dst.MountBlob(ctx, p.to, blob, from)
		if err != nil {
			return err
		}
		if mounted {
			tell(StageMounted, blob.Size, from)
			return nil
		}
	}
	if p.open != nil {
		return p.dst.UploadBlob(ctx, p.to, blob, p.open(blob))
	}
	up := &upload{path: p.store.blobPath(blob.Digest), size: blob.Size, tell: func(stage Stage, done int64) { tell(stage, done, "") }}
	if err := p.dst.UploadBlob(ctx, p.to, blob, up.open); err != nil {
		return errors.Join(p.store.blame(blob, up), err)
	}
	tell(StageDone, blob.Size, "")
	return nil
}

// blame looks for the fault of a failed upload in the blob itself, which nobody
// has looked at since it was stored: a registry that was given all of it and
// refused may have found its digest wrong.
func (s *Store) blame(blob Descriptor, up *upload) error {
	if !up.ended.Load() {
		return nil
	}
	f, err := openRegular(up.path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := newCountingHash()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("blob %s: %w", blob.Digest, err)
	}
	if got := h.digest(); got != blob.Digest {
		return fmt.Errorf("blob %s: content has digest %s: %w", blob.Digest, got, ErrCorrupt)
	}
	return nil
}

// upload opens a stored blob for a target and counts what it reads.
type upload struct {
	path string
	size int64
	tell func(stage Stage, done int64)
	// at is how far it was read, ended tells that all was read once.
	at    atomic.Int64
	ended atomic.Bool
}

func (u *upload) open(offset int64) (io.ReadCloser, error) {
	f, err := openRegular(u.path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	stage := StageUploading
	if u.at.Swap(offset) != offset {
		// A target that just wants the next piece goes on where the last one ended.
		stage = StageRetrying
	}
	u.tell(stage, offset)
	return &sentFile{file: f, upload: u}, nil
}

// sentFile is a file that tells how far it was read. The file is no embedded one,
// whose WriteTo would go past Read.
type sentFile struct {
	file   *os.File
	upload *upload
}

func (f *sentFile) Read(b []byte) (int, error) {
	n, err := f.file.Read(b)
	at := f.upload.at.Add(int64(n))
	if n > 0 {
		f.upload.tell(StageUploading, at)
	}
	if at == f.upload.size {
		f.upload.ended.Store(true)
	}
	return n, err
}

func (f *sentFile) Close() error { return f.file.Close() }

// noteDigest writes on the row named ref, if it still is the image that was
// pushed, by which digest the registry knows it.
func (s *Store) noteDigest(ctx context.Context, ref Reference, row, known Digest) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.readIndex()
	if err != nil {
		return err
	}
	changed := false
	for i, desc := range index.Manifests {
		if desc.Digest == row && fullName(desc) == ref.String() && knownDigest(desc) != known {
			index.Manifests[i], changed = withAnnotation(desc, annotationDigest, string(known)), true
		}
	}
	if !changed {
		return nil
	}
	return s.writeIndex(index)
}
