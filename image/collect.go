package image

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// blobGrace is how long a blob that no image names stays: a pull in progress, or
// one that was cut and will go on, has stored it.
const blobGrace = time.Hour

// Collect removes what no image names: layer trees that keep does not claim, and
// blobs older than an hour. Such things are left by a forced Remove under a stopped
// container, and by a writer that died between its renames. keep is asked with the
// path as in Image.Layers. It returns the chain ids of the trees that went.
func (s *Store) Collect(ctx context.Context, keep func(layer string) bool) ([]string, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.sweep(); err != nil {
		return nil, err
	}
	index, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	used, err := s.references(index)
	if err != nil {
		return nil, err
	}
	names, err := os.ReadDir(s.dirs.Layer())
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, n := range names {
		hex := n.Name()
		if !isLayerName(hex) || used.layers[hex] || keep(s.dirs.Layer()+"/"+hex) {
			continue
		}
		if err := s.removeLayer(hex); err != nil {
			return removed, err
		}
		removed = append(removed, "sha256:"+hex)
	}
	return removed, s.collectBlobs(used)
}

func (s *Store) collectBlobs(used references) error {
	names, err := os.ReadDir(s.blobDir())
	if err != nil {
		return err
	}
	var failed []error
	for _, n := range names {
		d := Digest("sha256:" + n.Name())
		fi, err := n.Info()
		if err != nil || d.Validate() != nil || used.blobs[d] || time.Since(fi.ModTime()) < blobGrace {
			continue
		}
		if err := os.Remove(s.blobPath(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
