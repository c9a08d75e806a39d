package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"berth/state"
)

// RemoveOptions tune Remove.
type RemoveOptions struct {
	// Force removes an image with several names, or one that stopped containers
	// use. It never removes what a running container uses.
	Force bool
	// Keep tells which layers, by path, containers stand on, of whatever image; nil
	// for none. It is asked when the image has no name any more.
	Keep func(layer string) bool
}

// User is a container that was created from an image.
type User struct {
	Container string
	Running   bool
}

// Remove takes a name from an image, and the image with its last name, by
// docker's rules. An id stands for a tag and its digests in one repository, or
// with force for all names; the last tag of a repository takes the digests of that
// repository along. inUse lists the containers of an image: it is asked twice,
// before anything changes and again once the image can no longer be resolved. A
// container creator must therefore write its record first and resolve (or find
// State unchanged) after; then one of the two sees the other.
//
// untagged holds what goes behind docker's "Untagged: ", deleted what goes behind
// "Deleted: ". Both tell what was done, even beside an error. Layers of containers
// that still exist stay for Collect. A conflict matches ErrConflict.
func (s *Store) Remove(ctx context.Context, ref string, opts RemoveOptions, inUse func(id Digest) []User) (untagged, deleted []string, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	index, err := s.readIndex()
	if err != nil {
		return nil, nil, err
	}
	e, err := s.find(index, ref)
	// A row that was found and cannot be read goes as any other, or nobody could
	// get rid of a damaged image.
	damaged := err != nil && e.desc.Digest != ""
	if err != nil && !damaged {
		return nil, nil, err
	}
	r := removal{store: s, index: index, target: e, damaged: damaged, query: ref, force: opts.Force, keep: opts.Keep, inUse: inUse}
	if err := r.plan(); err != nil {
		return nil, nil, err
	}
	return r.commit()
}

// removal is one Remove under the lock.
type removal struct {
	store  *Store
	index  Index
	target entry
	// damaged tells that not all of target could be read.
	damaged bool
	query   string
	force   bool
	keep    func(layer string) bool
	inUse   func(Digest) []User

	// names are all that the image goes by, drop those that go.
	names, drop []Reference
	// foreign tells that a row has a name of another tool's, which is none of
	// docker's.
	foreign bool
	// blocked is a conflict that lets the names go but not the image.
	blocked error
}

// plan decides which names go and refuses what docker refuses.
func (r *removal) plan() error {
	for _, row := range r.index.Manifests {
		if r.own(row) {
			r.names = addNames(r.names, row)
			_, err := ParseNamed(fullName(row))
			r.foreign = r.foreign || fullName(row) != "" && err != nil
		}
	}
	var users []User
	if id := r.target.id(); id != "" {
		users = r.inUse(id)
	}
	asked, byName := r.reference()
	if !byName {
		if !r.force && !oneReference(r.names) {
			return &conflictError{fmt.Sprintf("unable to delete %s (must be forced) - image is referenced in multiple repositories", r.target.id().Short())}
		}
		r.drop, r.foreign = r.names, false
		return r.useConflict(users)
	}
	if !r.force && oneReference(r.names) && len(users) > 0 {
		return &conflictError{fmt.Sprintf("unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
			r.query, shortID(users[0].Container), r.target.id().Short())}
	}
	r.drop = r.dropped(asked)
	if len(r.drop) == len(r.names) && !r.foreign {
		// As with docker, the names go and the image stays without one.
		r.blocked = r.useConflict(users)
	}
	return nil
}

// own tells whether a row is of the image.
func (r *removal) own(row Descriptor) bool {
	if row.Digest == r.target.desc.Digest {
		return true
	}
	e, err := r.store.readEntry(row)
	return err == nil && e.id() == r.target.id()
}

// reference returns the name that the query asks for, or false when it named the
// image by its id.
func (r *removal) reference() (Reference, bool) {
	ref, err := ParseReference(r.query)
	if err != nil {
		return ref, false
	}
	if row, ok := findRef(r.index, ref); !ok {
		return ref, false
	} else if ref.Digest != "" {
		// What the manifest is called by its own digest is its name at the registry.
		ref.Tag = ""
		if named, err := ParseNamed(fullName(row)); err == nil && !slices.Contains(r.names, ref) {
			ref = named
		}
	}
	return ref, true
}

// dropped are the names that go with one that is asked for: with the last tag of
// a repository, its digests.
func (r *removal) dropped(asked Reference) []Reference {
	drop := []Reference{asked}
	for _, n := range r.names {
		if n.Tag != "" && n != asked && n.Name() == asked.Name() {
			return drop
		}
	}
	for _, n := range r.names {
		if asked.Tag != "" && n.Digest != "" && n.Name() == asked.Name() {
			drop = append(drop, n)
		}
	}
	return drop
}

// useConflict: a running container holds its image against everything, a stopped
// one only against an unforced removal.
func (r *removal) useConflict(users []User) error {
	id := r.target.id().Short()
	for _, u := range users {
		if u.Running {
			return &conflictError{fmt.Sprintf("unable to delete %s (cannot be forced) - image is being used by running container %s", id, shortID(u.Container))}
		}
	}
	if len(users) > 0 && !r.force {
		return &conflictError{fmt.Sprintf("unable to delete %s (must be forced) - image is being used by stopped container %s", id, shortID(users[0].Container))}
	}
	return nil
}

// left is the index without what goes, and what goes with the image: all of its
// manifests.
func (r *removal) left(gone bool) (Index, []entry) {
	index, entries := r.index, []entry{r.target}
	index.Manifests = nil
	for _, row := range r.index.Manifests {
		switch own := r.own(row); {
		case own && gone:
			if e, err := r.store.readEntry(row); err == nil {
				entries = append(entries, e)
			}
			continue
		case own:
			row = without(row, r.drop)
			if fullName(row) == "" && r.blocked == nil {
				continue
			}
		}
		index.Manifests = append(index.Manifests, row)
	}
	return index, entries
}

func (r *removal) commit() (untagged, deleted []string, err error) {
	for _, ref := range r.drop {
		untagged = append(untagged, ref.Familiar())
	}
	gone := len(r.drop) == len(r.names) && r.blocked == nil && !r.foreign
	index, entries := r.left(gone)
	if err := r.store.writeIndex(index); err != nil {
		return nil, nil, err
	}
	if !gone {
		return untagged, nil, r.blocked
	}
	deleted, err = r.delete(index, entries)
	return untagged, deleted, err
}

// delete removes what the image was made of, once no name is left.
func (r *removal) delete(index Index, entries []entry) (deleted []string, err error) {
	id := r.target.id()
	if id.Validate() != nil {
		// The manifest's digest is all that is known of it.
		id = r.target.desc.Digest
	}
	// Which layers a damaged image has is not known for sure: Collect asks who uses
	// them.
	keep := r.keep
	if keep == nil {
		keep = func(string) bool { return false }
	}
	if r.damaged || len(r.inUse(r.target.id())) > 0 {
		keep = func(string) bool { return true }
	}
	layers, err := r.store.deleteContent(index, entries, keep)
	return append([]string{string(id)}, layers...), err
}

// deleteContent removes the blobs and layers of an image that nothing in the index
// needs any more, but for trees that keep claims.
func (s *Store) deleteContent(index Index, entries []entry, keep func(layer string) bool) (layers []string, err error) {
	used, err := s.references(index)
	if err != nil {
		// With a row that cannot be read nobody knows what it needs. It is that
		// image's damage, not this one's: Collect removes the rest when it has gone.
		return nil, nil //nolint:nilerr // as said
	}
	if err := s.addNeeded(used); err != nil {
		return nil, err
	}
	var blobs []Digest
	for _, e := range entries {
		blobs = append(blobs, e.desc.Digest, e.id())
		for _, l := range e.manifest.Layers {
			blobs = append(blobs, l.Digest)
		}
	}
	var failed []error
	for _, b := range blobs {
		if used.blobs[b] || b.Validate() != nil {
			continue
		}
		if err := os.Remove(s.blobPath(b)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	chain := chainIDs(entries[0].config.RootFS.DiffIDs)
	slices.Reverse(chain)
	for _, c := range chain {
		if used.layers[c.Hex()] || keep(s.layerPath(c)) {
			continue
		}
		if err := s.removeLayer(c.Hex()); err != nil {
			failed = append(failed, err)
			continue
		}
		layers = append(layers, string(c))
	}
	return layers, errors.Join(failed...)
}

// removeLayer removes a tree and what belongs to it. RemoveTree renames first, so
// nobody mounts half a layer.
func (s *Store) removeLayer(hex string) error {
	tree := s.dirs.Layer() + "/" + hex
	if err := state.RemoveTree(tree); err != nil {
		return err
	}
	for _, p := range []string{s.dirs.Layer() + "/" + LayerLink(tree), tree + ".json"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// references is what the index needs.
type references struct {
	blobs  map[Digest]bool
	layers map[string]bool
}

func (s *Store) references(index Index) (references, error) {
	used := references{blobs: map[Digest]bool{}, layers: map[string]bool{}}
	for _, row := range index.Manifests {
		e, err := s.readEntry(row)
		if err != nil {
			return used, fmt.Errorf("read image %s: %w", rowName(row), err)
		}
		s.addIndexed(used, row)
		used.blobs[row.Digest], used.blobs[e.id()] = true, true
		for _, l := range e.manifest.Layers {
			used.blobs[l.Digest] = true
		}
		for _, c := range chainIDs(e.config.RootFS.DiffIDs) {
			used.layers[c.Hex()] = true
		}
	}
	return used, nil
}

// addIndexed adds what a row names that is itself an index, as other tools write
// them: the images of all platforms that are there.
func (s *Store) addIndexed(used references, row Descriptor) {
	if row.MediaType != MediaTypeIndex && row.MediaType != MediaTypeDockerList {
		return
	}
	var index Index
	if b, err := s.readBlob(row); err != nil || json.Unmarshal(b, &index) != nil {
		return
	}
	for _, m := range index.Manifests {
		used.blobs[m.Digest] = true
		var manifest Manifest
		if b, err := s.readBlob(m); err != nil || decodeManifest(b, &manifest) != nil {
			continue
		}
		used.blobs[manifest.Config.Digest] = true
		for _, l := range manifest.Layers {
			used.blobs[l.Digest] = true
		}
	}
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}
