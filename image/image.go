package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Image is one image of the store, under one of its names.
type Image struct {
	// ID is the digest of the image's config: docker's image id.
	ID Digest
	// Manifest is the digest by which registries know it.
	Manifest Digest
	// Ref is the full reference, "" for an image without a name.
	Ref string
	// Digest is what the registry that Ref is of has the image under; "" when it
	// was neither pulled from there nor pushed to it.
	Digest Digest
	// Created is zero when the image does not say.
	Created                   time.Time
	Architecture, OS, Variant string
	// Config holds a container's defaults.
	Config Config
	// Layers are the overlay lower directories, absolute, topmost first.
	Layers []string
	// Size is the content of all layers in bytes; a layer that is not unpacked
	// counts with its blob.
	Size int64
	// Box is set for the embedded image: the digest of the archive it came from.
	Box Digest
	// Err says what is damaged, in what List returns; the fields that could not be
	// read are zero.
	Err error
}

// Details is what inspect and history show beyond Image.
type Details struct {
	Image
	Manifest Manifest
	Config   ImageConfig
	// Refs are all names of the image, in full; Digests those that registries know
	// it by, as repository@digest.
	Refs, Digests []string
	// LayerSizes are in bytes, bottom first, one per RootFS.DiffIDs. Of a layer that
	// is not unpacked it is the size of the blob.
	LayerSizes []int64
}

// entry is one row of the index with what it leads to.
type entry struct {
	desc     Descriptor
	manifest Manifest
	config   ImageConfig
}

func (e entry) ref() string { return fullName(e.desc) }
func (e entry) id() Digest  { return e.manifest.Config.Digest }

// readEntry reads and verifies the manifest and the config behind one row. A
// row that is itself an index leads to this machine's platform.
func (s *Store) readEntry(desc Descriptor) (entry, error) {
	e := entry{desc: desc}
	target := desc
	if desc.MediaType == MediaTypeIndex || desc.MediaType == MediaTypeDockerList {
		var err error
		if target, err = s.selectPlatform(desc); err != nil {
			return e, err
		}
	}
	b, err := s.readBlob(target)
	if err != nil {
		return e, fmt.Errorf("read manifest of %s: %w", desc.Digest, err)
	}
	if err := decodeManifest(b, &e.manifest); err != nil {
		return e, fmt.Errorf("read manifest %s: %w", target.Digest, err)
	}
	if b, err = s.readBlob(e.manifest.Config); err != nil {
		return e, fmt.Errorf("read config of %s: %w", desc.Digest, err)
	}
	if err := json.Unmarshal(b, &e.config); err != nil {
		return e, fmt.Errorf("read config %s: %w: %w", e.id(), ErrCorrupt, err)
	}
	if len(e.config.RootFS.DiffIDs) != len(e.manifest.Layers) {
		return e, fmt.Errorf("read config %s: %w: %d diff ids for %d layers",
			e.id(), ErrCorrupt, len(e.config.RootFS.DiffIDs), len(e.manifest.Layers))
	}
	for _, d := range e.config.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return e, fmt.Errorf("read config %s: %w: %w", e.id(), ErrCorrupt, err)
		}
	}
	return e, nil
}

// decodeManifest refuses a document that could be read as manifest and index both
// (CVE-2021-41190).
func decodeManifest(b []byte, m *Manifest) error {
	var both struct {
		Manifest
		Manifests json.RawMessage `json:"manifests"`
		FSLayers  json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(b, &both); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if both.Manifests != nil || both.FSLayers != nil {
		return fmt.Errorf("%w: both manifest and index", ErrCorrupt)
	}
	switch both.MediaType {
	case "", MediaTypeManifest, MediaTypeDockerImage:
	default:
		return fmt.Errorf("%w: media type %q is no image manifest", ErrCorrupt, both.MediaType)
	}
	*m = both.Manifest
	return nil
}

func (s *Store) selectPlatform(desc Descriptor) (Descriptor, error) {
	b, err := s.readBlob(desc)
	if err != nil {
		return desc, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	var index Index
	if err := decodeIndex(b, &index); err != nil {
		return desc, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	pick, err := index.bestFor(hostPlatform())
	if err != nil {
		return desc, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	return pick, nil
}

// decodeIndex is decodeManifest for an index.
func decodeIndex(b []byte, index *Index) error {
	var both struct {
		Index
		Layers   json.RawMessage `json:"layers"`
		Config   json.RawMessage `json:"config"`
		FSLayers json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(b, &both); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if both.Layers != nil || both.Config != nil || both.FSLayers != nil {
		return fmt.Errorf("%w: both manifest and index", ErrCorrupt)
	}
	*index = both.Index
	return nil
}

// image turns an entry into what callers see.
func (s *Store) image(e entry) (Image, error) {
	c := e.config
	img := Image{
		ID: e.id(), Manifest: e.desc.Digest, Ref: e.ref(), Digest: knownDigest(e.desc), Box: Digest(e.desc.Annotations[annotationBox]),
		Architecture: c.Architecture, OS: c.OS, Variant: c.Variant, Config: c.Config,
	}
	if c.Created != nil {
		img.Created = *c.Created
	}
	chain := chainIDs(c.RootFS.DiffIDs)
	img.Layers = make([]string, len(chain))
	for i, id := range chain {
		img.Layers[len(chain)-1-i] = s.layerPath(id)
	}
	sizes, missing, err := s.layerSizes(e)
	for _, n := range sizes {
		img.Size += n
	}
	if err == nil {
		err = missing
	}
	return img, err
}

// layerSizes returns the bytes of each layer, bottom first. missing is
// ErrNotUnpacked when a tree is not there.
func (s *Store) layerSizes(e entry) (sizes []int64, missing, err error) {
	for i, id := range chainIDs(e.config.RootFS.DiffIDs) {
		if _, err := os.Lstat(s.layerPath(id)); errors.Is(err, fs.ErrNotExist) {
			missing = fmt.Errorf("image %s: layer %s: %w", e.id().Short(), id, ErrNotUnpacked)
			sizes = append(sizes, e.manifest.Layers[i].Size)
			continue
		}
		rec, err := s.readLayer(id)
		if err != nil {
			return nil, nil, fmt.Errorf("image %s: read layer %s: %w", e.id().Short(), id, err)
		}
		sizes = append(sizes, rec.Size)
	}
	return sizes, missing, nil
}

// List returns one Image per name, and one per image without a name, in the order
// of the index. A damaged image is listed with Err set; List itself fails only
// when the index cannot be read.
func (s *Store) List() (images []Image, err error) {
	err = s.steady(func() error {
		if images, err = s.list(); err != nil {
			return err
		}
		for _, img := range images {
			err = errors.Join(err, img.Err)
		}
		return err
	})
	if images != nil {
		err = nil // what is damaged says so itself
	}
	return images, err
}

func (s *Store) list() ([]Image, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(index.Manifests))
	for _, desc := range index.Manifests {
		e, err := s.readEntry(desc)
		img := Image{Manifest: desc.Digest, Ref: e.ref(), Err: err}
		if err == nil {
			img, err = s.image(e)
			img.Err = unlessPacked(err)
		}
		images = append(images, img)
	}
	return images, nil
}

// Inspect returns everything known about the image that ref resolves to.
func (s *Store) Inspect(ref string) (d Details, err error) {
	err = s.steady(func() error {
		d, err = s.inspect(ref)
		return err
	})
	return d, err
}

func (s *Store) inspect(ref string) (Details, error) {
	index, err := s.readIndex()
	if err != nil {
		return Details{}, err
	}
	e, err := s.find(index, ref)
	if err != nil {
		return Details{}, err
	}
	d := Details{Manifest: e.manifest, Config: e.config}
	d.Image, err = s.image(e)
	if err = unlessPacked(err); err != nil {
		return Details{}, err
	}
	if d.LayerSizes, _, err = s.layerSizes(e); err != nil {
		return Details{}, err
	}
	var names []Reference
	for _, desc := range index.Manifests {
		if other, err := s.readEntry(desc); err == nil && other.id() == e.id() {
			names = addNames(names, desc)
		}
	}
	for _, ref := range names {
		if ref.Tag != "" {
			d.Refs = append(d.Refs, ref.String())
		} else {
			d.Digests = append(d.Digests, ref.String())
		}
	}
	return d, nil
}

// unlessPacked is the error of an image but for one that is only not unpacked
// yet, which happens when the image is first used.
func unlessPacked(err error) error {
	if errors.Is(err, ErrNotUnpacked) {
		return nil
	}
	return err
}
