package archive

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// node is one file of a tree, of any type. Its descriptor is O_PATH: opening a
// device or a FIFO this way does nothing to it, and what the name stands for
// afterwards does not matter.
type node struct {
	fd int
	st unix.Stat_t
	// writable tells of a file that was opened to be written to.
	writable bool
}

// openNode opens one component of a path. A symbolic link is opened itself.
func openNode(dir int, name string) (node, error) {
	n := node{fd: -1}
	err := retry(func() (err error) {
		n.fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return n, &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := unix.Fstat(n.fd, &n.st); err != nil {
		unix.Close(n.fd)
		return node{fd: -1}, &os.PathError{Op: "fstat", Path: name, Err: err}
	}
	return n, nil
}

func (n node) close() {
	if n.fd >= 0 {
		unix.Close(n.fd)
	}
}

func (n node) kind() uint32 { return n.st.Mode & unix.S_IFMT }
func (n node) isDir() bool  { return n.kind() == unix.S_IFDIR }

// path names the file for calls that take no descriptor, or not one like this.
// The kernel goes to the file itself, even to a symbolic link.
func (n node) path() string { return fdPath(n.fd) }

// chmod sets the mode of anything but a symbolic link.
func (n node) chmod(mode uint32) error {
	if n.writable {
		return unix.Fchmod(n.fd, mode)
	}
	return unix.Chmod(n.path(), mode)
}

// setTimes sets the times of the file itself.
func (n node) setTimes(access, modification unix.Timespec) error {
	times := []unix.Timespec{access, modification}
	err := unix.UtimesNanoAt(n.fd, "", times, unix.AT_EMPTY_PATH)
	if err == unix.EINVAL || err == unix.ENOENT {
		// Kernels before 5.8 want a path.
		return unix.UtimesNanoAt(unix.AT_FDCWD, n.path(), times, 0)
	}
	return err
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// file returns the content of a regular file or of a directory.
func (n node) file(flags int) (*os.File, error) {
	flags |= unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	for {
		fd, err := unix.Open(n.path(), flags|unix.O_NOATIME, 0)
		if err == unix.EPERM {
			// Only the owner may leave the access time alone.
			fd, err = unix.Open(n.path(), flags, 0)
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), n.path()), nil
	}
}

// names lists a directory in the order of bytes.
func (n node) names() ([]string, error) {
	f, err := n.file(unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// xattr returns one extended attribute; ok tells whether there is one.
func (n node) xattr(name string) (value string, ok bool, err error) {
	buf := make([]byte, 256)
	for {
		size, err := unix.Getxattr(n.path(), name, buf)
		switch err {
		case nil:
			return string(buf[:size]), true, nil
		case unix.EINTR:
		case unix.ERANGE:
			buf = make([]byte, 64<<10) // XATTR_SIZE_MAX
		case unix.ENODATA, unix.ENOTSUP:
			return "", false, nil
		default:
			return "", false, fmt.Errorf("getxattr %s: %w", name, err)
		}
	}
}

// openIn opens a path in a tree by rules of openat2(2).
func openIn(root *os.File, p string, flags, resolve uint64) (int, error) {
	if p == "" {
		p = "."
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(int(root.Fd()), p, &how)
		// EAGAIN: a rename or mount raced with the walk anywhere on the system; the
		// walk is tried again, but not for ever when somebody makes sure of races.
		if err != unix.EINTR && (err != unix.EAGAIN || tries > 10_000) {
			return fd, err
		}
	}
}

// retry repeats a call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// xattrs lists the names of the extended attributes.
func (n node) xattrs() ([]string, error) {
	buf := make([]byte, 1024)
	for {
		size, err := unix.Listxattr(n.path(), buf)
		switch err {
		case nil:
			names := strings.FieldsFunc(string(buf[:size]), func(r rune) bool { return r == 0 })
			slices.Sort(names)
			return names, nil
		case unix.EINTR:
		case unix.ERANGE:
			buf = make([]byte, 64<<10) // XATTR_LIST_MAX
		case unix.ENOTSUP:
			return nil, nil
		default:
			return nil, fmt.Errorf("listxattr: %w", err)
		}
	}
}
