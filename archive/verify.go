package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDifferences is how many differences Verify lists.
const maxDifferences = 10

// Verified is what Verify found.
type Verified struct {
	// Unpacked is what Unpack says of the same tar; DroppedXattrs are those that
	// the tree does not have.
	Unpacked
	// Differences lists "path: what is wrong", the first ten.
	Differences []string
}

// Verify compares the tree that Unpack once made of the tar in r with that tar:
// that everything is there and nothing else, with its content and all that Unpack
// sets. It changes nothing, and reads the tar once and the tree once. An error is a
// tar or a tree that cannot be read.
func Verify(ctx context.Context, r io.Reader, root *os.File) (Verified, error) {
	v := &verifier{
		in: r, seed: maphash.MakeSeed(), buf: make([]byte, holeSize),
		root: &wanted{kind: unix.S_IFDIR, children: map[string]*wanted{}},
	}
	if err := v.read(ctx); err != nil {
		return v.out, err
	}
	n, err := openNode(int(root.Fd()), ".")
	if err != nil {
		return v.out, err
	}
	defer n.close()
	if err := v.compare(ctx, "", v.root, n); err != nil {
		return v.out, err
	}
	slices.Sort(v.out.DroppedXattrs)
	slices.Sort(v.out.Implicit)
	return v.out, nil
}

// verifier builds a picture of the tree that the tar means, and compares it with
// the tree that is there.
type verifier struct {
	in   io.Reader
	seed maphash.Seed
	buf  []byte
	root *wanted
	out  Verified
}

// wanted is one file as it should be. Hard links share one.
type wanted struct {
	kind uint32
	// h is nil for what the tar does not describe: the root, and directories that
	// were made unasked.
	h *tar.Header
	// sum is the hash of a regular file's content, and size its length.
	sum  uint64
	size int64
	// whiteout is overlayfs' sign for a deletion, opaque that of a directory which
	// hides what is below.
	whiteout, opaque bool
	children         map[string]*wanted

	// dev and ino are those of the first of its names that was met.
	dev, ino uint64
}

// read takes in the tar by the rules of Unpack.
func (v *verifier) read(ctx context.Context) error {
	tr := tar.NewReader(v.in)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read layer entry %d: %w", v.out.Entries+1, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		v.out.Entries++
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := v.entry(ctx, h, tr); err != nil {
			return fmt.Errorf("read entry %q: %w", h.Name, err)
		}
	}
	_, err := io.Copy(io.Discard, v.in)
	return err
}

func (v *verifier) entry(ctx context.Context, h *tar.Header, data io.Reader) error {
	p, err := layerPolicy{}.path(h.Name)
	if err != nil {
		return err
	}
	if p == "" {
		v.root.h = h
		return nil
	}
	dir, base := splitPath(p)
	parent, err := v.dir(dir)
	if err != nil {
		return err
	}
	was := parent.children[base]
	switch {
	case strings.HasPrefix(base, whiteoutPrefix):
		parent.delete(base)
	case h.Typeflag == tar.TypeDir && was != nil && was.kind == unix.S_IFDIR:
		was.h = h
	case h.Typeflag == tar.TypeDir:
		parent.children[base] = newDir(h, was)
	case h.Typeflag == tar.TypeLink:
		target, err := v.find(h.Linkname)
		if err != nil {
			return err
		}
		parent.children[base] = target
	default:
		w := &wanted{kind: kindOf(h), h: h}
		if w.sum, w.size, err = v.sum(ctx, data); err != nil {
			return err
		}
		if w.kind == unix.S_IFREG {
			v.out.Size += w.size
		}
		parent.children[base] = w
	}
	return nil
}

// newDir is a directory in place of what was there: a whiteout that it replaces
// still hides what is below.
func newDir(h *tar.Header, was *wanted) *wanted {
	return &wanted{kind: unix.S_IFDIR, h: h, opaque: was != nil && was.whiteout, children: map[string]*wanted{}}
}

// delete takes in a layer's word for a deletion.
func (w *wanted) delete(base string) {
	name := strings.TrimPrefix(base, whiteoutPrefix)
	switch was := w.children[name]; {
	case base == whiteoutOpaque:
		w.opaque = true
	case strings.HasPrefix(base, whiteoutMeta):
	case was == nil:
		w.children[name] = &wanted{kind: unix.S_IFCHR, whiteout: true}
	case was.kind == unix.S_IFDIR:
		was.opaque = true
	}
}

// dir returns the directory at p, which the tar may have left to be made.
func (v *verifier) dir(p string) (*wanted, error) {
	w := v.root
	if p == "" {
		return w, nil
	}
	for name := range strings.SplitSeq(p, "/") {
		next := w.children[name]
		if next == nil || next.whiteout {
			next = newDir(nil, next)
			w.children[name] = next
		}
		if next.kind != unix.S_IFDIR {
			return nil, fmt.Errorf("%w: %q is not a directory", ErrHostile, p)
		}
		w = next
	}
	return w, nil
}

// find returns what a hard link leads to.
func (v *verifier) find(linkname string) (*wanted, error) {
	p, err := layerPolicy{}.path(linkname)
	if err != nil {
		return nil, err
	}
	dir, base := splitPath(p)
	parent, err := v.dir(dir)
	if err != nil {
		return nil, err
	}
	if w := parent.children[base]; w != nil && w.kind != unix.S_IFDIR {
		return w, nil
	}
	return nil, fmt.Errorf("%w: hard link to %q, which is not there", ErrHostile, linkname)
}

// sum hashes content.
func (v *verifier) sum(ctx context.Context, r io.Reader) (sum uint64, size int64, err error) {
	var h maphash.Hash
	h.SetSeed(v.seed)
	for {
		n, err := r.Read(v.buf)
		_, _ = h.Write(v.buf[:n]) // a hash takes everything
		size += int64(n)
		if err == io.EOF {
			return h.Sum64(), size, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, size, err
		}
	}
}
