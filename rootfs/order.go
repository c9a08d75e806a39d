package rootfs

import (
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// kernelUniqueIDs is the kernel since which mount tables are sorted by the
// time at which a mount was made, not attached (mnt_id_unique of statmount(2)).
const kernelUniqueIDs = 6008

// InOrder has the container's mount table show the mounts in the order of the
// spec, as its words have it ("The runtime MUST mount entries in the listed
// order", config.md), on kernels that list them by when they were made: the
// host makes its mounts while the child has yet to make those of its
// namespaces.
func (a *Assembly) InOrder(kernel int) { a.inOrder = kernel >= kernelUniqueIDs }

// outOfOrder reports whether the host makes a mount that the spec has behind
// one of the child's.
func (a *Assembly) outOfOrder() bool {
	child := false
	for _, t := range a.trees {
		if child && !t.child {
			return a.inOrder
		}
		child = child || t.child
	}
	return false
}

// unbindable is a mount that becomes so once the container's root is entered:
// until then there may be a copy of the tree, which would lack it.
type unbindable struct {
	slot       nsenter.Slot
	dest, from string
	recursive  bool
}

// unbind makes the mounts unbindable that shall be. In a copy of the tree they
// are found by their paths, from the root.
func (a *Assembly) unbind(copied bool) {
	for _, u := range a.unbindable {
		s := setattr(nsenter.Child, u.slot, u.recursive, 0, 0, unix.MS_UNBINDABLE)
		if copied {
			flags := uint(0)
			if u.recursive {
				flags = unix.AT_RECURSIVE
			}
			s = nsenter.Call(nsenter.Child, unix.SYS_MOUNT_SETATTR, nsenter.Int(unix.AT_FDCWD), nsenter.Str(u.dest), nsenter.Int(flags),
				nsenter.Ptr(nsenter.MountAttr(0, 0, unix.MS_UNBINDABLE, 0)), nsenter.Int(32))
		}
		a.plan.Add(s.On(u.dest).For(u.from, "no bind mount can be made of it, as asked"))
	}
	a.unbindable = nil
}

// reorder replaces the assembled root by a copy: the kernel copies a tree in
// the order in which its mounts were attached. The first one goes with the
// host's files.
func (a *Assembly) reorder() nsenter.Slot {
	const from, why = "mounts", "a copy of all mounts is in the order of the spec; the host made some before the child could make others"
	root := a.plan.NewSlot("ordered root")
	a.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(a.Root), noPath(),
		nsenter.Int(uint(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).To(root).On("/").For(from, why))
	a.plan.Add(moveMount(root, a.Root, "/").For(from, "the copy takes the place of what it was made from"))
	return root
}
