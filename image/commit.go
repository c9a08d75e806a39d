package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// CommitOptions describe the image that Commit makes of a layer.
type CommitOptions struct {
	// Ref names the image; without one it goes by its id only.
	Ref string
	// Parent is the id of the image that the layer belongs on.
	Parent Digest
	// Config is what a container of the image starts with, before Changes, which
	// are Dockerfile instructions.
	Config  Config
	Changes []string
	// Author, Message and CreatedBy go into the new entry of the history.
	Author, Message, CreatedBy string
	// Created is now when zero.
	Created time.Time
}

// emptyLayer is the digest of an archive without entries: such a layer changes
// nothing and is not kept.
const emptyLayer Digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// Commit makes an image of another one and one more layer, the tar in layer. The
// image appears, with its name, when all of it is on disk; its layer's tree and
// digest are made of the same bytes. A name that another image had moves.
func (s *Store) Commit(ctx context.Context, layer io.Reader, o CommitOptions) (Image, error) {
	ref, err := newName(o.Ref, "refusing to create a tag with a digest reference")
	if err != nil {
		return Image{}, err
	}
	for _, change := range o.Changes {
		if err := applyChange(&o.Config, change); err != nil {
			return Image{}, err
		}
	}
	st, err := s.beginStage()
	if err != nil {
		return Image{}, err
	}
	img, err := s.commitStaged(ctx, st, layer, ref, o)
	return img, errors.Join(err, st.discard())
}

func (s *Store) commitStaged(ctx context.Context, st *stage, layer io.Reader, ref string, o CommitOptions) (Image, error) {
	index, err := s.readIndex()
	if err != nil {
		return Image{}, err
	}
	parent, err := s.find(index, string(o.Parent))
	if err != nil {
		return Image{}, err
	}
	// The layer comes from this machine's own files.
	none := Limits{Entries: math.MaxInt, Bytes: math.MaxInt64, Ratio: math.MaxInt64, RatioAfter: math.MaxInt64}
	if err := st.receive(ctx, layer, none); err != nil {
		return Image{}, fmt.Errorf("commit layer: %w", err)
	}
	p := publication{config: o.child(parent.config, st.diffID == emptyLayer), layers: slices.Clone(parent.manifest.Layers), ref: ref}
	place := func() error { return nil }
	if st.diffID != emptyLayer {
		p.layers = append(p.layers, st.blob)
		p.config.RootFS.DiffIDs = append(slices.Clone(parent.config.RootFS.DiffIDs), st.diffID)
		chain := chainIDs(p.config.RootFS.DiffIDs)
		place = func() error { return errors.Join(s.commitBlob(st), s.commitLayer(st, chain[len(chain)-1])) }
	}
	p.place = func(index Index) error {
		// It may have been removed while the layer was read, and its blobs with it.
		if _, err := s.find(index, string(o.Parent)); err != nil {
			return err
		}
		return place()
	}
	return s.publish(ctx, p)
}

// child is the config of the new image, without its new layer.
func (o CommitOptions) child(parent ImageConfig, empty bool) ImageConfig {
	created := o.Created
	if created.IsZero() {
		created = time.Now()
	}
	created = created.UTC()
	c := parent
	c.Created, c.Author, c.Config = &created, o.Author, o.Config
	c.History = append(slices.Clone(parent.History), History{
		Created: &created, CreatedBy: o.CreatedBy, Author: o.Author, Comment: o.Message, EmptyLayer: empty,
	})
	return c
}
