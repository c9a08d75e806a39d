package image

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"berth/state"

	"golang.org/x/sys/unix"
)

// Resolve finds the image that query means to docker: a full digest is an id, a
// name is looked up with its default tag, and what names nothing is tried as the
// beginning of an id. The error is *NoSuchImageError when there is none. It takes
// no lock and normally reads one small file.
func (s *Store) Resolve(query string) (img Image, err error) {
	err = s.steady(func() error {
		img, err = s.resolve(query)
		return err
	})
	return img, err
}

// steady reads again what was removed while it was read: nobody locks to read, and
// content goes after its row. What is wrong in an index that stays is an error.
func (s *Store) steady(read func() error) error {
	const tries = 20
	for try := 1; ; try++ {
		before, stampErr := s.indexStamp()
		err := read()
		var missing *NoSuchImageError
		if err == nil || errors.As(err, &missing) || stampErr != nil || try == tries {
			return err
		}
		if now, stampErr := s.indexStamp(); stampErr != nil || now == before {
			return err
		}
	}
}

func (s *Store) resolve(query string) (Image, error) {
	at, err := s.indexStamp()
	if err != nil {
		return Image{}, err
	}
	path, cached := s.recordPath(query)
	if cached {
		// Whatever is wrong with a record, the layout has the answer.
		if b, err := state.ReadFile(path); err == nil {
			if img, err := decodeRecord(b, at, s.dirs.Layer()); err == nil {
				return img, nil
			}
		}
	}
	index, err := s.readIndex()
	if err != nil {
		return Image{}, err
	}
	e, err := s.find(index, query)
	if err != nil {
		return Image{}, err
	}
	img, err := s.image(e)
	if err == nil && cached && at.settled() {
		// A store that cannot be written to still resolves.
		_ = state.WriteFile(path, encodeRecord(img, at), state.Fast)
	}
	return img, err
}

// find searches the index as Resolve says.
func (s *Store) find(index Index, query string) (entry, error) {
	missing := &NoSuchImageError{Ref: query}
	if id, err := ParseDigest(query); err == nil {
		return s.findID(index, id.Hex(), missing)
	}
	if len(query) == 64 && isLowerHex(query) {
		return s.findID(index, query, missing)
	}
	ref, err := ParseReference(query)
	if err != nil {
		if hex, ok := strings.CutPrefix(query, "sha256:"); ok && isLowerHex(hex) {
			return s.findID(index, hex, missing)
		}
		return entry{}, err
	}
	missing.Ref = ref.Familiar()
	if desc, ok := findRef(index, ref); ok {
		return s.readEntry(desc)
	}
	hex := strings.TrimPrefix(query, "sha256:")
	if !isLowerHex(hex) {
		return entry{}, missing
	}
	return s.findID(index, hex, missing)
}

// findRef returns the row that carries the name. A digest pins what the registry
// has under it, or the manifest, and then the tag beside it is not looked at, as
// with docker.
func findRef(index Index, ref Reference) (Descriptor, bool) {
	full := ref.String()
	for _, desc := range index.Manifests {
		if fullName(desc) == full {
			return desc, true
		}
	}
	if ref.Digest == "" {
		return Descriptor{}, false
	}
	for _, desc := range index.Manifests {
		if desc.Digest != ref.Digest && knownDigest(desc) != ref.Digest {
			continue
		}
		if have, err := ParseNamed(fullName(desc)); err == nil && have.Name() == ref.Name() {
			return desc, true
		}
	}
	return Descriptor{}, false
}

// findID returns the image whose id starts with hex. Rows that cannot be read do
// not stand in the way of the others; they go by the whole digest of their
// manifest, which is what listings show of them.
func (s *Store) findID(index Index, hex string, missing error) (entry, error) {
	var found entry
	for _, desc := range index.Manifests {
		e, err := s.readEntry(desc)
		if err != nil && desc.Digest.Hex() == hex {
			return e, err
		}
		if err != nil || !strings.HasPrefix(e.id().Hex(), hex) {
			continue
		}
		if found.id() != "" && found.id() != e.id() {
			return entry{}, fmt.Errorf("image id prefix %q is ambiguous: it fits %s and %s", hex, found.id().Short(), e.id().Short())
		}
		if found.id() == "" {
			found = e
		}
	}
	if found.id() == "" {
		return entry{}, missing
	}
	return found, nil
}

// stamp identifies one state of index.json, which is only ever replaced.
type stamp struct {
	dev, ino uint64
	size     int64
	mtime    int64
}

// indexStamp returns the zero stamp when there is no index.
func (s *Store) indexStamp() (stamp, error) {
	var st unix.Stat_t
	err := unix.Lstat(s.indexPath(), &st)
	if err == unix.ENOENT {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, &os.PathError{Op: "lstat", Path: s.indexPath(), Err: err}
	}
	return stamp{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano()}, nil
}

// State is one state of the index: as long as it stays the same, so does what
// every query resolves to.
type State struct{ at stamp }

// State returns the present state of the index. It costs one system call.
func (s *Store) State() (State, error) {
	at, err := s.indexStamp()
	return State{at}, err
}

// settled reports whether any later index must have a later mtime. File times
// advance in ticks of up to 10 ms and a freed inode number is used again, so a
// stamp taken within the tick of the write could fit the next index too.
func (at stamp) settled() bool {
	age := time.Now().UnixNano() - at.mtime
	return at.ino != 0 && age > int64(50*time.Millisecond)
}

// recordPath returns where the answer to query is kept. No legal query has a "!",
// so that names cannot clash; overlong ones are not kept.
func (s *Store) recordPath(query string) (string, bool) {
	if query == "" || len(query) > 200 || strings.ContainsAny(query, "!\x00") {
		return "", false
	}
	return s.dirs.Cache() + "/" + recordPrefix + strings.ReplaceAll(query, "/", "!"), true
}

const recordPrefix = "image-"

// dropRecords removes every kept answer.
func (s *Store) dropRecords() error {
	names, err := os.ReadDir(s.dirs.Cache())
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), recordPrefix) {
			if err := os.Remove(s.dirs.Cache() + "/" + n.Name()); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}
