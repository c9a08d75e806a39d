package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"berth/state"
)

// brokenSuffix is what the name of a damaged index gets, behind it, when a new
// one takes its place.
const brokenSuffix = ".broken"

// lostIndex is an index that is not there while images are.
func (c *checker) lostIndex() error {
	if _, err := os.Lstat(c.indexPath()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	rows, err := c.wholeImages()
	if err != nil || len(rows) == 0 {
		return err
	}
	return fmt.Errorf("%w: it is missing, and there are blobs of images", ErrCorrupt)
}

// rebuildIndex makes a new index in place of a damaged one: of the rows that can
// still be read in it, and of all other images whose blobs are there, without
// names. The damaged one stays beside it.
func (c *checker) rebuildIndex(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if index, err := c.readIndex(); err == nil && len(index.Manifests) > 0 {
		return nil // somebody was faster
	}
	whole, err := c.wholeImages()
	if err != nil {
		return err
	}
	text, err := state.ReadFile(c.indexPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// A link, a folder or a device is out of the way by its rename.
		text = nil
	}
	index := Index{SchemaVersion: 2, MediaType: MediaTypeIndex}
	for _, row := range salvage(text) {
		if _, err := c.readEntry(row); err == nil {
			index.Manifests = append(index.Manifests, row)
		}
	}
	for _, row := range whole {
		if !slices.ContainsFunc(index.Manifests, func(d Descriptor) bool { return d.Digest == row.Digest }) {
			index.Manifests = append(index.Manifests, row)
		}
	}
	if err := os.Rename(c.indexPath(), c.indexPath()+brokenSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return c.writeIndex(index)
}

// salvage returns the rows of a damaged index up to where it cannot be read.
func salvage(text []byte) []Descriptor {
	_, list, found := bytes.Cut(text, []byte(`"manifests":`))
	if !found {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(list))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil
	}
	var rows []Descriptor
	for d.More() {
		var row Descriptor
		if err := d.Decode(&row); err != nil {
			break
		}
		if row.Digest.Validate() == nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// wholeImages returns a row for every manifest among the blobs whose image is
// complete, in the order of digests.
func (c *checker) wholeImages() ([]Descriptor, error) {
	names, err := os.ReadDir(c.blobDir())
	if err != nil {
		return nil, err
	}
	var rows []Descriptor
	for _, n := range names {
		d := Digest("sha256:" + n.Name())
		fi, err := n.Info()
		if err != nil || d.Validate() != nil || fi.Size() > maxMetadata || !fi.Mode().IsRegular() {
			continue
		}
		if row, ok := c.wholeImage(Descriptor{Digest: d, Size: fi.Size()}); ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// wholeImage returns the row of a blob that is the manifest of an image all of
// which is there.
func (c *checker) wholeImage(desc Descriptor) (Descriptor, bool) {
	f, err := openRegular(c.blobPath(desc.Digest))
	if err != nil {
		return desc, false
	}
	defer f.Close()
	// Most blobs of this size are layers: one look spares hashing them.
	head := make([]byte, 1)
	if _, err := f.ReadAt(head, 0); err != nil || head[0] != '{' && head[0] != ' ' && head[0] != '\n' && head[0] != '\t' {
		return desc, false
	}
	e, err := c.readEntry(desc)
	if err != nil || len(e.manifest.Config.Digest) == 0 {
		return desc, false
	}
	for _, l := range e.manifest.Layers {
		if l.Digest.Validate() != nil || !c.hasBlob(l.Digest, l.Size) {
			return desc, false
		}
	}
	desc.MediaType = e.manifest.MediaType
	if desc.MediaType == "" {
		desc.MediaType = MediaTypeManifest
	}
	desc.Platform = &Platform{OS: e.config.OS, Architecture: e.config.Architecture, Variant: e.config.Variant}
	return desc, true
}
