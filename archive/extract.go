package archive

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
const inLayer = inFolder | unix.RESOLVE_NO_XDEV

// inFolder is how paths below a folder are opened whose content must not lead
// anywhere: neither up nor through a link that is there or came with the archive.
const inFolder = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// inRoot is how paths are opened in a tree with links of its own: they mean what
// they mean to a process whose root the tree is.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

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

// extractor writes the entries of one tar into a tree. It trusts the tar not at
// all: each entry is resolved with openat2 from the root, so what an earlier
// entry planted cannot lead a later one astray.
type extractor struct {
	// root confines the walk; base is where in it the archive goes. resolve are
	// the rules by which paths are opened.
	root    *os.File
	base    string
	resolve uint64
	// policy is what a layer and a copy have different.
	policy policy
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
	dirs map[string]pending
	// records are the PAX records of those that have extended attributes.
	records map[string]map[string]string
	// whiteouts are the paths that this layer deletes from those below.
	whiteouts map[string]bool
	// implicit are the directories that had to be made unasked.
	implicit map[string]bool
	out      Unpacked
}

// pending is a directory whose metadata is due: that very one, whatever its name
// stands for by then. A layer can have a million of them, so it is small.
type pending struct {
	uid, gid         uint32
	accessNsec, nsec int32
	accessSec, sec   int64
	dev, ino         uint64
	mode             uint16
	// kept tells that it was there before.
	kept bool
}

func (d pending) meta(records map[string]string) meta {
	return meta{
		uid: int(d.uid), gid: int(d.gid), mode: uint32(d.mode), dir: true, records: records,
		access: unix.Timespec{Sec: d.accessSec, Nsec: int64(d.accessNsec)}, time: unix.Timespec{Sec: d.sec, Nsec: int64(d.nsec)},
	}
}

// policy is how an extractor treats entries and what is in their place.
type policy interface {
	// path turns an entry's name into a clean path below the base, "" for the base.
	path(name string) (string, error)
	// whiteout tells whether a name is a layer's word for a deletion.
	whiteout(base string) bool
	// occupied is asked about what is in an entry's place, before that goes.
	occupied(p string, isDir bool, h *tar.Header) error
	// owner is who an entry shall belong to that is uid's and gid's in the archive;
	// kept tells of a directory that was there before.
	owner(uid, gid int, kept bool) (ownership, error)
}

// Unpack writes the tar in r into root as an overlay lower directory. root must
// be empty and reachable to nobody else. On error it may hold a part of the
// layer and must be thrown away.
func Unpack(ctx context.Context, r io.Reader, root *os.File, limits Limits) (Unpacked, error) {
	x := newExtractor(r, root, layerPolicy{})
	x.resolve, x.limits = inLayer, limits.OrDefaults()
	err := x.extract(ctx)
	return x.out, err
}

// Target is where a copy goes.
type Target struct {
	// Root is the tree that nothing leads out of.
	Root *os.File
	// Dest is the directory in Root that the archive's root becomes; it exists.
	Dest string
	// Links tells that symbolic links in Root are followed, and mean what they
	// mean to a process whose root that is. Otherwise none may be on the way.
	Links  bool
	Owners Owners
	// Notice, when set, is told what of the archive the file system cannot hold.
	Notice func(text string)
}

// Extract writes the tar in r into a tree that is in use. Files of the same name
// are replaced, directories kept; neither takes the other's place. Devices are
// made. A file that cannot be replaced, because it is a mount point, is written
// to. On an error what was written until then stays.
func Extract(ctx context.Context, r io.Reader, t Target) error {
	x := newExtractor(r, t.Root, copyPolicy{dest: t.Dest, owners: t.Owners})
	x.base, x.resolve = t.Dest, inFolder
	if t.Links {
		x.resolve = inRoot
	}
	err := x.extract(ctx)
	for _, lost := range x.out.DroppedXattrs {
		if t.Notice != nil {
			t.Notice(lost + ": attribute left out: the file system does not take it")
		}
	}
	return err
}

func newExtractor(r io.Reader, root *os.File, p policy) *extractor {
	return &extractor{
		root: root, policy: p, in: &countingReader{r: r},
		buf: make([]byte, holeSize), zero: make([]byte, holeSize),
		parent: -1, dirs: map[string]pending{}, records: map[string]map[string]string{}, whiteouts: map[string]bool{}, implicit: map[string]bool{},
	}
}

func (u *extractor) extract(ctx context.Context) error {
	defer u.forgetParent()
	if err := u.entries(ctx); err != nil {
		return err
	}
	if err := u.finishDirs(); err != nil {
		return err
	}
	// The blob's digest covers what follows the archive's end as well, and whoever
	// writes into a pipe wants to write all of it.
	if _, err := io.Copy(io.Discard, u.in); err != nil {
		return fmt.Errorf("read layer after its last entry: %w", err)
	}
	return nil
}

func (u *extractor) entries(ctx context.Context) error {
	tr := tar.NewReader(u.in)
	for {
		// ErrInsecurePath only repeats what the policy decides below.
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
		if u.out.Entries++; u.limits.Entries > 0 && u.out.Entries > u.limits.Entries {
			return fmt.Errorf("unpack %q: %w: more than %d entries", h.Name, ErrTooBig, u.limits.Entries)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := errors.Join(u.entry(ctx, h, tr), u.checkDirs()); err != nil {
			return fmt.Errorf("unpack %q: %w", h.Name, err)
		}
	}
}

// checkDirs bounds the directories, all of which are remembered to the end, and of
// which an entry with a long name can need thousands.
func (u *extractor) checkDirs() error {
	if most := max(u.limits.Entries/2, 10_000); u.limits.Entries > 0 && len(u.dirs)+len(u.implicit) > most {
		return fmt.Errorf("%w: more than %d directories", ErrTooBig, most)
	}
	return nil
}

func (u *extractor) entry(ctx context.Context, h *tar.Header, data io.Reader) error {
	p, err := u.policy.path(h.Name)
	if err != nil {
		return err
	}
	if err := checkHeader(h); err != nil {
		return err
	}
	if p == "" {
		if h.Typeflag != tar.TypeDir {
			return fmt.Errorf("%w: the layer's root must be a directory", ErrHostile)
		}
		return u.top(h)
	}
	dir, base := splitPath(p)
	if u.policy.whiteout(base) {
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
		return fmt.Errorf("%w: owner %d:%d is out of range", ErrHostile, h.Uid, h.Gid)
	}
	if h.Typeflag != tar.TypeChar && h.Typeflag != tar.TypeBlock {
		return nil
	}
	if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor >= 1<<12 || h.Devminor >= 1<<20 {
		return fmt.Errorf("%w: device %d:%d is out of range", ErrHostile, h.Devmajor, h.Devminor)
	}
	if h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0 {
		// To overlayfs this device means "deleted". Layers say that with a .wh. file,
		// which every tool reads the same way.
		return fmt.Errorf("%w: character device 0:0 is an overlay whiteout", ErrHostile)
	}
	return nil
}

// openDir returns a handle of a directory of the layer, making it and those above
// it where the tar did not. It is valid until the next openDir.
func (u *extractor) openDir(p string) (int, error) {
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
		return -1, fmt.Errorf("%w: %q leads through a symbolic link", ErrHostile, p)
	}
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", p, err)
	}
	u.forgetParent()
	u.parent, u.parentPath = fd, p
	return fd, nil
}

// open opens a directory of the tree.
func (u *extractor) open(p string) (int, error) {
	return openIn(u.root, path.Join(u.base, p), unix.O_PATH|unix.O_DIRECTORY, u.resolve)
}

// makeImplicit makes the last component of p after all those above it.
func (u *extractor) makeImplicit(p string) error {
	if p == "" {
		return fmt.Errorf("open directory %q: %w", u.base, unix.ENOENT)
	}
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
		return fmt.Errorf("%w: %q is not a directory", ErrHostile, p)
	}
	if err != nil {
		return fmt.Errorf("mkdir %q: %w", p, err)
	}
	if err := unix.Fchmodat(parent, base, 0o755, 0); err != nil {
		return fmt.Errorf("chmod %q: %w", p, err)
	}
	u.implicit[p] = true
	o, err := u.policy.owner(0, 0, false)
	if err != nil {
		return err
	}
	if o.change {
		if err := unix.Fchownat(parent, base, o.uid, o.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("chown %q: %w", p, err)
		}
	}
	if fresh {
		return setOpaque(parent, base)
	}
	return nil
}

func (u *extractor) forgetParent() {
	if u.parent >= 0 {
		unix.Close(u.parent)
		u.parent = -1
	}
}

// clear removes what an earlier entry left at p, so that the later one wins.
func (u *extractor) clear(parent int, p, base string, h *tar.Header) error {
	var st unix.Statx_t
	err := unix.Statx(parent, base, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st)
	if err == nil {
		err = u.policy.occupied(p, uint32(st.Mode)&unix.S_IFMT == unix.S_IFDIR, h)
	}
	if err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		// The kernel protects mount points of the caller's own namespace only: an
		// unlink would succeed, and take the mount off in the container.
		err = unix.EBUSY
	}
	if err != nil {
		return fmt.Errorf("replace %q: %w", p, err)
	}
	err = unix.Unlinkat(parent, base, 0)
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
