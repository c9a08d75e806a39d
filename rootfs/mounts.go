package rootfs

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// bind plans a bind mount: a copy of the source's mount, with its own
// attributes and propagation, before anybody in the container can see it.
func (a *Assembly) bind(m specs.Mount, o options, from string) error {
	if !path.IsAbs(m.Source) {
		return fmt.Errorf("%s: mount %s: source %q is not an absolute path", from, m.Destination, m.Source)
	}
	slot := a.plan.NewSlot("bind " + m.Destination)
	a.host(a.clone(nsenter.Host, m.Source, o.recursive || !o.bind).To(slot).For(from, "a copy of the mount at the source, for the container alone"))
	if o.set|o.clear != 0 {
		a.afterPoints(setattr(nsenter.Host, slot, false, o.set, o.clear, 0).On(m.Destination).For(from, "the options of this mount"), o.set)
	}
	if o.recSet|o.recClear != 0 {
		a.afterPoints(setattr(nsenter.Host, slot, true, o.recSet, o.recClear, 0).On(m.Destination).For(from, "these options hold for the mounts below it too"), o.recSet)
	}
	prop := o.propagation
	if prop == 0 {
		prop = unix.MS_PRIVATE
	}
	a.host(setattr(nsenter.Host, slot, true, 0, 0, prop).On(m.Destination).
		For(from, "later mounts on the host do not show up here, or do, as asked"))
	a.place(m.Destination, slot, false, slot, from)
	return nil
}

// afterPoints makes a step at once, or, when it makes a mount read-only, once
// every mount point is made.
func (a *Assembly) afterPoints(s nsenter.Step, set uint64) {
	if set&unix.MOUNT_ATTR_RDONLY != 0 {
		a.readOnly = append(a.readOnly, s)
		return
	}
	a.host(s)
}

// kernel plans a mount that binds to the namespaces of whoever makes it, so
// the child makes it.
func (a *Assembly) kernel(m specs.Mount, o options, from string) {
	dest := path.Clean(m.Destination)
	ctx, slot := a.plan.NewSlot(m.Type+" context"), a.plan.NewSlot(strings.TrimPrefix(dest, "/"))
	a.child(nsenter.Call(nsenter.Child, unix.SYS_FSOPEN, nsenter.Str(m.Type), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On(m.Type).For(from, "a "+m.Type+" shows the namespaces of the process that makes it"))
	a.options(ctx, nsenter.Child, m, o, from)
	a.create(ctx, nsenter.Child, from)
	a.fsmount(ctx, nsenter.Child, slot, o.set, m.Destination, from)
	a.place(dest, slot, true, nsenter.NoSlot, from)
}

// options sets a file system's own options.
func (a *Assembly) options(ctx nsenter.Slot, who nsenter.Who, m specs.Mount, o options, from string) {
	if m.Source != "" && who == nsenter.Host {
		a.config(ctx, who, "source", m.Source, from, "the name that mount tables show")
	}
	for _, name := range o.sb {
		a.flag(ctx, who, name, from, "an option of the whole file system")
	}
	for _, d := range o.data {
		if key, value, ok := strings.Cut(d, "="); ok {
			a.config(ctx, who, key, value, from, "an option of "+m.Type)
		} else if d != "newinstance" { // what devpts always does by now
			a.flag(ctx, who, d, from, "an option of "+m.Type)
		}
	}
}

// filesystem plans a mount that the host side can make in advance.
func (a *Assembly) filesystem(m specs.Mount, o options, from string) error {
	if m.Type == "cgroup" {
		return fmt.Errorf("%s: mount %s: a cgroup mount is planned with the cgroup", from, m.Destination)
	}
	dest := path.Clean(m.Destination)
	ctx, slot := a.plan.NewSlot(m.Type+" context"), a.plan.NewSlot(strings.TrimPrefix(dest, "/"))
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str(m.Type), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On(m.Type).For(from, "a file system of the container's own"))
	a.options(ctx, nsenter.Host, m, o, from)
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, slot, o.set&^unix.MOUNT_ATTR_RDONLY, m.Destination, from)
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		a.readOnly = append(a.readOnly, setattr(nsenter.Host, slot, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
			On(m.Destination).For(from, "read-only, now that the mount points in it are made"))
	}
	if o.propagation != 0 {
		a.host(setattr(nsenter.Host, slot, false, 0, 0, o.propagation).On(m.Destination).For(from, "propagation as asked"))
	}
	a.place(dest, slot, false, nsenter.NoSlot, from)
	switch {
	case dest == "/dev" && m.Type == "tmpfs":
		a.dev = slot
	case dest == "/dev/pts" && m.Type == "devpts":
		a.pts = slot
	}
	return nil
}
