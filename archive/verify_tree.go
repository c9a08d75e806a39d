package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// differs notes a difference.
func (v *verifier) differs(path, format string, args ...any) {
	if len(v.out.Differences) < maxDifferences {
		v.out.Differences = append(v.out.Differences, "/"+path+": "+fmt.Sprintf(format, args...))
	}
}

// compare looks at one file of the tree, and at all that is below it.
func (v *verifier) compare(ctx context.Context, path string, w *wanted, n node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.kind() != w.kind {
		v.differs(path, "it is %s, not %s", kindName(n.kind()), kindName(w.kind))
		return nil
	}
	if w.ino != 0 {
		if n.st.Dev != w.dev || n.st.Ino != w.ino {
			v.differs(path, "it is no hard link")
		}
		return nil
	}
	w.dev, w.ino = n.st.Dev, n.st.Ino
	if w.whiteout {
		if n.st.Rdev != 0 {
			v.differs(path, "it is no whiteout")
		}
		return nil
	}
	if err := v.metadata(path, w, n); err != nil {
		return err
	}
	switch w.kind {
	case unix.S_IFDIR:
		return v.content(ctx, path, w, n)
	case unix.S_IFREG:
		return v.data(ctx, path, w, n)
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(n.fd, "", target)
		if err != nil {
			return fmt.Errorf("readlink %q: %w", path, err)
		}
		if string(target[:size]) != w.h.Linkname {
			v.differs(path, "it leads to %q, not to %q", target[:size], w.h.Linkname)
		}
	}
	return nil
}

func kindName(kind uint32) string {
	switch kind {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// content compares what is in a directory.
func (v *verifier) content(ctx context.Context, path string, w *wanted, n node) error {
	is, err := n.names()
	if err != nil {
		return fmt.Errorf("list %q: %w", path, err)
	}
	below := path
	if below != "" {
		below += "/"
	}
	for _, name := range is {
		if w.children[name] == nil {
			v.differs(below+name, "it does not belong there")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.children)) {
		if _, there := slices.BinarySearch(is, name); !there {
			v.differs(below+name, "it is missing")
			continue
		}
		if err := v.child(ctx, below+name, name, w.children[name], n); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) child(ctx context.Context, path, name string, w *wanted, dir node) error {
	n, err := openNode(dir.fd, name)
	if err != nil {
		return err
	}
	defer n.close()
	return v.compare(ctx, path, w, n)
}

// data compares a file's content.
func (v *verifier) data(ctx context.Context, path string, w *wanted, n node) error {
	if n.st.Size != w.size {
		v.differs(path, "it has %d bytes, not %d", n.st.Size, w.size)
		return nil
	}
	f, err := n.file(0)
	if err != nil {
		return fmt.Errorf("open %q: %w", path, err)
	}
	defer f.Close()
	sum, _, err := v.sum(ctx, f)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	if sum != w.sum {
		v.differs(path, "its content is another")
	}
	return nil
}

// metadata compares what Unpack sets beside the content.
func (v *verifier) metadata(path string, w *wanted, n node) error {
	h := w.h
	switch {
	case h != nil:
	case path == "":
		return v.attributes(path, w, n)
	default:
		v.out.Implicit = append(v.out.Implicit, path)
		h = &tar.Header{Mode: 0o755}
	}
	if uint32(h.Uid) != n.st.Uid || uint32(h.Gid) != n.st.Gid {
		v.differs(path, "it belongs to %d:%d, not %d:%d", n.st.Uid, n.st.Gid, h.Uid, h.Gid)
	}
	if mode := uint32(h.Mode) & 0o7777; w.kind != unix.S_IFLNK && mode != n.st.Mode&0o7777 {
		v.differs(path, "its mode is %o, not %o", n.st.Mode&0o7777, mode)
	}
	if (w.kind == unix.S_IFCHR || w.kind == unix.S_IFBLK) && n.st.Rdev != uint64(deviceNumber(h)) {
		v.differs(path, "it is another device")
	}
	// What does not fit into 32 bits some file systems cut.
	if want := timespec(h.ModTime, h.ModTime).Sec; w.h != nil && want == int64(int32(want)) && want != n.st.Mtim.Sec {
		v.differs(path, "its modification time is another")
	}
	return v.attributes(path, w, n)
}

// attributes compares the extended ones. Others than the tar's are the host's own,
// such as security labels; but overlayfs' would change what the layer means.
func (v *verifier) attributes(path string, w *wanted, n node) error {
	names, err := n.xattrs()
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	opaque := false
	for _, name := range names {
		switch {
		case name == "trusted.overlay.opaque":
			opaque = true
		case isOverlayXattr(name):
			v.differs(path, "attribute %s does not belong there", name)
		}
	}
	if opaque != w.opaque {
		v.differs(path, "attribute trusted.overlay.opaque: %t, not %t", opaque, w.opaque)
	}
	if w.h == nil {
		return nil
	}
	for key, want := range w.h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrRecord)
		if !ok || isOverlayXattr(name) {
			continue
		}
		have, there, err := n.xattr(name)
		switch {
		case err != nil:
			return fmt.Errorf("%q: %w", path, err)
		case !there:
			v.out.DroppedXattrs = append(v.out.DroppedXattrs, path+": "+name)
		case have != want:
			v.differs(path, "attribute %s is another", name)
		}
	}
	return nil
}
