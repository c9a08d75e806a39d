package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrRecord is the PAX key prefix under which tars carry extended attributes.
const xattrRecord = "SCHILY.xattr."

// top is the entry of the base itself. A layer's is the root of what it becomes
// part of; where a copy goes, there is a directory already.
func (u *extractor) top(h *tar.Header) error {
	if u.resolve != inLayer {
		return nil
	}
	n, err := openNode(int(u.root.Fd()), ".")
	if err != nil {
		return err
	}
	defer n.close()
	u.later("", n, h, true)
	return nil
}

// later notes a directory for finishDirs.
func (u *extractor) later(p string, n node, h *tar.Header, kept bool) {
	m := metaOf(h)
	u.dirs[p] = pending{
		uid: uint32(m.uid), gid: uint32(m.gid), mode: uint16(m.mode), kept: kept, dev: n.st.Dev, ino: n.st.Ino,
		accessSec: m.access.Sec, accessNsec: int32(m.access.Nsec), sec: m.time.Sec, nsec: int32(m.time.Nsec),
	}
	delete(u.records, p)
	if hasXattrs(m.records) {
		u.records[p] = m.records
	}
}

// directory makes or keeps the directory at p. Its metadata waits for finishDirs.
func (u *extractor) directory(parent int, p, base string, h *tar.Header) error {
	err := unix.Mkdirat(parent, base, 0o700)
	if err == unix.EEXIST {
		var n node
		if n, err = openNode(parent, base); err != nil {
			return err
		}
		defer n.close()
		if n.isDir() {
			earlier, again := u.dirs[p]
			u.later(p, n, h, !u.implicit[p] && (!again || earlier.kept))
			return nil
		}
		// A directory in place of a whiteout must still hide what is below.
		opaque := u.whiteouts[p]
		if err := u.clear(parent, p, base, h); err != nil {
			return err
		}
		err = unix.Mkdirat(parent, base, 0o700)
		if err == nil && opaque {
			err = setOpaque(parent, base)
		}
	}
	if err != nil {
		return fmt.Errorf("mkdir %q: %w", p, err)
	}
	n, err := openNode(parent, base)
	if err != nil {
		return err
	}
	defer n.close()
	if !n.isDir() {
		return fmt.Errorf("mkdir %q: %w", p, errSwapped)
	}
	u.later(p, n, h, false)
	return nil
}

// leaf makes anything that is no directory, in place of what may be there.
func (u *extractor) leaf(ctx context.Context, parent int, p, base string, h *tar.Header, data io.Reader) error {
	if h.Typeflag == tar.TypeLink {
		return u.hardlink(parent, p, base, h)
	}
	fd, err := u.create(parent, base, h)
	if err == unix.EEXIST {
		err = u.clear(parent, p, base, h)
		if errors.Is(err, unix.EBUSY) && isRegular(h) {
			return u.overwrite(ctx, parent, p, base, data)
		}
		if err != nil {
			return err
		}
		fd, err = u.create(parent, base, h)
	}
	if err != nil {
		return fmt.Errorf("create %q: %w", p, err)
	}
	if fd < 0 {
		return u.special(parent, p, base, h)
	}
	n := node{fd: fd, writable: true}
	err = u.copyData(ctx, fd, p, data)
	if err == nil {
		err = retry(func() error { return unix.Fstat(fd, &n.st) })
	}
	if err == nil {
		err = u.metadata(n, p, metaOf(h), false)
	}
	if e := unix.Close(fd); err == nil && e != nil {
		err = fmt.Errorf("close %q: %w", p, e)
	}
	return err
}

// errSwapped is a tree that somebody changes under the extractor's hands.
var errSwapped = errors.New("it was replaced by something else just now")

// special applies the metadata of what is no file to write to.
func (u *extractor) special(parent int, p, base string, h *tar.Header) error {
	n, err := openNode(parent, base)
	if err != nil {
		return err
	}
	defer n.close()
	if n.kind() != kindOf(h) {
		return fmt.Errorf("create %q: %w", p, errSwapped)
	}
	return u.metadata(n, p, metaOf(h), false)
}

// overwrite writes into a file that cannot be replaced because something is
// mounted there: a file of the host. It stays the host's.
func (u *extractor) overwrite(ctx context.Context, parent int, p, base string, data io.Reader) error {
	n, err := openNode(parent, base)
	if err != nil {
		return err
	}
	defer n.close()
	if n.kind() != unix.S_IFREG {
		return fmt.Errorf("write %q: %w", p, unix.EBUSY)
	}
	fd, err := unix.Open(n.path(), unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %q: %w", p, err)
	}
	err = u.copyData(ctx, fd, p, data)
	if e := unix.Close(fd); err == nil && e != nil {
		err = fmt.Errorf("close %q: %w", p, e)
	}
	return err
}

func isRegular(h *tar.Header) bool {
	return h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeCont || h.Typeflag == tar.TypeGNUSparse
}

// kindOf is the type of file that a header describes.
func kindOf(h *tar.Header) uint32 {
	switch h.Typeflag {
	case tar.TypeDir:
		return unix.S_IFDIR
	case tar.TypeSymlink:
		return unix.S_IFLNK
	case tar.TypeFifo:
		return unix.S_IFIFO
	case tar.TypeChar:
		return unix.S_IFCHR
	case tar.TypeBlock:
		return unix.S_IFBLK
	}
	return unix.S_IFREG
}

// create makes the inode and returns a handle to write to for a regular file, -1
// for all else.
func (u *extractor) create(parent int, base string, h *tar.Header) (int, error) {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		mode := uint32(0o600)
		if u.resolve == inLayer {
			// Nobody else gets at it, and with its own bits it mostly needs no chmod.
			mode = uint32(h.Mode) & 0o777
		}
		return unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	case tar.TypeSymlink:
		if strings.IndexByte(h.Linkname, 0) >= 0 {
			return -1, fmt.Errorf("%w: NUL in link target", ErrHostile)
		}
		return -1, unix.Symlinkat(h.Linkname, parent, base)
	case tar.TypeFifo:
		return -1, unix.Mknodat(parent, base, unix.S_IFIFO, 0)
	case tar.TypeChar:
		return -1, unix.Mknodat(parent, base, unix.S_IFCHR, deviceNumber(h))
	case tar.TypeBlock:
		return -1, unix.Mknodat(parent, base, unix.S_IFBLK, deviceNumber(h))
	}
	return -1, fmt.Errorf("%w: entry type %q is not known", ErrHostile, h.Typeflag)
}

func deviceNumber(h *tar.Header) int {
	return int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
}

// hardlink links p to an earlier entry. The target's directory is opened by the
// rules of every other path, and the last component is never followed, so a link
// to a symbolic link is a second name of that link.
func (u *extractor) hardlink(parent int, p, base string, h *tar.Header) error {
	target, err := u.policy.path(h.Linkname)
	if err != nil {
		return fmt.Errorf("hard link target: %w", err)
	}
	if target == p || target == "" || strings.HasPrefix(p, target+"/") {
		return fmt.Errorf("%w: hard link to itself or to a directory above it", ErrHostile)
	}
	dir, name := splitPath(target)
	from, err := u.open(dir)
	if err == unix.ELOOP {
		return fmt.Errorf("%w: hard link target %q leads through a symbolic link", ErrHostile, target)
	}
	if err != nil {
		return fmt.Errorf("open directory of hard link target %q: %w", target, err)
	}
	defer unix.Close(from)
	if u.whiteouts[target] {
		return fmt.Errorf("%w: hard link to %q, which this layer deletes", ErrHostile, target)
	}
	err = unix.Linkat(from, name, parent, base, 0)
	if err == unix.EEXIST {
		if err := u.clear(parent, p, base, h); err != nil {
			return err
		}
		err = unix.Linkat(from, name, parent, base, 0)
	}
	if err != nil {
		return fmt.Errorf("link %q to %q: %w", p, target, err)
	}
	return nil
}

// xattrs sets what the tar carries. overlayfs' own attributes are left out: in a
// lower directory they would redirect or hide other files of the image.
func (u *extractor) xattrs(n node, p string, m meta, drop string) error {
	var names []string
	for key := range m.records {
		if name, ok := strings.CutPrefix(key, xattrRecord); ok && !isOverlayXattr(name) && name != drop {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		err := unix.Setxattr(n.path(), name, []byte(m.records[xattrRecord+name]), 0)
		if err == unix.EINVAL && (name == capabilityXattr || strings.HasPrefix(name, "system.posix_acl")) {
			// It names ids that an id-mapped file system has no place for.
			err = unix.EPERM
		}
		switch err {
		case nil:
		case unix.ENOTSUP, unix.EPERM:
			// This filesystem or kind of file has no room for it.
			u.out.DroppedXattrs = append(u.out.DroppedXattrs, p+": "+name)
		default:
			return fmt.Errorf("set attribute %s of %q: %w", name, p, err)
		}
	}
	return nil
}

func hasXattrs(records map[string]string) bool {
	for key := range records {
		if strings.HasPrefix(key, xattrRecord) {
			return true
		}
	}
	return false
}

func isOverlayXattr(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// setXattr goes through /proc because no older kernel has setxattrat(2); base
// itself is never followed.
func setXattr(parent int, base, name, value string) error {
	if base == "" {
		base = "."
	}
	at := "/proc/self/fd/" + strconv.Itoa(parent) + "/" + base
	return unix.Lsetxattr(at, name, []byte(value), 0)
}

// finishDirs applies the metadata of directories once their content is complete.
func (u *extractor) finishDirs() error {
	for p := range u.implicit {
		if _, described := u.dirs[p]; !described {
			u.out.Implicit = append(u.out.Implicit, p)
		}
	}
	slices.Sort(u.out.Implicit)
	// Neighbours share a parent that is open.
	for _, p := range slices.Sorted(maps.Keys(u.dirs)) {
		if err := u.finishDir(p, u.dirs[p]); err != nil {
			return fmt.Errorf("unpack %q: %w", p, err)
		}
	}
	return nil
}

// finishDir applies the metadata of one directory, unless something else has
// taken its name meanwhile.
func (u *extractor) finishDir(p string, d pending) error {
	dir, base := splitPath(p)
	parent, err := u.openDir(dir)
	if err != nil {
		return err
	}
	if p == "" {
		// A directory reached through itself: "." works with every *at call.
		base = "."
	}
	n, err := openNode(parent, base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer n.close()
	if n.st.Dev != d.dev || n.st.Ino != d.ino {
		return nil
	}
	return u.metadata(n, p, d.meta(u.records[p]), d.kept)
}
