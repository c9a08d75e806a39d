package rootfs

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// BindFrom plans the mount that another container has at m.Source, a tmpfs: it
// is copied in the mount namespace of that container's process, as no other can
// copy what is attached there.
func (a *Assembly) BindFrom(m specs.Mount, pid int, from string) error {
	o, err := a.check(&m, from)
	if err != nil {
		return err
	}
	slot := a.plan.NewSlot("bind " + m.Destination)
	text := "copy the mount at " + m.Source + " as process " + strconv.Itoa(pid) + " sees it (setns, open_tree)"
	open := nsenter.Do(text, func(h *nsenter.Run) error {
		var fd int
		err := inMounts(pid, func() (err error) {
			fd, err = copyTmpfs(m.Source)
			return err
		})
		if err == nil {
			h.SetFd(slot, fd)
		}
		return err
	}).On(m.Source).For(from, "the other container's: both see the same files")
	return a.bound(m, o, slot, open, from)
}

// copyTmpfs returns a detached copy of the tmpfs at a path of another
// container, whose root is this thread's. No link may be on the way, and
// nothing else may have been put there: the copy goes to a container that the
// other one's owner may not be.
func copyTmpfs(name string) (int, error) {
	at, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("open %s of the other container: %w", name, err)
	}
	defer unix.Close(at)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(at, &fs); err != nil {
		return -1, fmt.Errorf("statfs %s of the other container: %w", name, err)
	}
	if fs.Type != unix.TMPFS_MAGIC {
		return -1, fmt.Errorf("%s of the other container is not a tmpfs", name)
	}
	fd, err := unix.OpenTree(at, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open_tree %s of the other container: %w", name, err)
	}
	return fd, nil
}
