package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// inLayer is how every path of a layer is opened: nothing above the layer's own
// root, no symbolic link (a layer cannot know what a link will mean when it is
// mounted over others), no mount point.
const inLayer = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// Unpacked says what a layer held.
type Unpacked struct {
	// Entries is the number of tar entries.
	Entries int
	// Size is the content of all regular files in bytes, holes included, hard
	// links once.
	Size int64
	// Implicit lists directories that entries needed but the tar did not
	// describe; they are root's with mode 0755.
	Implicit []string
	// DroppedXattrs lists "path: name" of extended attributes that the filesystem
	// cannot hold.
	DroppedXattrs []string
}

// unpacker writes one layer. It trusts its directory to be private, and the tar
// not at all: each entry is resolved with openat2 from the layer's root, so what
// an earlier entry planted cannot lead a later one astray.
type unpacker struct {
	root   *os.File
	limits Limits
	in     *countingReader
	buf    []byte
	zero   []byte

	// parent is the directory most recently opened, kept because neighbours in a
	// tar share it.
	parent     int
	parentPath string

	// dirs are the directories whose metadata is due at the end, by path: creating
	// their content would change times again, and a setgid bit or a default ACL
	// would leak into the content.
	dirs map[string]*tar.Header
	// whiteouts are the paths that this layer deletes from those below.
	whiteouts map[string]bool
	// implicit are the directories that had to be made unasked.
	implicit map[string]bool
	out      Unpacked
}

// unpackTar writes the tar in r into root as an overlay lower directory. root
// must be empty and reachable to nobody else. On error it may hold a part of the
// layer and must be thrown away.
func unpackTar(ctx context.Context, r io.Reader, root *os.File, limits Limits) (Unpacked, error) {
	u := &unpacker{
		root: root, limits: limits.withDefaults(), in: &countingReader{r: r},
		buf: make([]byte, holeSize), zero: make([]byte, holeSize),
		parent: -1, dirs: map[string]*tar.Header{}, whiteouts: map[string]bool{}, implicit: map[string]bool{},
	}
	defer u.forgetParent()
	if err := u.entries(ctx); err != nil {
		return u.out, err
	}
	if err := u.finishDirs(); err != nil {
		return u.out, err
	}
	// The blob's digest covers what follows the archive's end as well.
	if _, err := io.Copy(io.Discard, u.in); err != nil {
		return u.out, fmt.Errorf("read layer after its last entry: %w", err)
	}
	return u.out, nil
}

func (u *unpacker) entries(ctx context.Context) error {
	tr := tar.NewReader(u.in)
	for {
		// ErrInsecurePath only repeats what entryPath decides below.
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read layer entry %d: %w", u.out.Entries+1, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.out.Entries++; u.out.Entries > u.limits.Entries {
			return fmt.Errorf("unpack %q: %w: more than %d entries", h.Name, ErrLayerTooBig, u.limits.Entries)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := u.entry(ctx, h, tr); err != nil {
			return fmt.Errorf("unpack %q: %w", h.Name, err)
		}
	}
}

// entryPath turns a name from a tar into a clean path below the root, "" for the
// root itself. A leading slash is dropped, as docker and tar do.
func entryPath(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: empty name", ErrHostileEntry)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: NUL in name", ErrHostileEntry)
	}
	for component := range strings.SplitSeq(name, "/") {
		if component == ".." {
			return "", fmt.Errorf("%w: %q has a \"..\" component", ErrHostileEntry, name)
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

func (u *unpacker) entry(ctx context.Context, h *tar.Header, data io.Reader) error {
	p, err := entryPath(h.Name)
	if err != nil {
		return err
	}
	if err := checkHeader(h); err != nil {
		return err
	}
	if p == "" {
		if h.Typeflag != tar.TypeDir {
			return fmt.Errorf("%w: the layer's root must be a directory", ErrHostileEntry)
		}
		u.dirs[""] = h
		return nil
	}
	dir, base := splitPath(p)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(dir, base)
	}
	parent, err := u.openDir(dir)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return u.directory(parent, p, base, h)
	}
	return u.leaf(ctx, parent, p, base, h, data)
}

// checkHeader refuses numbers that a syscall would cut short or take for a
// command: chown reads id -1 as "leave it", and mknod's 32-bit device number
// would turn a large major into a small one.
func checkHeader(h *tar.Header) error {
	const maxID = 1<<32 - 2
	if h.Uid < 0 || h.Gid < 0 || h.Uid > maxID || h.Gid > maxID {
		return fmt.Errorf("%w: owner %d:%d is out of range", ErrHostileEntry, h.Uid, h.Gid)
	}
	if h.Typeflag != tar.TypeChar && h.Typeflag != tar.TypeBlock {
		return nil
	}
	if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor >= 1<<12 || h.Devminor >= 1<<20 {
		return fmt.Errorf("%w: device %d:%d is out of range", ErrHostileEntry, h.Devmajor, h.Devminor)
	}
	if h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0 {
		// To overlayfs this device means "deleted". Layers say that with a .wh. file,
		// which every tool reads the same way.
		return fmt.Errorf("%w: character device 0:0 is an overlay whiteout", ErrHostileEntry)
	}
	return nil
}

// openDir returns a handle of a directory of the layer, making it and those above
// it where the tar did not. It is valid until the next openDir.
func (u *unpacker) openDir(p string) (int, error) {
	if p == "" {
		return int(u.root.Fd()), nil
	}
	if u.parent >= 0 && u.parentPath == p {
		return u.parent, nil
	}
	fd, err := u.open(p)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		if err := u.makeImplicit(p); err != nil {
			return -1, err
		}
		fd, err = u.open(p)
	}
	if errors.Is(err, unix.ELOOP) {
		return -1, fmt.Errorf("%w: %q leads through a symbolic link", ErrHostileEntry, p)
	}
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", p, err)
	}
	u.forgetParent()
	u.parent, u.parentPath = fd, p
	return fd, nil
}

func (u *unpacker) open(p string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: inLayer}
	for {
		fd, err := unix.Openat2(int(u.root.Fd()), p, &how)
		// EAGAIN: a rename or mount raced with the walk anywhere on the system
		// (openat2(2)); the walk is simply tried again.
		if err != unix.EAGAIN && err != unix.EINTR {
			return fd, err
		}
	}
}

// makeImplicit makes the last component of p after all those above it.
func (u *unpacker) makeImplicit(p string) error {
	dir, base := splitPath(p)
	parent, err := u.openDir(dir)
	if err != nil {
		return err
	}
	fresh := u.whiteouts[p]
	if fresh {
		if err := u.removeWhiteout(parent, p, base); err != nil {
			return err
		}
	}
	err = unix.Mkdirat(parent, base, 0o700)
	if err == unix.EEXIST {
		// Not a directory, or openDir would have opened it; a link was ELOOP.
		return fmt.Errorf("%w: %q is not a directory", ErrHostileEntry, p)
	}
	if err != nil {
		return fmt.Errorf("mkdir %q: %w", p, err)
	}
	if err := unix.Fchmodat(parent, base, 0o755, 0); err != nil {
		return fmt.Errorf("chmod %q: %w", p, err)
	}
	u.implicit[p] = true
	if fresh {
		return setOpaque(parent, base)
	}
	return nil
}

func (u *unpacker) forgetParent() {
	if u.parent >= 0 {
		unix.Close(u.parent)
		u.parent = -1
	}
}

// clear removes what an earlier entry left at p, so that the later one wins.
func (u *unpacker) clear(parent int, p, base string) error {
	err := unix.Unlinkat(parent, base, 0)
	if err == nil {
		delete(u.whiteouts, p)
		return nil
	}
	if err != unix.EISDIR {
		return fmt.Errorf("unlink %q: %w", p, err)
	}
	below := p + "/"
	for known := range u.dirs {
		if known == p || strings.HasPrefix(known, below) {
			delete(u.dirs, known)
		}
	}
	for _, paths := range []map[string]bool{u.whiteouts, u.implicit} {
		for known := range paths {
			if known == p || strings.HasPrefix(known, below) {
				delete(paths, known)
			}
		}
	}
	// parent itself lies above p and stays valid.
	root, err := os.OpenRoot(u.root.Name())
	if err != nil {
		return err
	}
	return errors.Join(root.RemoveAll(p), root.Close())
}

func splitPath(p string) (dir, base string) {
	dir, base = path.Split(p)
	return strings.TrimSuffix(dir, "/"), base
}
