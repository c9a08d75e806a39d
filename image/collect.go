package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// blobGrace is how long a blob that no image names stays: a pull in progress, or
// one that was cut and will go on, has stored it.
const blobGrace = time.Hour

// Collect removes what no image names: layer trees that keep does not claim, what
// was left beside trees that have gone, and blobs older than an hour. Such things
// are left by a forced Remove under a stopped container, and by a writer that
// died between its renames. keep is asked with the path as in Image.Layers. It
// returns the chain ids of the trees that went. Of a store with an image that
// cannot be read nothing goes: it could be that image's.
func (s *Store) Collect(ctx context.Context, keep func(layer string) bool) ([]string, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.sweep(); err != nil {
		return nil, err
	}
	waste, err := s.unnamed(keep)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, chain := range waste.layers {
		if err := s.removeLayer(chain.Hex()); err != nil {
			return removed, err
		}
		removed = append(removed, string(chain))
	}
	var failed []error
	for _, path := range append(waste.files, waste.blobs...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return removed, errors.Join(failed...)
}

// Unused returns the paths that Collect would remove, and removes nothing.
func (s *Store) Unused(keep func(layer string) bool) ([]string, error) {
	waste, err := s.unnamed(keep)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, chain := range waste.layers {
		paths = append(paths, s.layerPath(chain))
	}
	return append(append(paths, waste.files...), waste.blobs...), nil
}

// unnamed is what no image names.
type unnamed struct {
	layers []Digest // by chain id
	// files belong to layers without a tree.
	files []string
	blobs []string
}

func (s *Store) unnamed(keep func(layer string) bool) (unnamed, error) {
	var waste unnamed
	index, err := s.readIndex()
	if err != nil {
		return waste, err
	}
	used, err := s.references(index)
	if err != nil {
		return waste, fmt.Errorf("keep what no image names: %w", err)
	}
	if err := s.addNeeded(used); err != nil {
		return waste, err
	}
	if err := waste.addLayers(s, used, keep); err != nil {
		return waste, err
	}
	return waste, waste.addBlobs(s, used)
}

// addLayers adds the trees, and what belongs to trees that are not there.
func (w *unnamed) addLayers(s *Store, used references, keep func(layer string) bool) error {
	trees, err := readDir(s.dirs.Layer())
	if err != nil {
		return err
	}
	there, links := map[string]bool{}, map[string]bool{}
	for hex := range used.layers {
		there[hex], links[LayerLink(hex)] = true, true
	}
	for _, n := range trees {
		if hex := n.Name(); isLayerName(hex) {
			there[hex], links[LayerLink(hex)] = true, true
			if !used.layers[hex] && !keep(s.dirs.Layer()+"/"+hex) {
				w.layers = append(w.layers, Digest("sha256:"+hex))
			}
		}
	}
	for _, n := range trees {
		if hex, isRecord := strings.CutSuffix(n.Name(), ".json"); isRecord && isLayerName(hex) && !there[hex] {
			w.files = append(w.files, s.dirs.Layer()+"/"+n.Name())
		}
	}
	names, err := readDir(s.dirs.Layer() + "/" + linkDir)
	for _, n := range names {
		if name := linkDir + "/" + n.Name(); !links[name] && n.Type() == fs.ModeSymlink {
			w.files = append(w.files, s.dirs.Layer()+"/"+name)
		}
	}
	return err
}

func (w *unnamed) addBlobs(s *Store, used references) error {
	blobs, err := readDir(s.blobDir())
	for _, n := range blobs {
		d := Digest("sha256:" + n.Name())
		if fi, err := n.Info(); err == nil && d.Validate() == nil && !used.blobs[d] && time.Since(fi.ModTime()) >= blobGrace {
			w.blobs = append(w.blobs, s.blobPath(d))
		}
	}
	return err
}

// readDir lists a folder, which may not be there.
func readDir(path string) ([]fs.DirEntry, error) {
	list, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}
