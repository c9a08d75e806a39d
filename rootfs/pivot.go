package rootfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Attach appends the child's steps that attach every mount. hold is a folder
// of the host that the root covers until [Assembly.Enter]; nobody else sees it
// covered. propagation is the spec's rootfsPropagation.
func (a *Assembly) Attach(hold, propagation string) error {
	prop, _, err := rootPropagation(propagation)
	if err != nil {
		return err
	}
	a.hold = hold
	a.isolate(prop)
	for _, slot := range a.stash {
		a.plan.Add(a.onHold(slot).For("root", "it must be attached to be copied from, and stays behind"))
	}
	a.plan.Add(a.onHold(a.Root).For("root", "the root needs a place before the container can move into it"))
	a.plan.Add(a.attach...)
	a.attach, a.stash = nil, nil
	return nil
}

// Enter appends the child's steps that make the attached root its root.
// propagation is the spec's rootfsPropagation. noPivot is for hosts whose root
// is a ramfs, which pivot_root(2) refuses: the root is moved on top of it, and
// the host's files stay below, where CAP_SYS_ADMIN can bring them up again.
func (a *Assembly) Enter(propagation string, noPivot bool) error {
	prop, rec, err := rootPropagation(propagation)
	if err != nil {
		return err
	}
	p := a.plan
	if noPivot {
		a.withdraw()
	}
	root := a.Root
	if !noPivot && a.outOfOrder() {
		root = a.reorder()
	}
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_FCHDIR, nsenter.Fd(root)).On("/").
		For("root", "pivot_root works on the current folder"))
	if noPivot {
		a.cover()
	} else {
		a.pivot()
	}
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str("/")).On("/").
		For("root", "no working directory outside the root is left (CVE-2024-21626)"))
	a.unbind(root != a.Root)
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

// onHold attaches a mount to the folder that the root covers.
func (a *Assembly) onHold(slot nsenter.Slot) nsenter.Step {
	if !a.Inside {
		return moveMountTo(slot, a.hold)
	}
	return nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(slot), noPath(), nsenter.Int(unix.AT_FDCWD), noPath(),
		nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).On(a.hold)
}

// moveMountTo attaches a mount to a path of the host.
func moveMountTo(slot nsenter.Slot, dir string) nsenter.Step {
	return nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(slot), noPath(), nsenter.Int(unix.AT_FDCWD), nsenter.Str(dir),
		nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH)).On(dir)
}

// rootPropagation reads the spec's rootfsPropagation; none is rprivate.
func rootPropagation(name string) (prop uint64, rec bool, err error) {
	if name == "" {
		return unix.MS_PRIVATE, true, nil
	}
	prop, rec, ok := propagationOf(name)
	if !ok {
		return 0, false, fmt.Errorf("linux.rootfsPropagation: %q is not a propagation", name)
	}
	return prop, rec, nil
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

// pivot makes the current folder the root and lets go of the host's.
func (a *Assembly) pivot() {
	a.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_PIVOT_ROOT, nsenter.Str("."), nsenter.Str(".")).On("/").
		For("root", "the image becomes /, and the host's root lies on top of it for a moment"))
	a.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_UMOUNT2, nsenter.Str("."), nsenter.Int(unix.MNT_DETACH)).On("/").
		For("root", "the host's files are gone from this namespace"))
}

// cover puts the current folder's mount on top of the host's root.
func (a *Assembly) cover() {
	a.plan.Add(moveMountTo(a.Root, "/").For("--no-pivot", "the image covers the host's root"))
	a.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_CHROOT, nsenter.Str(".")).On("/").
		For("--no-pivot", "the root is what lies on top"))
}

// withdraw removes the host's proc and sysfs from the container's mount
// namespace. Without pivot_root they would stay in it, unmasked, and in a user
// namespace the kernel then allows to mount new ones: it takes a whole proc in
// the namespace as a sign that there is nothing to hide.
func (a *Assembly) withdraw() {
	hold := a.hold
	a.plan.Add(nsenter.Control(nsenter.Host, nsenter.OpSync, "wait until the container's mounts are attached").
		For("--no-pivot", "what the host has beside them goes next"))
	a.plan.Add(nsenter.Do("remove the host's proc and sysfs from the container's mount namespace", func(h *nsenter.Run) error {
		return insideMounts(h, func() error { return withdraw(hold) })
	}).On("/").For("--no-pivot", "they would stay in reach below the root, unmasked"))
}

// withdraw removes every proc and sysfs that is not below hold.
func withdraw(hold string) error {
	table, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	defer table.Close()
	points, err := kernelMounts(table)
	if err != nil {
		return err
	}
	for _, p := range points {
		if covers(hold, p) {
			continue
		}
		err := unix.Unmount(p, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err == nil || errors.Is(err, unix.ENOENT) {
			continue // or gone with the one above it
		}
		// A mount of a more privileged namespace is locked in place.
		if err := unix.Mount("tmpfs", p, "tmpfs", unix.MS_RDONLY, "nr_inodes=1"); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cover %s: %w", p, err)
		}
	}
	return nil
}

// kernelMounts returns the mount points of every proc and sysfs of a mount
// table, which is in the form of proc_pid_mountinfo(5).
func kernelMounts(table io.Reader) ([]string, error) {
	var points []string
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		f := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		if ok && len(f) > 4 && (kind == "proc" || kind == "sysfs") {
			points = append(points, unoctal(f[4]))
		}
	}
	return points, lines.Err()
}

// unoctal reads the \040 and the like that stand for white space in a mount
// table.
func unoctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
