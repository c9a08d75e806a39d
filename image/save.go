package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// SaveOptions tune Save.
type SaveOptions struct {
	// Layout leaves out what only docker reads, and gives images their full names
	// in the layout.
	Layout bool
	// Platform refuses images for another one, and picks from what is for several;
	// zero is this machine's, and any.
	Platform Platform
}

// Saved is one image that Save has written.
type Saved struct {
	ID Digest
	// Refs are the names in the archive, in full.
	Refs []string
}

// Save writes images as an archive: an image layout in a tar, with a manifest.json
// that docker reads. A query is a name with a tag, an id, or the name of a
// repository, for all its tags; an image that was asked for by id or digest has no
// name in the archive. The same images in the same order give the same bytes, and
// manifests and layers are those of the store.
//
// All content is verified on the way. What lists the images comes last, so that an
// archive that was cut off holds none.
func (s *Store) Save(ctx context.Context, w io.Writer, queries []string, o SaveOptions) ([]Saved, error) {
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	v := &save{store: s, SaveOptions: o}
	for _, q := range queries {
		if err := v.add(index, q); err != nil {
			return nil, err
		}
	}
	out := newSaveWriter(w, s)
	if err := v.write(ctx, out); err != nil {
		return nil, err
	}
	if err := out.close(); err != nil {
		return nil, err
	}
	var saved []Saved
	for _, img := range v.images {
		saved = append(saved, Saved{ID: img.manifest.Config.Digest, Refs: img.refs})
	}
	return saved, nil
}

// save is one archive in the making.
type save struct {
	SaveOptions
	store  *Store
	images []*savedImage
}

type savedImage struct {
	// desc is the image's own manifest.
	desc     Descriptor
	manifest Manifest
	refs     []string
}

// add finds the images that a query means.
func (v *save) add(index Index, query string) error {
	ref, err := ParseNamed(query)
	if err == nil && ref.Tag == "" && ref.Digest == "" {
		found := false
		for _, row := range index.Manifests {
			have, err := ParseNamed(fullName(row))
			if err != nil || have.Tag == "" || have.Name() != ref.Name() {
				continue
			}
			found = true
			if err := v.addRow(row, have); err != nil {
				return err
			}
		}
		if found {
			return nil
		}
	}
	e, err := v.store.find(index, query)
	if err != nil {
		return err
	}
	// What is asked for by its id or a digest has no name, as with docker.
	if _, ok := findRef(index, ref); !ok || ref.Digest != "" {
		ref = Reference{}
	}
	return v.addRow(e.desc, ref)
}

// addRow adds the image of a row under a name, or under none. One that is there
// already gets one more name.
func (v *save) addRow(row Descriptor, ref Reference) error {
	img, err := v.read(row)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(v.images, func(have *savedImage) bool { return have.desc.Digest == img.desc.Digest })
	if at < 0 {
		at = len(v.images)
		v.images = append(v.images, img)
	}
	if img = v.images[at]; ref.Tag != "" && !slices.Contains(img.refs, ref.String()) {
		img.refs = append(img.refs, ref.String())
	}
	return nil
}

// read reads the manifest that a row leads to, and looks whether all blobs are
// there, so that nothing is written that cannot be whole.
func (v *save) read(row Descriptor) (*savedImage, error) {
	s := v.store
	want, asked := hostPlatform(), v.Platform.OS != "" || v.Platform.Architecture != ""
	if asked {
		want = v.Platform
	}
	img := &savedImage{desc: row}
	for depth := 0; isIndex(img.desc.MediaType) && depth < maxIndexes; depth++ {
		var index Index
		b, err := s.readBlob(img.desc)
		if err == nil {
			err = decodeIndex(b, &index)
		}
		if err == nil {
			img.desc, err = index.bestFor(want)
		}
		if err != nil {
			return nil, fmt.Errorf("read index %s: %w", row.Digest, err)
		}
	}
	e, err := s.readEntry(img.desc)
	if err != nil {
		return nil, err
	}
	if asked && !e.config.suits(want) {
		return nil, fmt.Errorf("image with reference %s was found but does not provide the specified platform (%s)", v.subject(row), want)
	}
	platform := e.config.platform()
	img.desc = Descriptor{MediaType: img.desc.MediaType, Digest: img.desc.Digest, Size: img.desc.Size, Platform: &platform}
	img.manifest = e.manifest
	for _, l := range e.manifest.Layers {
		if err := l.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("image %s: %w: %w", v.subject(row), ErrCorrupt, err)
		}
		if !s.hasBlob(l.Digest, l.Size) {
			return nil, fmt.Errorf("image %s: blob %s: %w: it is missing or not %d bytes long", v.subject(row), l.Digest, ErrCorrupt, l.Size)
		}
	}
	return img, nil
}

// subject is what errors call a row's image.
func (v *save) subject(row Descriptor) string {
	if ref, err := ParseNamed(fullName(row)); err == nil {
		return ref.Familiar()
	}
	return row.Digest.Short()
}

func (v *save) write(ctx context.Context, out *saveWriter) error {
	for _, img := range v.images {
		for _, blob := range slices.Concat(img.manifest.Layers, []Descriptor{img.manifest.Config, img.desc}) {
			if err := out.blob(ctx, blob); err != nil {
				return err
			}
		}
	}
	files := []struct {
		name    string
		content any
	}{{"index.json", v.index()}, {"manifest.json", v.docker()}}
	if v.Layout {
		files = files[:1]
	}
	for _, f := range files {
		b, err := json.Marshal(f.content)
		if err != nil {
			return fmt.Errorf("encode %s: %w", f.name, err)
		}
		if err := out.file(f.name, b); err != nil {
			return err
		}
	}
	return out.file("oci-layout", []byte(layoutMarker))
}

// index is the layout's, with a row for each name.
func (v *save) index() Index {
	index := Index{SchemaVersion: 2, MediaType: MediaTypeIndex}
	for _, img := range v.images {
		if len(img.refs) == 0 {
			index.Manifests = append(index.Manifests, img.desc)
		}
		for _, name := range img.refs {
			row := img.desc
			row.Annotations = map[string]string{annotationImageName: name, annotationRefName: name}
			if ref, err := ParseNamed(name); err == nil && !v.Layout {
				row.Annotations[annotationRefName] = ref.Tag
			}
			index.Manifests = append(index.Manifests, row)
		}
	}
	return index
}

// docker is manifest.json.
func (v *save) docker() []dockerItem {
	var items []dockerItem
	for _, img := range v.images {
		item := dockerItem{Config: blobName(img.manifest.Config.Digest), Layers: []string{}}
		// In full: podman takes a short name for one of this machine's.
		item.RepoTags = append(item.RepoTags, img.refs...)
		for _, l := range img.manifest.Layers {
			item.Layers = append(item.Layers, blobName(l.Digest))
		}
		items = append(items, item)
	}
	return items
}

// blobName is the name of a blob within a layout.
func blobName(d Digest) string { return "blobs/sha256/" + d.Hex() }

// openBlob opens a stored blob, which may have gone with its image.
func (s *Store) openBlob(blob Descriptor) (*os.File, error) {
	f, err := openRegular(s.blobPath(blob.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", blob.Digest, errTaken)
	}
	return f, err
}
