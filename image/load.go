package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// LoadOptions tune Load.
type LoadOptions struct {
	// Platform picks an image from one for several, and refuses one for another;
	// zero is this machine's, and any.
	Platform Platform
	// Limits against bombs; zero means the defaults.
	Limits Limits
	// Progress is told of each step with a layer, from several goroutines; nil for
	// nobody.
	Progress func(Progress)
}

// Loaded is one image of an archive.
type Loaded struct {
	Image Image
	// Refs are the names that the archive gives it, in full.
	Refs []string
	// Moved are the names among them that another image had, with that image's id.
	Moved map[string]Digest
}

// Load brings the images of an archive into the store, with their names: one that
// docker or podman saves, or an image layout. r is a tar, plain or compressed with
// gzip, bzip2 or zstd, or an open folder with a layout. Content is verified and
// unpacked as that of a pull is; what the store has already is not unpacked
// again. A name that another image has moves.
//
// The images appear when all of them are on disk, in the order of the archive. An
// archive that could be read in two ways, or is made to lead out of itself, is
// refused; the error then matches ErrHostileEntry.
func (s *Store) Load(ctx context.Context, r io.Reader, o LoadOptions) (loaded []Loaded, err error) {
	st, err := s.beginStage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.discard()) }()
	l := newLoad(s, o)
	var spooled *os.File
	l.bundle, err = openBundle(ctx, r, l.Limits, func() (*os.File, error) {
		var err error
		spooled, err = os.OpenFile(st.dir+"/archive", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return spooled, err
	})
	if spooled != nil {
		defer spooled.Close()
	}
	if l.bundle.close != nil {
		defer func() { err = errors.Join(err, l.bundle.close()) }()
	}
	if err != nil {
		return nil, err
	}
	return l.run(ctx)
}

// load is one archive on its way in.
type load struct {
	LoadOptions
	store  *Store
	bundle bundle
	// made are manifests that the archive does not have, by digest, and blobs its
	// files that have other names than their digests.
	made  map[Digest][]byte
	blobs map[Digest]string
	// told is what index.json says of manifests.
	told  map[Digest]Descriptor
	items []*loadItem
}

// loadItem is one image of the archive.
type loadItem struct {
	// desc leads to the manifest, or to an index above it.
	desc Descriptor
	refs []Reference
	// byConfig tells that the archive names the image by its config only, so that
	// another manifest of the same image is as good.
	byConfig bool
	pull     *pull
	// have is the row of the same image that the store has already.
	have *entry
}

func newLoad(s *Store, o LoadOptions) *load {
	l := &load{store: s, LoadOptions: o, made: map[Digest][]byte{}, blobs: map[Digest]string{}, told: map[Digest]Descriptor{}}
	l.Limits = l.Limits.OrDefaults()
	if l.Progress == nil {
		l.Progress = func(Progress) {}
	}
	return l
}

func (l *load) run(ctx context.Context) ([]Loaded, error) {
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	defer func() {
		for _, item := range l.items {
			item.pull.need.close()
		}
	}()
	for range maxRepairs {
		for _, item := range l.items {
			if item.have = l.stored(item); item.have != nil {
				continue
			}
			if err := item.pull.fetch(ctx); err != nil {
				return nil, err
			}
		}
		loaded, err := l.publish(ctx)
		if !errors.Is(err, errTaken) {
			return loaded, err
		}
	}
	return nil, fmt.Errorf("load: %w again and again", errTaken)
}

// read finds out which images there are, and reads their manifests.
func (l *load) read(ctx context.Context) error {
	_, layout := l.bundle.files["index.json"]
	_, docker := l.bundle.files["manifest.json"]
	var err error
	switch {
	case layout:
		err = l.readLayout(ctx)
	case docker:
		err = l.readDocker(ctx)
	default:
		if _, old := l.bundle.files["repositories"]; old {
			return errors.New("archive is of a docker older than 1.10, which is not supported: a newer docker can load and save it")
		}
		return errors.New("archive holds no images: it has neither index.json nor manifest.json")
	}
	if err == nil && layout && docker {
		err = l.compareDocker()
	}
	return err
}

// addItem reads the manifest of an image. One that is there under several names is
// one image.
func (l *load) addItem(ctx context.Context, item *loadItem) error {
	item.pull = &pull{
		store: l.store, src: l, ref: Reference{Digest: item.desc.Digest}, platform: l.Platform,
		asked: l.asked(), verb: "load", subject: item.subject(),
		limits: l.Limits, progress: l.Progress,
	}
	if !item.pull.asked {
		item.pull.platform = hostPlatform()
	}
	if err := item.pull.find(ctx); err != nil {
		return err
	}
	for _, have := range l.items {
		if have.pull.desc.Digest == item.pull.desc.Digest {
			for _, ref := range item.refs {
				if !slices.Contains(have.refs, ref) {
					have.refs = append(have.refs, ref)
				}
			}
			return nil
		}
	}
	l.items = append(l.items, item)
	return nil
}

// asked tells whether a platform was asked for.
func (o LoadOptions) asked() bool { return o.Platform.OS != "" || o.Platform.Architecture != "" }

// subject is what errors call the image.
func (i *loadItem) subject() string {
	if len(i.refs) > 0 {
		return i.refs[0].Familiar()
	}
	return i.desc.Digest.Short()
}

// Manifest is a Source's: every manifest goes by its digest.
func (l *load) Manifest(_ context.Context, ref Reference) (Descriptor, []byte, error) {
	desc := Descriptor{MediaType: l.told[ref.Digest].MediaType, Digest: ref.Digest}
	content, ok := l.made[ref.Digest]
	if !ok {
		if err := ref.Digest.Validate(); err != nil {
			return desc, nil, err
		}
		var err error
		if content, err = l.bundle.document("blobs/sha256/" + ref.Digest.Hex()); err != nil {
			return desc, nil, err
		}
	}
	desc.Size = int64(len(content))
	if told, ok := l.told[ref.Digest]; ok && told.Size != desc.Size {
		return desc, nil, fmt.Errorf("manifest %s: is not %d bytes long: %w", ref.Digest, told.Size, ErrCorrupt)
	}
	return desc, content, nil
}

// Blob is a Source's.
func (l *load) Blob(_ context.Context, _ Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	name, ok := l.blobs[blob.Digest]
	if !ok {
		name = "blobs/sha256/" + blob.Digest.Hex()
	}
	f, err := l.bundle.find(name)
	if err != nil {
		return nil, err
	}
	if f.size != blob.Size {
		return nil, fmt.Errorf("blob %s: is not %d bytes long: %w", blob.Digest, blob.Size, ErrCorrupt)
	}
	return f.open(offset)
}

// stored returns the row of an image that the store has, whole, already. An image
// is its config: where the archive has no manifest of its own, any will do.
func (l *load) stored(item *loadItem) *entry {
	index, err := l.store.readIndex()
	if err != nil {
		return nil
	}
	for _, row := range index.Manifests {
		if row.Digest != item.pull.desc.Digest && !item.byConfig {
			continue
		}
		e, err := l.store.readEntry(row)
		if err != nil || e.id() != item.pull.manifest.Config.Digest || !l.store.complete(e) {
			continue
		}
		if !item.pull.asked || e.config.suits(item.pull.platform) {
			return &e
		}
	}
	return nil
}

// publish names all images in the index at once, if all of them still are there.
func (l *load) publish(ctx context.Context) ([]Loaded, error) {
	s := l.store
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	if err := s.syncFolders(); err != nil {
		return nil, err
	}
	var loaded []Loaded
	for _, item := range l.items {
		e := entry{desc: item.pull.desc, manifest: item.pull.manifest, config: item.pull.config}
		if item.have != nil {
			e = *item.have
		}
		if !s.complete(e) || !s.hasBlob(e.desc.Digest, e.desc.Size) {
			return nil, errTaken
		}
		done := Loaded{Moved: map[string]Digest{}}
		if done.Image, err = s.image(e); err != nil {
			return nil, err
		}
		index = done.name(s, index, e, item.refs)
		loaded = append(loaded, done)
	}
	return loaded, s.writeIndex(index)
}

// name returns the index with the image under its names, and notes which ones it
// takes from others.
func (d *Loaded) name(s *Store, index Index, e entry, refs []Reference) Index {
	if len(refs) == 0 {
		return withName(index, e.desc, "")
	}
	for _, ref := range refs {
		d.Refs = append(d.Refs, ref.String())
		row, taken := findRef(index, ref)
		if taken && row.Digest == e.desc.Digest {
			continue
		}
		if taken {
			if old, err := s.readEntry(row); err == nil && old.id() != e.id() {
				d.Moved[ref.String()] = old.id()
			}
		}
		index = withName(index, e.desc, ref.String())
	}
	return index
}
