package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// ImportOptions describe the image that Import makes of a tar.
type ImportOptions struct {
	// Ref names the image; without one it goes by its id only.
	Ref string
	// Changes are Dockerfile instructions for the config.
	Changes []string
	// Message becomes the comment of the image's one history entry.
	Message string
	// Platform is "os[/architecture[/variant]]", default linux on this machine's
	// architecture.
	Platform string
	// Created is now when zero.
	Created time.Time
	// Limits against bombs; zero means the defaults.
	Limits Limits

	box Digest
}

// Import makes a single-layer image of a tar: plain, or compressed with gzip,
// bzip2 or zstd, told by its first bytes. The image appears, with its name, when
// all of it is on disk. A name that another image had moves; that image stays
// without it.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (Image, error) {
	config, err := newConfig(opts)
	if err != nil {
		return Image{}, err
	}
	ref, err := newName(opts.Ref, "cannot import digest reference")
	if err != nil {
		return Image{}, err
	}
	st, err := s.beginStage()
	if err != nil {
		return Image{}, err
	}
	img, err := s.importStaged(ctx, st, r, config, ref, opts)
	return img, errors.Join(err, st.discard())
}

// newName reads the name of a new image, in full; one by digest is refused.
func newName(ref, refusal string) (string, error) {
	if ref == "" {
		return "", nil
	}
	parsed, err := ParseReference(ref)
	if err != nil {
		return "", err
	}
	if parsed.Digest != "" {
		return "", errors.New(refusal)
	}
	return parsed.String(), nil
}

// beginStage makes a stage in a store that is there and tidy.
func (s *Store) beginStage() (*stage, error) {
	if err := s.ensure(); err != nil {
		return nil, err
	}
	if err := s.sweep(); err != nil {
		return nil, err
	}
	return s.newStage()
}

func (s *Store) importStaged(ctx context.Context, st *stage, r io.Reader, config ImageConfig, ref string, opts ImportOptions) (Image, error) {
	if err := st.receive(ctx, r, opts.Limits); err != nil {
		return Image{}, fmt.Errorf("import layer: %w", err)
	}
	config.RootFS = RootFS{Type: "layers", DiffIDs: []Digest{st.diffID}}
	return s.publish(ctx, publication{
		config: config, layers: []Descriptor{st.blob}, ref: ref, box: opts.box,
		place: func(Index) error {
			return errors.Join(s.commitBlob(st), s.commitLayer(st, st.diffID))
		},
	})
}

// publication is an image that is about to be.
type publication struct {
	config ImageConfig
	layers []Descriptor
	ref    string // in full, or ""
	box    Digest
	// place puts the staged layer where it belongs, under the writers' lock.
	place func(index Index) error
}

// publish makes an image of what is staged: it appears, with its name, when all
// of it is on disk.
func (s *Store) publish(ctx context.Context, p publication) (Image, error) {
	configBlob, err := json.Marshal(p.config)
	if err != nil {
		return Image{}, fmt.Errorf("encode image config: %w", err)
	}
	manifest := Manifest{
		SchemaVersion: 2, MediaType: MediaTypeManifest,
		Config: Descriptor{MediaType: MediaTypeConfig, Digest: digestBytes(configBlob), Size: int64(len(configBlob))},
		Layers: p.layers,
	}
	manifestBlob, err := json.Marshal(manifest)
	if err != nil {
		return Image{}, fmt.Errorf("encode image manifest: %w", err)
	}
	desc := Descriptor{
		MediaType: MediaTypeManifest, Digest: digestBytes(manifestBlob), Size: int64(len(manifestBlob)),
		Platform: &Platform{OS: p.config.OS, Architecture: p.config.Architecture, Variant: p.config.Variant},
	}
	if p.box != "" {
		desc.Annotations = map[string]string{annotationBox: string(p.box)}
	}

	unlock, err := s.lock(ctx)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	index, err := s.readIndex()
	if err != nil {
		return Image{}, err
	}
	if err := p.place(index); err != nil {
		return Image{}, err
	}
	for _, b := range [][]byte{configBlob, manifestBlob} {
		if _, err := s.writeBlob(b); err != nil {
			return Image{}, err
		}
	}
	if err := s.writeIndex(withName(index, desc, p.ref)); err != nil {
		return Image{}, err
	}
	return s.image(entry{desc: named(desc, p.ref), manifest: manifest, config: p.config})
}

// newConfig builds the config of an imported image, without its layer.
func newConfig(opts ImportOptions) (ImageConfig, error) {
	created := opts.Created
	if created.IsZero() {
		created = time.Now()
	}
	created = created.UTC()
	config := ImageConfig{
		Created: &created,
		History: []History{{Created: &created, Comment: opts.Message}},
	}
	platform, err := ParsePlatform(opts.Platform)
	if err != nil {
		return config, err
	}
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	for _, change := range opts.Changes {
		if err := applyChange(&config.Config, change); err != nil {
			return config, err
		}
	}
	return config, nil
}

// named returns desc carrying the name ref, or none. What a registry knows the
// image by goes with the name of another repository.
func named(desc Descriptor, ref string) Descriptor {
	if !sameRepository(fullName(desc), ref) {
		desc = withAnnotation(desc, annotationDigest, "")
	}
	return withAnnotation(desc, annotationRefName, ref)
}

// withName returns the index with the image desc under the name ref. The image
// that had the name stays: under the registry's digest if it has one, else
// nameless when it has no other name. A nameless row of desc goes when desc gets a
// name.
func withName(index Index, desc Descriptor, ref string) Index {
	rows := make([]Descriptor, 0, len(index.Manifests)+1)
	known := false
	for _, row := range index.Manifests {
		name := fullName(row)
		switch {
		case row.Digest == desc.Digest && (name == ref || name == ""):
			continue
		case row.Digest == desc.Digest:
			known = true
		case ref != "" && name == ref:
			row = untagged(row)
			if fullName(row) == "" && hasOther(index, row.Digest, ref) {
				continue
			}
		}
		rows = append(rows, row)
	}
	if ref != "" || !known {
		rows = append(rows, named(desc, ref))
	}
	index.Manifests = rows
	return index
}

// hasOther reports whether the manifest has a row under another name than ref.
func hasOther(index Index, d Digest, ref string) bool {
	for _, row := range index.Manifests {
		if row.Digest == d && fullName(row) != ref {
			return true
		}
	}
	return false
}

// Tag gives the image that source resolves to one more name.
func (s *Store) Tag(ctx context.Context, source, target string) error {
	ref, err := ParseReference(target)
	if err != nil {
		return err
	}
	switch {
	case ref.Digest != "":
		return errors.New("refusing to create a tag with a digest reference")
	case ref.FamiliarName() == "sha256":
		return errors.New("refusing to create an ambiguous tag using digest algorithm as name")
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.readIndex()
	if err != nil {
		return err
	}
	e, err := s.find(index, source)
	if err != nil {
		return err
	}
	return s.writeIndex(withName(index, e.desc, ref.String()))
}

// Materialize unpacks the layers of an image whose blobs are stored but whose
// trees are not, as when another tool wrote into the layout. Each blob must match
// its digest, each tar the image's diff-id.
func (s *Store) Materialize(ctx context.Context, ref string) error {
	return s.steady(func() error { return s.materialize(ctx, ref) })
}

func (s *Store) materialize(ctx context.Context, ref string) error {
	if err := s.ensure(); err != nil {
		return err
	}
	index, err := s.readIndex()
	if err != nil {
		return err
	}
	e, err := s.find(index, ref)
	if err != nil {
		return err
	}
	for i, chain := range chainIDs(e.config.RootFS.DiffIDs) {
		if _, err := os.Lstat(s.layerPath(chain)); err == nil {
			continue
		}
		if err := s.unpackBlob(ctx, e.manifest.Layers[i], e.config.RootFS.DiffIDs[i], chain); err != nil {
			return fmt.Errorf("unpack layer %s: %w", e.manifest.Layers[i].Digest, err)
		}
	}
	return nil
}

func (s *Store) unpackBlob(ctx context.Context, blob Descriptor, diffID, chain Digest) error {
	if err := blob.Digest.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f, err := openRegular(s.blobPath(blob.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := s.newStage()
	if err != nil {
		return err
	}
	err = st.receive(ctx, f, Limits{})
	switch {
	case err != nil:
	case st.blob.Digest != blob.Digest || st.blob.Size != blob.Size:
		err = fmt.Errorf("%w: content has digest %s", ErrCorrupt, st.blob.Digest)
	case st.diffID != diffID:
		err = fmt.Errorf("%w: tar has diff-id %s, the image says %s", ErrCorrupt, st.diffID, diffID)
	default:
		err = s.commitUnder(ctx, st, chain)
	}
	return errors.Join(err, st.discard())
}

func (s *Store) commitUnder(ctx context.Context, st *stage, chain Digest) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.commitLayer(st, chain)
}
