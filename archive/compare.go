package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Kind is what became of a path, as docker diff writes it.
type Kind byte

// The kinds of changes.
const (
	Modified Kind = 'C'
	Added    Kind = 'A'
	Deleted  Kind = 'D'
)

// Change is one path that differs between two trees.
type Change struct {
	Kind Kind
	// Path is absolute, seen from the trees' roots.
	Path string
}

func (c Change) String() string { return string(c.Kind) + " " + c.Path }

// Compare returns what differs between two trees: each directory before what is
// in it, siblings in the order of bytes. upper is what an overlay has written
// over old to become now; where it has nothing, nothing is looked at.
//
// A difference is docker's: type, mode, owner, device, file capabilities, and,
// but for directories, size and modification time. A directory in which
// something changed is Modified; of one that is gone or new below a file, the
// content counts: what is in a new one is Added, of a deleted one only itself is
// listed.
func Compare(ctx context.Context, old, now, upper *os.File) ([]Change, error) {
	var c comparison
	var at [3]node
	for i, f := range []*os.File{old, now, upper} {
		n, err := openNode(int(f.Fd()), ".")
		if err != nil {
			return nil, err
		}
		defer n.close()
		at[i] = n
	}
	err := c.dir(ctx, "", &at[0], at[1], &at[2])
	return c.list, err
}

type comparison struct{ list []Change }

func (c *comparison) add(k Kind, path string) { c.list = append(c.list, Change{k, path}) }

// redirectXattr tells overlayfs that a directory's lower parts lie elsewhere:
// then the upper layer does not list what its content is.
const redirectXattr = "trusted.overlay.redirect"

// dir compares a directory. Without old everything in it is new; without upper
// all of it is compared.
func (c *comparison) dir(ctx context.Context, path string, old *node, now node, upper *node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var was []string
	var err error
	if old != nil && old.isDir() {
		if was, err = old.names(); err != nil {
			return fmt.Errorf("list %s: %w", path, err)
		}
	}
	is, err := now.names()
	if err != nil {
		return fmt.Errorf("list %s: %w", path, err)
	}
	touched := func(string) bool { return true }
	if upper != nil {
		written, err := upper.names()
		if err != nil {
			return fmt.Errorf("list %s of the writable layer: %w", path, err)
		}
		touched = func(name string) bool { _, found := slices.BinarySearch(written, name); return found }
	}
	all := slices.Concat(was, is)
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		_, before := slices.BinarySearch(was, name)
		_, after := slices.BinarySearch(is, name)
		switch {
		case !after:
			c.add(Deleted, path+"/"+name)
		case !before:
			err = c.added(ctx, path+"/"+name, now, name)
		case touched(name):
			err = c.both(ctx, path+"/"+name, name, *old, now, upper)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// added lists a file that was not there, and all that is in it.
func (c *comparison) added(ctx context.Context, path string, dir node, name string) error {
	n, err := openNode(dir.fd, name)
	if err != nil {
		return err // it may be gone since
	}
	defer n.close()
	c.add(Added, path)
	if n.isDir() {
		return c.dir(ctx, path, nil, n, nil)
	}
	return nil
}

// both compares what is in both trees.
func (c *comparison) both(ctx context.Context, path, name string, oldDir, nowDir node, upperDir *node) error {
	now, err := openNode(nowDir.fd, name)
	if err != nil {
		return err
	}
	defer now.close()
	old, err := openNode(oldDir.fd, name)
	if err != nil {
		return err
	}
	defer old.close()
	differ, err := differs(old, now)
	if err != nil {
		return fmt.Errorf("compare %s: %w", path, err)
	}
	at := len(c.list)
	switch {
	case now.isDir():
		err = c.below(ctx, path, name, old, now, upperDir)
	case old.isDir():
		err = c.emptied(path, old)
	}
	if differ || len(c.list) > at {
		c.list = slices.Insert(c.list, at, Change{Modified, path})
	}
	return err
}

// below compares two directories of one name, or a new one with a file.
func (c *comparison) below(ctx context.Context, path, name string, old, now node, upperDir *node) error {
	if upperDir == nil {
		return c.dir(ctx, path, &old, now, nil)
	}
	upper, err := openNode(upperDir.fd, name)
	if err != nil {
		return err
	}
	defer upper.close()
	_, moved, err := upper.xattr(redirectXattr)
	if err != nil {
		return fmt.Errorf("compare %s: %w", path, err)
	}
	if moved || !upper.isDir() {
		return c.dir(ctx, path, &old, now, nil)
	}
	return c.dir(ctx, path, &old, now, &upper)
}

// emptied lists what was in a directory that is none any more.
func (c *comparison) emptied(path string, old node) error {
	names, err := old.names()
	for _, name := range names {
		c.add(Deleted, path+"/"+name)
	}
	return err
}

// capabilityXattr holds a program's file capabilities (capabilities(7)).
const capabilityXattr = "security.capability"

// differs compares two files of the same name, not what is in directories.
func differs(a, b node) (bool, error) {
	if a.st.Mode != b.st.Mode || a.st.Uid != b.st.Uid || a.st.Gid != b.st.Gid || a.st.Rdev != b.st.Rdev {
		return true, nil
	}
	if !a.isDir() && (a.st.Size != b.st.Size || a.st.Mtim != b.st.Mtim) {
		return true, nil
	}
	if a.kind() != unix.S_IFREG {
		return false, nil
	}
	before, _, err := a.xattr(capabilityXattr)
	if err != nil {
		return false, err
	}
	after, _, err := b.xattr(capabilityXattr)
	return before != after, err
}
