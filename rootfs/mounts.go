package rootfs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Add plans one mount of the spec. from is the flag or field that asked, such
// as "mounts[3]". A destination that is not absolute is one from the root.
func (a *Assembly) Add(m specs.Mount, from string) error {
	o, err := a.check(&m, from)
	if err != nil {
		return err
	}
	switch {
	case o.bind:
		return a.bind(m, o, from)
	case o.remount:
		return a.remount(m, o, from)
	case m.Type == "proc" || m.Type == "sysfs" || m.Type == "mqueue" || m.Type == "cgroup2":
		if host := a.ofTheHost(m.Type); host != "" {
			m.Source, o.recursive, o.optional = host, true, true
			o.recSet |= o.set & unix.MOUNT_ATTR_RDONLY
			return a.bind(m, o, from)
		}
		return a.kernel(m, o, from)
	}
	return a.filesystem(m, o, from)
}

// Shares tells which kinds of namespaces a container with a user namespace has
// in common with the host. It may not mount what belongs to those, so it is
// given the host's own mounts of it.
func (a *Assembly) Shares(kinds ...specs.LinuxNamespaceType) { a.shared = kinds }

// ofTheHost returns the host's mount of a file system that this container may
// not make one of, or "".
func (a *Assembly) ofTheHost(kind string) string {
	shares := func(n specs.LinuxNamespaceType) bool { return a.users.on && slices.Contains(a.shared, n) }
	switch {
	case kind == "proc" && shares(specs.PIDNamespace):
		return "/proc"
	case kind == "sysfs" && shares(specs.NetworkNamespace):
		return "/sys"
	case kind == "mqueue" && shares(specs.IPCNamespace):
		return "/dev/mqueue"
	}
	return ""
}

// bind plans a bind mount: a copy of the source's mount, with its own
// attributes and propagation, before anybody in the container can see it.
// Options of a file system mean nothing here, since it exists already; they are
// ignored, as mount(2) does.
func (a *Assembly) bind(m specs.Mount, o options, from string) error {
	recursive := o.recursive || !slices.Contains(m.Options, "bind")
	slot := a.plan.NewSlot("bind " + m.Destination)
	open := a.clone(m.Source, recursive).For(from, "a copy of the mount at the source, for the container alone")
	if a.users.on && !a.Joined {
		a.awaitMounts()
		open = a.cloneInside(slot, m.Source, recursive).For(from, "copied in the container's mount namespace, the host's read-only, nosuid and the like cannot be taken off in there")
	}
	return a.bound(m, o, slot, open, from)
}

// bound plans what comes of the copy of a mount that a step opens.
func (a *Assembly) bound(m specs.Mount, o options, slot nsenter.Slot, open nsenter.Step, from string) error {
	if o.optional {
		open = open.Tolerate(unix.ENOENT)
	}
	a.host(open.To(slot))
	if o.idmap || len(m.UIDMappings) > 0 {
		ns, err := a.mappingOf(m, from)
		if err != nil {
			return err
		}
		a.mapIDs(slot, ns, o.recIDMap, m.Destination, from)
	}
	// The recursive ones count last, whichever step comes last.
	o.set &^= o.recClear
	// Also read-only, and at once: what is bound belongs to the host, so mount
	// points of later mounts are not made in it, whatever links lead there.
	if o.set|o.clear != 0 {
		a.host(setattr(nsenter.Host, slot, false, o.set, o.clear, 0).On(m.Destination).For(from, "the options of this mount"))
	}
	if o.recSet|o.recClear != 0 {
		a.host(setattr(nsenter.Host, slot, true, o.recSet, o.recClear, 0).On(m.Destination).For(from, "these options hold for the mounts below it too"))
	}
	a.propagate(slot, o, m.Destination, from)
	if m.Destination == "/dev" {
		a.hostDev = true
		a.dev = nsenter.NoSlot
	}
	return a.place(placement{
		dest: m.Destination, slot: slot, like: slot, from: from,
		strict: m.Destination == "/proc", proc: m.Destination == "/proc",
	})
}

// propagate sets what a bind mount has in common with its source. Unless asked
// otherwise that is nothing, also for the mounts below.
func (a *Assembly) propagate(slot nsenter.Slot, o options, dest, from string) {
	const why = "later mounts on the host do not show up here, or do, as asked"
	prop := o.propagation
	if prop == 0 || prop == unix.MS_UNBINDABLE {
		prop = unix.MS_PRIVATE
	}
	// What is below a mount that is shared or a slave becomes so too, where
	// mount(8) would leave it as it is on the host: shared with that.
	a.host(setattr(nsenter.Host, slot, true, 0, 0, prop).On(dest).For(from, why))
	if o.propagation == unix.MS_UNBINDABLE {
		a.unbindable = append(a.unbindable, unbindable{slot, dest, from, o.recPropagation})
	}
}

// remount changes a mount that is planned already, as MS_REMOUNT does: the
// attributes that are not named go.
func (a *Assembly) remount(m specs.Mount, o options, from string) error {
	const all = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
		unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME
	i := len(a.trees) - 1
	for ; i >= 0 && a.trees[i].dest != m.Destination; i-- {
	}
	if i < 0 {
		return fmt.Errorf("%s: mount %s: remount of what no mount before it has made", field(from, "options"), m.Destination)
	}
	o.whole()
	t, clear := a.trees[i], o.clear|all&^o.set
	if t.child {
		a.child(setattr(nsenter.Child, t.slot, false, o.set, clear, 0).On(m.Destination).For(from, "the mount's options anew"))
		return nil
	}
	// All of them at the end: mount points are made in it until then.
	a.readOnly = append(a.readOnly, setattr(nsenter.Host, t.slot, false, o.set, clear, 0).
		On(m.Destination).For(from, "the mount's options anew"))
	return nil
}

// kernel plans a mount that binds to the namespaces of whoever makes it, so
// the child makes it.
func (a *Assembly) kernel(m specs.Mount, o options, from string) error {
	dest := path.Clean(m.Destination)
	o.whole()
	ctx, slot := a.plan.NewSlot(m.Type+" context"), a.plan.NewSlot(strings.TrimPrefix(dest, "/"))
	a.child(nsenter.Call(nsenter.Child, unix.SYS_FSOPEN, nsenter.Str(m.Type), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On(m.Type).For(from, "a "+m.Type+" shows the namespaces of the process that makes it"))
	if err := a.options(ctx, nsenter.Child, m, o, from); err != nil {
		return err
	}
	a.create(ctx, nsenter.Child, from)
	a.fsmount(ctx, nsenter.Child, slot, o.set, m.Destination, from)
	switch o.propagation {
	case 0:
	case unix.MS_UNBINDABLE:
		a.unbindable = append(a.unbindable, unbindable{slot, m.Destination, from, false})
	default:
		a.child(setattr(nsenter.Child, slot, false, 0, 0, o.propagation).On(m.Destination).For(from, "propagation as asked"))
	}
	if m.Type == "mqueue" && a.label != "" {
		a.labelRoot(slot, dest)
	}
	kernel := map[string]string{"proc": "/proc", "sysfs": "/sys"}[m.Type]
	return a.place(placement{dest: dest, slot: slot, child: true, strict: true, like: nsenter.NoSlot, kernel: kernel, from: from})
}

// labelRoot labels the root of a file system that takes no context= option.
func (a *Assembly) labelRoot(slot nsenter.Slot, dest string) {
	const from = "linux.mountLabel"
	dir := a.plan.NewSlot(dest)
	a.child(nsenter.Call(nsenter.Child, unix.SYS_OPENAT, nsenter.Fd(slot), nsenter.Str("."), nsenter.Int(unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(dir).On(dest).For(from, "a label is set on an open folder"))
	a.child(nsenter.Call(nsenter.Child, unix.SYS_FSETXATTR, nsenter.Fd(dir), nsenter.Str("security.selinux"),
		nsenter.Str(a.label), nsenter.Int(len(a.label)+1), nsenter.Int(0)).On(dest).For(from, "SELinux's label"))
}

// superblock plans a file system with a detached mount of it.
func (a *Assembly) superblock(m specs.Mount, o options, from string) (nsenter.Slot, error) {
	name := strings.TrimPrefix(m.Destination, "/")
	if long := slices.ContainsFunc(o.data, tooLong); long && !ownsFiles(m.Type) {
		slot := a.plan.NewSlot(name)
		a.byMount(m, o, slot, from)
		return slot, nil
	}
	ctx, slot := a.plan.NewSlot(m.Type+" context"), a.plan.NewSlot(name)
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str(m.Type), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On(m.Type).For(from, "a file system of the container's own"))
	if err := a.options(ctx, nsenter.Host, m, o, from); err != nil {
		return slot, err
	}
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, slot, o.set&^unix.MOUNT_ATTR_RDONLY, m.Destination, from)
	return slot, nil
}

// filesystem plans a mount that the host side can make in advance.
func (a *Assembly) filesystem(m specs.Mount, o options, from string) error {
	if m.Type == "cgroup" {
		return fmt.Errorf("%s: mount %s: a cgroup mount is planned with the cgroup", from, m.Destination)
	}
	dest := path.Clean(m.Destination)
	o.whole()
	slot, err := a.superblock(m, o, from)
	if err != nil {
		return err
	}
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		a.readOnly = append(a.readOnly, setattr(nsenter.Host, slot, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
			On(m.Destination).For(from, "read-only, now that the mount points in it are made"))
	}
	switch o.propagation {
	case 0:
	case unix.MS_UNBINDABLE:
		a.unbindable = append(a.unbindable, unbindable{slot, m.Destination, from, false})
	default:
		a.host(setattr(nsenter.Host, slot, false, 0, 0, o.propagation).On(m.Destination).For(from, "propagation as asked"))
	}
	err = a.place(placement{
		dest: dest, slot: slot, like: nsenter.NoSlot, copyUp: o.copyUp, from: from,
		inherit: m.Type == "tmpfs" && !o.has("mode"),
	})
	if err != nil {
		return err
	}
	return a.noteDev(m, o, slot, from)
}

// noteDev remembers the file systems that devices and terminals are made in.
func (a *Assembly) noteDev(m specs.Mount, o options, slot nsenter.Slot, from string) error {
	switch {
	case m.Destination == "/dev":
		// The files of a devtmpfs are the host's too.
		a.dev, a.hostDev = nsenter.NoSlot, m.Type == "devtmpfs"
		if m.Type == "tmpfs" && !o.copyUp {
			a.dev = slot
		}
	case m.Destination == "/dev/pts" && m.Type == "devpts":
		a.pts = slot
		if !a.users.on {
			return nil
		}
		for _, name := range []string{".", "ptmx"} {
			if err := a.chown(slot, name, 0, 0, path.Join("/dev/pts", name), from, "it belongs to the container's root"); err != nil {
				return err
			}
		}
	}
	return nil
}
