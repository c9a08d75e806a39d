package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Bind is a file or folder of the host that a container has mounted.
type Bind struct {
	Source, Target string
	// Recursive takes along what is mounted below the source.
	Recursive, ReadOnly bool
}

// Stage is the file system of a container that does not run, put together as it
// is for one that does.
type Stage struct {
	// Layers are the lower directories, top layer first, with Upper and Work on
	// top of them; nobody else may have those two mounted. Without layers Folder
	// is the root.
	Layers      []string
	Upper, Work string
	Folder      string
	// Binds are attached in their order; one whose source is gone is left out.
	Binds []Bind
	// ReadOnly allows no writing but to binds.
	ReadOnly bool
	// Hold is any folder; the root is attached there, where nobody sees it.
	Hold string
}

// Open assembles the file system in a mount namespace that only one thread of
// this process is in, and returns its root. Missing mount points are made. It is
// there until done is called, which must come after the last use of the root,
// and gone with the process in any case.
func (s Stage) Open() (root *os.File, done func(), err error) {
	ready, end, ended := make(chan bool), make(chan bool), make(chan bool)
	fd := -1
	go onScratchThread(func() {
		defer close(ended)
		fd, err = s.assemble()
		close(ready)
		if err != nil {
			return
		}
		<-end
		// The namespace goes with the thread; the mounts shall be gone before.
		_ = unix.Unmount(s.Hold, unix.MNT_DETACH)
	})
	<-ready
	if err != nil {
		return nil, nil, fmt.Errorf("assemble files: %w", err)
	}
	root = os.NewFile(uintptr(fd), "root")
	return root, func() {
		root.Close()
		close(end)
		<-ended
	}, nil
}

// assemble runs on the scratch thread.
func (s Stage) assemble() (int, error) {
	if err := scratchNamespace(); err != nil {
		return -1, err
	}
	fd, err := s.root()
	if err != nil {
		return -1, err
	}
	err = unix.MoveMount(fd, "", unix.AT_FDCWD, s.Hold, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		err = fmt.Errorf("move_mount root to %s: %w", s.Hold, err)
	}
	for _, b := range s.Binds {
		if err != nil {
			break
		}
		if err = b.attach(fd); err != nil {
			err = fmt.Errorf("bind %s to %s: %w", b.Source, b.Target, err)
		}
	}
	if err == nil && s.ReadOnly {
		err = makeReadOnly(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// root opens the root as a detached mount.
func (s Stage) root() (int, error) {
	if len(s.Layers) == 0 {
		fd, err := unix.OpenTree(unix.AT_FDCWD, s.Folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return -1, fmt.Errorf("open_tree %s: %w", s.Folder, err)
		}
		return fd, nil
	}
	fd, err := overlayByConfig(s.Layers, s.Upper, s.Work, 0)
	if errors.Is(err, unix.EINVAL) {
		// Before 6.8 fsconfig(2) takes no layers one by one.
		o := scratch{layers: s.Layers, upper: s.Upper, work: s.Work, userns: -1}
		return o.make(func(f func() error) error { return f() })
	}
	return fd, err
}

// attach mounts a copy of the source's mount in the root.
func (b Bind) attach(root int) error {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if b.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	source, err := unix.OpenTree(unix.AT_FDCWD, b.Source, flags)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer unix.Close(source)
	file, err := notFolder(source)
	if err != nil {
		return err
	}
	if b.ReadOnly {
		if err := makeReadOnly(source, b.Recursive); err != nil {
			return err
		}
	}
	at, err := makeInRoot(root, b.Target, file)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	if err := unix.MoveMount(source, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

func makeReadOnly(fd int, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(fd, "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("mount_setattr read-only: %w", err)
	}
	return nil
}

// makeInRoot opens a path in a root, links meaning what they mean in there, and
// makes what is missing of it: folders, the last one a file if it shall be.
func makeInRoot(root int, name string, file bool) (int, error) {
	fd, err := openInRoot(root, name)
	if err != unix.ENOENT {
		return fd, err
	}
	name = strings.Trim(path.Clean(name), "/")
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		dir, base := path.Split(name[:i])
		parent, err := openInRoot(root, dir)
		if err != nil {
			return -1, err
		}
		err = makeName(parent, base, file && i == len(name))
		unix.Close(parent)
		if err != nil && err != unix.EEXIST {
			return -1, fmt.Errorf("make mount point: %w", err)
		}
	}
	return openInRoot(root, name)
}

func openInRoot(root int, name string) (int, error) {
	if name == "" {
		name = "."
	}
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}
