package rootfs

import (
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Visit appends the child's steps that take the place of [Assembly.Enter] for
// a container without a mount namespace of its own. The root was built in one
// that the child has made for that; a copy of it, which is in no mount table,
// becomes the root, and the child goes back to the mount namespace in home. A
// tree that is the root of a process stays whole when its descriptor is closed,
// and goes with the last one that has it. Others leave their mounts in the
// host's table here.
func (a *Assembly) Visit(home nsenter.Slot) {
	const from = "linux.namespaces"
	root := a.plan.NewSlot("copy of the root")
	a.plan.Add(
		nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(a.Root), noPath(),
			nsenter.Int(uint(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
			To(root).On("/").For(from, "the root with its mounts, in no mount table"),
		nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(home), nsenter.Int(unix.CLONE_NEWNS)).On("mount namespace").
			For(from, "back to where the container is meant to be; what the root was built in goes"),
	)
	change(a.plan, root)
}

// Change appends the child's steps that make the assembly's root its own by
// chroot(2), for one that joins such a container.
func (a *Assembly) Change() { change(a.plan, a.Root) }

func change(p *nsenter.Plan, root nsenter.Slot) {
	const from = "linux.namespaces"
	p.Add(
		nsenter.Call(nsenter.Child, unix.SYS_FCHDIR, nsenter.Fd(root)).On("/").For(from, "chroot takes a path, and this is one that nobody can bend"),
		nsenter.Call(nsenter.Child, unix.SYS_CHROOT, nsenter.Str(".")).On("/").For(from, "without a mount namespace of its own there is nothing to pivot"),
	)
}
