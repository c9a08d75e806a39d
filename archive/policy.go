package archive

import (
	"archive/tar"
	"fmt"
	"os"
	"path"
	"strings"
)

// layerPolicy is that of an image's layer: whatever the tar says, and the later
// entry wins.
type layerPolicy struct{}

func (layerPolicy) path(name string) (string, error) {
	for component := range strings.SplitSeq(name, "/") {
		if component == ".." {
			return "", fmt.Errorf("%w: %q has a \"..\" component", ErrHostile, name)
		}
	}
	return entryPath(name)
}

func (layerPolicy) whiteout(base string) bool { return strings.HasPrefix(base, whiteoutPrefix) }

func (layerPolicy) occupied(string, bool, *tar.Header) error { return nil }

func (layerPolicy) owner(uid, gid int, _ bool) (ownership, error) {
	return ownership{uid: uid, gid: gid, change: true}, nil
}

// entryPath turns a name from a tar into a clean path below the root, "" for the
// root itself. A leading slash is dropped, as docker and tar do; what leads up
// from the root is refused.
func entryPath(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: empty name", ErrHostile)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: NUL in name", ErrHostile)
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%w: %q is outside of where the archive goes", ErrHostile, name)
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}

// ownership is who a file shall belong to.
type ownership struct {
	uid, gid int
	// change is false for a file that stays with whoever has it.
	change bool
	// disowned is a file that is another's than in the archive.
	disowned bool
}

// Owners says who the files of a copy shall belong to. A nil one leaves them to
// the caller.
type Owners interface {
	// Of returns the ids that a file gets whose owner in the archive is uid:gid.
	Of(uid, gid int) (int, int, error)
	// Keep tells whether owners are those of the archive: then directories that
	// were there before change theirs, too, and files keep the powers that go with
	// an owner.
	Keep() bool
}

// copyPolicy is that of a copy into a tree that is in use: docker's.
type copyPolicy struct {
	dest   string
	owners Owners
}

func (c copyPolicy) owner(uid, gid int, kept bool) (ownership, error) {
	if c.owners == nil {
		return ownership{disowned: uid != os.Geteuid() || gid != os.Getegid()}, nil
	}
	var o ownership
	var err error
	o.change, o.disowned = c.owners.Keep() || !kept, !c.owners.Keep() && (uid != 0 || gid != 0)
	o.uid, o.gid, err = c.owners.Of(uid, gid)
	return o, err
}

func (copyPolicy) path(name string) (string, error) { return entryPath(name) }
func (copyPolicy) whiteout(string) bool             { return false }

// occupied: files give way to files, nothing to a directory, and a directory to
// nothing.
func (c copyPolicy) occupied(p string, isDir bool, h *tar.Header) error {
	at := path.Join("/", c.dest, p)
	switch {
	case isDir && h.Typeflag != tar.TypeDir:
		return fmt.Errorf("cannot overwrite directory %q with non-directory %q", at, c.dest)
	case !isDir && h.Typeflag == tar.TypeDir:
		return fmt.Errorf("cannot overwrite non-directory %q with directory %q", at, c.dest)
	}
	return nil
}
