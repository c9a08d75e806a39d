package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// PackLayer writes what makes now out of old as the tar of an image layer
// (image-spec, layer.md): what is there, with whiteouts for what is not any
// more. upper is what an overlay has written over old to become now; the files
// are read from now, so it does not matter how the overlay keeps them. A layer
// without changes is an archive without entries.
func PackLayer(ctx context.Context, w io.Writer, old, now, upper *os.File, opts PackOptions) error {
	var at [3]node
	for i, f := range []*os.File{old, now, upper} {
		n, err := openNode(int(f.Fd()), ".")
		if err != nil {
			return err
		}
		defer n.close()
		at[i] = n
	}
	l := layerPacker{packer: newPacker(w, opts)}
	written, err := at[2].names()
	if err == nil && len(written) > 0 {
		err = l.dir(ctx, "", &at[0], at[1], at[2])
	}
	return errors.Join(err, l.end(err == nil))
}

// layerPacker writes one layer.
type layerPacker struct{ *packer }

// opaqueXattr tells overlayfs that a directory hides what lower layers have in
// it; "x" only says that it may have whiteouts of another kind.
const opaqueXattr = "trusted.overlay.opaque"

// dir writes a directory that the upper layer has, and what is in it there. old
// is nil when there was nothing of this name.
func (l layerPacker) dir(ctx context.Context, name string, old *node, now, upper node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entry := name
	if entry == "" {
		entry = "."
	}
	h, err := l.header(now, entry)
	if err == nil {
		err = l.entry(now, h)
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", entry, err)
	}
	moved, opaque, err := hides(upper)
	if err != nil {
		return fmt.Errorf("archive %s: %w", entry, err)
	}
	wasDir := old != nil && old.isDir()
	if wasDir && (opaque || moved) {
		if err := l.delete(below(name, whiteoutOpaque)); err != nil {
			return err
		}
	}
	if moved {
		return l.content(ctx, now, name)
	}
	names, err := upper.names()
	if err != nil {
		return fmt.Errorf("archive %s: %w", entry, err)
	}
	for _, base := range names {
		if err := l.member(ctx, name, base, old, now, upper); err != nil {
			return err
		}
	}
	return nil
}

// hides reads from a directory of the upper layer whether its lower parts lie
// elsewhere, and whether it has none.
func hides(upper node) (moved, opaque bool, err error) {
	if _, moved, err = upper.xattr(redirectXattr); err != nil {
		return false, false, err
	}
	value, _, err := upper.xattr(opaqueXattr)
	return moved, value == "y", err
}

// member writes one name of a directory of the upper layer.
func (l layerPacker) member(ctx context.Context, dir, base string, oldDir *node, nowDir, upperDir node) error {
	name := below(dir, base)
	var old *node
	if oldDir != nil && oldDir.isDir() {
		n, err := openNode(oldDir.fd, base)
		if err == nil {
			defer n.close()
			old = &n
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("archive %s: %w", name, err)
		}
	}
	now, err := openNode(nowDir.fd, base)
	if errors.Is(err, fs.ErrNotExist) {
		if old == nil {
			return nil
		}
		return l.delete(below(dir, whiteoutPrefix+base))
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	defer now.close()
	if strings.HasPrefix(base, whiteoutPrefix) {
		l.notice("%s: left out: in a layer such a name deletes", name)
		return nil
	}
	upper, err := openNode(upperDir.fd, base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone just now
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	defer upper.close()
	if now.isDir() && upper.isDir() {
		return l.dir(ctx, name, old, now, upper)
	}
	return l.add(ctx, now, name, name)
}

// delete writes a whiteout.
func (l layerPacker) delete(name string) error {
	err := l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Format: tar.FormatPAX})
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	return nil
}

func below(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
