package rootfs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Attach appends the child's steps that attach every mount and make the root
// its root. hold is a folder of the host that the root covers meanwhile; nobody
// else sees it covered. propagation is the spec's rootfsPropagation.
func (a *Assembly) Attach(hold, propagation string) error {
	prop, rec := uint64(unix.MS_PRIVATE), true
	if propagation != "" {
		var ok bool
		if prop, rec, ok = propagationOf(propagation); !ok {
			return fmt.Errorf("linux.rootfsPropagation: %q is not a propagation", propagation)
		}
	}
	a.isolate(prop)
	p := a.plan
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(a.Root), noPath(), nsenter.Int(unix.AT_FDCWD), nsenter.Str(hold),
		nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH)).On(hold).For("root", "the root needs a place before the container can move into it"))
	p.Add(a.attach...)
	a.attach = nil
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_FCHDIR, nsenter.Fd(a.Root)).On("/").
		For("root", "pivot_root works on the current folder"))
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_PIVOT_ROOT, nsenter.Str("."), nsenter.Str(".")).On("/").
		For("root", "the image becomes /, and the host's root lies on top of it for a moment"))
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_UMOUNT2, nsenter.Str("."), nsenter.Int(unix.MNT_DETACH)).On("/").
		For("root", "the host's files are gone from this namespace"))
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str("/")).On("/").
		For("root", "no working directory outside the root is left (CVE-2024-21626)"))
	if propagation != "" && prop != unix.MS_PRIVATE {
		flags := uint(0)
		if rec {
			flags = unix.AT_RECURSIVE
		}
		p.Add(nsenter.Call(nsenter.Child, unix.SYS_MOUNT_SETATTR, nsenter.Int(unix.AT_FDCWD), nsenter.Str("/"), nsenter.Int(flags),
			nsenter.Ptr(nsenter.MountAttr(0, 0, prop, 0)), nsenter.Int(32)).On("/").
			For("linux.rootfsPropagation", "as asked"))
	}
	return nil
}

// isolate keeps the mounts that the child makes from showing up on the host.
func (a *Assembly) isolate(prop uint64) {
	first := uint64(unix.MS_PRIVATE)
	if prop == unix.MS_SLAVE || prop == unix.MS_SHARED {
		// The host's later mounts shall arrive; never the other way round.
		first = unix.MS_SLAVE
	}
	a.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_MOUNT, nsenter.Str(""), nsenter.Str("/"), nsenter.Str(""),
		nsenter.Int(first|unix.MS_REC), nsenter.Null()).On("/").
		For("namespaces", "else the container's mounts would appear on the host"))
}
