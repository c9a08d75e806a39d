// Package image owns images: references, the store of blobs, unpacked layers,
// and what an image's config says.
//
// The store is a valid OCI image layout under <root>/image, readable by other
// tools while berth uses it, and one unpacked tree per layer under
// <root>/layer/<chain-id>, which overlay mounts use as lower directories. It
// guarantees that
//
//   - blobs and trees appear by rename, complete, verified and synced, and never
//     change afterwards;
//   - index.json decides what exists: content is committed before the index names
//     it and removed after the index has forgotten it, so that a crash at any
//     point leaves a usable store and at worst unused files (Collect);
//   - readers take no lock, writers hold <root>/image/.lock for the commit only,
//     not while they read or unpack;
//   - nothing in an image can name a path outside its own layer.
//
// Store.Resolve is on berth's start path. It reads one small record from
// <root>/cache, derived from the layout and valid only for the very index.json
// it was derived from.
//
// Not for container file systems: mounting the layers is rootfs' work, and a
// layer's tree must never be written to.
package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"berth/state"

	"golang.org/x/sys/unix"
)

// Store is the image store of one berth root. It holds no open files and is safe
// for concurrent use by any number of processes.
type Store struct {
	dirs state.Dirs
}

// Open returns the store under dirs. It touches no file; the first write makes
// what is missing.
func Open(dirs state.Dirs) *Store { return &Store{dirs: dirs} }

func (s *Store) indexPath() string { return s.dirs.Image() + "/index.json" }

func (s *Store) blobDir() string { return s.dirs.Image() + "/blobs/sha256" }

func (s *Store) blobPath(d Digest) string { return s.blobDir() + "/" + d.Hex() }

// lock makes the layout if need be and takes the writers' lock.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := s.ensure(); err != nil {
		return nil, err
	}
	return s.lockFile(ctx, ".lock")
}

func (s *Store) lockFile(ctx context.Context, name string) (unlock func(), err error) {
	l, err := state.Lock(ctx, s.dirs.Image()+"/"+name)
	if err != nil {
		return nil, err
	}
	// What the lock guarded is done by then, and the process' end unlocks, too.
	return func() { _ = l.Close() }, nil
}

// sweep removes what is left of writers that died; it may be gigabytes.
func (s *Store) sweep() error {
	if _, err := state.Sweep(s.dirs, s.blobDir()); err != nil {
		return fmt.Errorf("sweep interrupted writes: %w", err)
	}
	return s.sweepPartials()
}

// ensure makes the folders and the layout's marker file (image-spec,
// image-layout.md). index.json follows with the first image.
func (s *Store) ensure() error {
	if err := s.dirs.Ensure(); err != nil {
		return err
	}
	for _, dir := range []string{s.dirs.Image() + "/blobs", s.blobDir(), s.fetchPath(), s.dirs.Layer() + "/" + linkDir} {
		if err := state.MakeDir(dir); err != nil {
			return err
		}
	}
	marker := s.dirs.Image() + "/oci-layout"
	if _, err := os.Lstat(marker); err == nil {
		return nil
	}
	return state.WriteFile(marker, []byte(layoutMarker), state.Durable)
}

// layoutMarker is the content of oci-layout.
const layoutMarker = `{"imageLayoutVersion":"1.0.0"}` + "\n"

// readIndex returns the layout's index, an empty one where there is none yet.
func (s *Store) readIndex() (Index, error) {
	var index Index
	err := state.ReadJSON(s.indexPath(), &index)
	if errors.Is(err, fs.ErrNotExist) {
		return Index{SchemaVersion: 2, MediaType: MediaTypeIndex, Manifests: []Descriptor{}}, nil
	}
	switch {
	case err != nil:
	case index.SchemaVersion > 2:
		err = fmt.Errorf("read %s: schemaVersion %d: %w", s.indexPath(), index.SchemaVersion, errNewer)
	case index.SchemaVersion != 2:
		err = fmt.Errorf("read %s: %w: schemaVersion %d", s.indexPath(), ErrCorrupt, index.SchemaVersion)
	}
	return index, err
}

// writeIndex replaces the index. The caller holds the lock. Every resolved record
// is out of date then; they are removed so that they do not pile up.
func (s *Store) writeIndex(index Index) error {
	if index.Manifests == nil {
		index.Manifests = []Descriptor{}
	}
	index = s.withoutNameless(withoutRepeats(index))
	err := state.WriteJSON(s.indexPath(), index, state.Durable)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		// Who removes an image to have room again must not need some for it.
		s.makeRoom()
		err = state.WriteJSON(s.indexPath(), index, state.Durable)
	}
	if err != nil {
		return err
	}
	return s.dropRecords()
}

// makeRoom gives up what can be made again at any time. Nobody minds when that
// fails.
func (s *Store) makeRoom() {
	_ = s.dropRecords()
	filters, _ := readDir(s.dirs.Cache() + "/seccomp")
	for _, f := range filters {
		_ = os.Remove(s.dirs.Cache() + "/seccomp/" + f.Name())
	}
}

// readBlob returns a small verified blob, such as a manifest or a config.
func (s *Store) readBlob(d Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if d.Size < 0 || d.Size > maxMetadata {
		return nil, fmt.Errorf("blob %s: %w: size %d", d.Digest, ErrCorrupt, d.Size)
	}
	f, err := openRegular(s.blobPath(d.Digest))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readVerified(f, d.Digest, d.Size)
}

// maxMetadata bounds manifests and configs, in bytes. Registries refuse manifests
// above 4 MiB; configs with long histories stay below it as well.
const maxMetadata = 8 << 20

// hasBlob reports whether a blob of this digest and size is stored. What is
// stored was verified when it came in.
func (s *Store) hasBlob(d Digest, size int64) bool {
	fi, err := os.Lstat(s.blobPath(d))
	return err == nil && fi.Mode().IsRegular() && fi.Size() == size
}

// writeBlob stores a small blob under its digest, in place of one that is
// damaged.
func (s *Store) writeBlob(b []byte) (Digest, error) {
	d := digestBytes(b)
	if _, err := s.readBlob(Descriptor{Digest: d, Size: int64(len(b))}); err == nil {
		return d, nil
	}
	return d, state.WriteFile(s.blobPath(d), b, state.Durable)
}
