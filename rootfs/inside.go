package rootfs

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// awaitMounts appends, once, the host's wait for the child's mount namespace.
func (a *Assembly) awaitMounts() {
	if a.awaited {
		return
	}
	a.awaited = true
	a.host(nsenter.Control(nsenter.Host, nsenter.OpSync, "wait until the child has its mount namespace").
		For("mounts", "what is bound into it is taken from there"))
}

// cloneInside returns a step that copies the mount at a host path, as the
// child's mount namespace has it. That namespace is a less privileged copy of
// the host's, in which the kernel has locked the flags that the host gave its
// mounts: a copy made on the host would not have the locks, and a container
// with CAP_SYS_ADMIN in its user namespace could write to what the host has
// read-only (mount_namespaces(7), "Restrictions on mount namespaces").
func (a *Assembly) cloneInside(slot nsenter.Slot, source string, recursive bool) nsenter.Step {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return nsenter.Do("copy the mount at "+source+" as the child sees it (setns, open_tree)", func(h *nsenter.Run) error {
		var fd int
		err := insideMounts(h, func() (err error) {
			fd, err = unix.OpenTree(unix.AT_FDCWD, source, flags)
			return err
		})
		if errors.Is(err, unix.EINVAL) && !recursive {
			// What is mounted below is locked in place as well: it could be
			// there to hide something. The spec wants the folder without it,
			// and the host may look below.
			fd, err = unix.OpenTree(unix.AT_FDCWD, source, flags)
		}
		if err != nil {
			return fmt.Errorf("open_tree %s: %w", source, err)
		}
		h.SetFd(slot, fd)
		return nil
	}).On(source)
}

// insideMounts runs a function in the child's mount namespace, on a thread of
// its own. Paths are those of the host until the child enters its root.
func insideMounts(h *nsenter.Run, f func() error) error { return inMounts(h.Pid(), f) }

// inMounts runs a function in a process's mount namespace, at its root, on a
// thread of its own.
func inMounts(pid int, f func() error) error {
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the container's mount namespace: %w", err)
	}
	defer unix.Close(ns)
	done := make(chan bool)
	go onScratchThread(func() {
		defer close(done)
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			err = fmt.Errorf("unshare working directory: %w", err)
			return
		}
		if err = unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
			err = fmt.Errorf("setns mount namespace: %w", err)
			return
		}
		err = f()
	})
	<-done
	return err
}
