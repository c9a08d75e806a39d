package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// copyUp appends the step that fills a tmpfs with what its mount point has
// (tmpcopyup of runtime-spec). at is the mount point.
func (a *Assembly) copyUp(at nsenter.Slot, m placement) {
	a.host(nsenter.Do("copy what is at "+m.dest+" in the root into the tmpfs", func(h *nsenter.Run) error {
		c := copier{links: map[uint64]string{}, keepTop: !m.inherit}
		var err error
		if c.root, err = openDir(h.Fd(m.slot), "."); err != nil {
			return fmt.Errorf("open tmpfs: %w", err)
		}
		defer unix.Close(c.root)
		from, err := openDir(h.Fd(at), ".")
		if err != nil {
			return fmt.Errorf("open %s: %w", m.dest, err)
		}
		defer unix.Close(from)
		if err := c.folder(from, ""); err != nil {
			return fmt.Errorf("copy up %s: %w", m.dest, err)
		}
		return nil
	}).On(m.dest).For(m.from, "tmpcopyup: the folder's content, in memory"))
}

// copier copies a tree into an empty file system. Both ends are reached
// through descriptors that follow no link, so nothing in the tree leads out.
type copier struct {
	root int
	// links has where in the new tree a file with several names is already,
	// by the number of its inode: one source has one file system.
	links map[uint64]string
	// keepTop leaves the owner and mode of the tmpfs itself as options say.
	keepTop bool
}

// maxDepth is how deep folders may be nested.
const maxDepth = 255

// folder copies what is in the open folder from to the folder at name, which
// exists, and then its attributes.
func (c *copier) folder(from int, name string) error {
	if strings.Count(name, "/") > maxDepth {
		return fmt.Errorf("%s: %w", name, unix.ENAMETOOLONG)
	}
	dup, err := openDir(from, ".")
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(dup), name)
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := c.entry(from, n, path.Join(name, n)); err != nil {
			return err
		}
	}
	if name == "" {
		if c.keepTop {
			return nil
		}
		name = "."
	}
	to, err := openDir(c.root, name)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	return likeOriginal(from, to, &st)
}

// entry copies one name of a folder to the path to in the new tree.
func (c *copier) entry(dir int, name, to string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return named("stat", to, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		if old, ok := c.links[st.Ino]; ok {
			return named("link", to, unix.Linkat(c.root, old, c.root, to, 0))
		}
		c.links[st.Ino] = to
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		from, err := openDir(dir, name)
		if err != nil {
			return named("open", to, err)
		}
		defer unix.Close(from)
		if err := unix.Mkdirat(c.root, to, 0o700); err != nil {
			return named("mkdir", to, err)
		}
		return c.folder(from, to)
	case unix.S_IFREG:
		return named("copy", to, c.file(dir, name, to, &st))
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, name, buf)
		if err == nil {
			err = unix.Symlinkat(string(buf[:n]), c.root, to)
		}
		if err == nil {
			err = c.special(to, &st)
		}
		return named("link", to, err)
	}
	err := unix.Mknodat(c.root, to, st.Mode, int(st.Rdev))
	if err == nil {
		err = c.special(to, &st)
	}
	return named("mknod", to, err)
}

// named says what was done to which file of the tree.
func named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

// file copies a regular file.
func (c *copier) file(dir int, name, to string, st *unix.Stat_t) error {
	// Between stat and open it may have become a fifo, which must not block.
	in, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	src := os.NewFile(uintptr(in), name)
	defer src.Close()
	if other, err := notRegular(in); err != nil || other {
		return errors.Join(err, unix.EINVAL)
	}
	// A child that is started meanwhile has a copy of every descriptor until it
	// executes. One that is open for writing would keep the mount from becoming
	// read-only (EBUSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := unix.Openat(c.root, to, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	dst := os.NewFile(uintptr(out), to)
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return likeOriginal(in, out, st)
}

// notRegular reports whether an open file is something else than a regular one.
func notRegular(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	return st.Mode&unix.S_IFMT != unix.S_IFREG, nil
}

// likeOriginal gives an open file the owner, extended attributes, mode and
// times of the one that it is a copy of: in this order, since chown takes
// capabilities and set-id bits away.
func likeOriginal(from, to int, st *unix.Stat_t) error {
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("fchown: %w", err)
	}
	if err := copyXattrs("/proc/self/fd/"+strconv.Itoa(from), "/proc/self/fd/"+strconv.Itoa(to)); err != nil {
		return err
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return fmt.Errorf("fchmod: %w", err)
	}
	// An empty path is not for utimensat before Linux 5.8; the link to the
	// descriptor is for all.
	return unix.UtimesNanoAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(to), []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// special gives a link or a device its attributes.
func (c *copier) special(to string, st *unix.Stat_t) error {
	if err := unix.Fchownat(c.root, to, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("fchownat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		// The tree is ours alone, so this is still what was just made.
		if err := unix.Fchmodat(c.root, to, st.Mode&0o7777, 0); err != nil {
			return fmt.Errorf("fchmodat: %w", err)
		}
	}
	return unix.UtimesNanoAt(c.root, to, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// copyXattrs copies the extended attributes that a tmpfs can hold. Those of
// other kinds, such as overlayfs's own, are not the file's.
func copyXattrs(from, to string) error {
	size, err := unix.Listxattr(from, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listxattr: %w", err)
	}
	list := make([]byte, size)
	if size, err = unix.Listxattr(from, list); err != nil {
		return fmt.Errorf("listxattr: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:size]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "trusted.overlay.") || name == "security.selinux" {
			continue
		}
		value := make([]byte, 64<<10) // the most that one can have
		n, err := unix.Getxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("getxattr %s: %w", name, err)
		}
		err = unix.Setxattr(to, name, value[:n], 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) { // user.* before Linux 6.6
			return fmt.Errorf("setxattr %s: %w", name, err)
		}
	}
	return nil
}

// openDir opens a folder for reading, not following a link.
func openDir(dir int, name string) (int, error) {
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}
