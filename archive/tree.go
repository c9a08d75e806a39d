package archive

import (
	"context"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is a file system to copy from and to.
type Tree struct {
	// Root is where absolute paths begin.
	Root *os.File
	// Confined keeps every path in Root: a link to "/" leads to Root, ".." stops
	// there. Without it Root is the caller's own "/", where links may lead anywhere.
	Confined bool
	// Shown turns the owner of a file into that in archives; nil for the same.
	Shown func(uid, gid uint32) (int, int)
	// Act, when set, runs what makes files: as somebody whom the tree has room for.
	Act func(func() error) error
}

// Info is what stands at a path.
type Info struct {
	// Mode has the type and the bits, as in struct stat.
	Mode uint32
	// Target is where a symbolic link leads.
	Target string
}

// IsDir tells of a directory.
func (i Info) IsDir() bool { return i.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsLink tells of a symbolic link.
func (i Info) IsLink() bool { return i.Mode&unix.S_IFMT == unix.S_IFLNK }

// IsDevice tells of a device.
func (i Info) IsDevice() bool {
	return i.Mode&unix.S_IFMT == unix.S_IFCHR || i.Mode&unix.S_IFMT == unix.S_IFBLK
}

func (t Tree) resolve() uint64 {
	if t.Confined {
		return inRoot
	}
	return 0
}

// open opens a path. A link at its end is opened itself, unless a slash or a dot
// follows, and then it must lead to a directory.
func (t Tree) open(name string) (node, error) {
	clean := path.Clean("/" + name)
	flags := uint64(unix.O_PATH)
	if AssertsDir(name) || clean == "/" {
		flags |= unix.O_DIRECTORY
	} else {
		flags |= unix.O_NOFOLLOW
	}
	if !t.Confined {
		// The kernel ignores the root then.
		clean = "/" + strings.TrimPrefix(clean, "/")
	}
	n := node{fd: -1}
	var err error
	if n.fd, err = openIn(t.Root, clean, flags, t.resolve()); err != nil {
		return n, &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := unix.Fstat(n.fd, &n.st); err != nil {
		n.close()
		return node{fd: -1}, &os.PathError{Op: "fstat", Path: name, Err: err}
	}
	return n, nil
}

// Stat says what a path stands for; it follows no link at the end of it.
func (t Tree) Stat(name string) (Info, error) {
	n, err := t.open(name)
	if err != nil {
		return Info{}, err
	}
	defer n.close()
	info := Info{Mode: n.st.Mode}
	if info.IsLink() {
		target := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(n.fd, "", target)
		if err != nil {
			return Info{}, &os.PathError{Op: "readlink", Path: name, Err: err}
		}
		info.Target = string(target[:size])
	}
	return info, nil
}

// Pack writes what is at a path as [Pack] does, as the entry called as.
func (t Tree) Pack(ctx context.Context, w io.Writer, name, as string, notice func(string)) (size int64, err error) {
	n, err := t.open(name)
	if err != nil {
		return 0, err
	}
	root := os.NewFile(uintptr(n.fd), name)
	defer root.Close()
	return Pack(ctx, w, root, PackOptions{Name: as, Owner: t.Shown, Notice: notice, Kernel: true})
}

// Extract extracts the tar in r into the directory dir as [Extract] does. In a
// confined tree links of the tree are followed; elsewhere none below dir.
func (t Tree) Extract(ctx context.Context, r io.Reader, dir string, owners Owners, notice func(string)) error {
	if t.Act != nil {
		act := t.Act
		t.Act = nil
		return act(func() error { return t.Extract(ctx, r, dir, owners, notice) })
	}
	if t.Confined {
		return Extract(ctx, r, Target{Root: t.Root, Dest: path.Clean("/" + dir), Links: true, Owners: owners, Notice: notice})
	}
	n, err := t.open(dir + "/.")
	if err != nil {
		return err
	}
	root := os.NewFile(uintptr(n.fd), dir)
	defer root.Close()
	return Extract(ctx, r, Target{Root: root, Owners: owners, Notice: notice})
}

// Writable refuses, in docker's words, a directory in which nothing can be
// changed.
func (t Tree) Writable(dir string) error {
	n, err := t.open(dir + "/.")
	if err != nil {
		return err
	}
	defer n.close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(n.fd, &fs); err != nil {
		return &os.PathError{Op: "fstatfs", Path: dir, Err: err}
	}
	if fs.Flags&unix.ST_RDONLY == 0 {
		return nil
	}
	var top unix.Stat_t
	if err := unix.Fstat(int(t.Root.Fd()), &top); err == nil && top.Dev == n.st.Dev {
		return ErrReadOnlyRoot
	}
	return ErrReadOnlyMount
}

// AssertsDir tells whether a path can only be that of a directory: it ends with
// a slash or with the name of a directory itself.
func AssertsDir(name string) bool { return strings.HasSuffix(name, "/") || AssertsContent(name) }

// AssertsContent tells whether a path means what is in a directory: its last
// component is ".".
func AssertsContent(name string) bool { return name == "." || strings.HasSuffix(name, "/.") }
