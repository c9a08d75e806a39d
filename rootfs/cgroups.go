package rootfs

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// CgroupView is one hierarchy as a container sees it.
type CgroupView struct {
	// Name is the folder's name below the mount: "memory", "cpu,cpuacct".
	Name string
	// Options are the file system's: controllers, or "none" and "name=x".
	Options []string
	// V2 is set for the unified hierarchy.
	V2 bool
	// Dir is the container's group in it. It is set for a container that has
	// the host's cgroup namespace: there a mount would show every group, so
	// the folder of the container's own is bound instead.
	Dir string
}

// Cgroups plans the mount of type cgroup: the unified hierarchy itself on a
// v2 host, else a folder with a mount for each hierarchy that the container is
// in. Hierarchies that it is not in would show it the host's groups.
func (a *Assembly) Cgroups(m specs.Mount, v2 bool, views []CgroupView, from string) error {
	if m.Type == "cgroup2" {
		m.Type = "cgroup"
	}
	o, err := a.check(&m, from)
	if err != nil {
		return err
	}
	if o.bind {
		return a.bind(m, o, from)
	}
	o.whole()
	o.data, o.sb = nil, nil // each hierarchy has its own
	dest := m.Destination
	switch {
	case v2 && len(views) > 0 && views[0].Dir != "":
		slot := a.group(views[0], o, dest, from)
		return a.place(placement{dest: dest, slot: slot, like: nsenter.NoSlot, from: from})
	case v2:
		m.Type = "cgroup2"
		return a.kernel(m, o, from)
	}
	ctx, slot := a.plan.NewSlot("tmpfs context"), a.plan.NewSlot(strings.TrimPrefix(dest, "/"))
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("tmpfs"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("tmpfs").For(from, "cgroup v1 has a folder for each hierarchy"))
	if err := a.options(ctx, nsenter.Host, specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: dest}, options{data: []string{"mode=755"}}, from); err != nil {
		return err
	}
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, slot, o.set&^unix.MOUNT_ATTR_RDONLY, dest, from)
	if err := a.place(placement{dest: dest, slot: slot, like: nsenter.NoSlot, from: from}); err != nil {
		return err
	}
	for _, v := range views {
		a.hierarchy(dest, slot, v, o, from)
	}
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		a.readOnly = append(a.readOnly, setattr(nsenter.Host, slot, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
			On(dest).For(from, "read-only, now that the folders are made"))
	}
	return nil
}

// group plans a bind mount of the container's own group.
func (a *Assembly) group(v CgroupView, o options, dest, from string) nsenter.Slot {
	slot := a.plan.NewSlot("cgroup " + v.Name)
	a.host(a.clone(v.Dir, false).To(slot).For(from, "in the host's cgroup namespace a mount would show the host's groups"))
	a.host(setattr(nsenter.Host, slot, false, o.set, o.clear, unix.MS_PRIVATE).On(dest).For(from, "the options of this mount"))
	return slot
}

// hierarchy plans one mount below the folder of cgroup v1, and the links of
// its single controllers.
func (a *Assembly) hierarchy(dest string, folder nsenter.Slot, v CgroupView, o options, from string) {
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKDIRAT, nsenter.Fd(folder), nsenter.Str(v.Name), nsenter.Int(0o755)).
		On(dest+"/"+v.Name).For(from, "a mount point"))
	at := a.plan.NewSlot("mount point " + v.Name)
	a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(folder), nsenter.Str(v.Name), nsenter.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(at).On(dest+"/"+v.Name).For(from, "the child will attach to the descriptor"))
	if strings.Contains(v.Name, ",") {
		for _, single := range strings.Split(v.Name, ",") {
			a.host(nsenter.Call(nsenter.Host, unix.SYS_SYMLINKAT, nsenter.Str(v.Name), nsenter.Fd(folder), nsenter.Str(single)).
				On(dest+"/"+single).For(from, "programs look for the single controller"))
		}
	}
	var slot nsenter.Slot
	if v.Dir != "" {
		slot = a.group(v, o, dest+"/"+v.Name, from)
	} else {
		slot = a.ownRoot(dest+"/"+v.Name, v, o, from)
	}
	a.trees = append(a.trees, tree{dest: path.Join(dest, v.Name), slot: slot, child: v.Dir == "", kernel: "/sys/fs/cgroup/" + v.Name})
	a.child(moveMount(slot, at, dest+"/"+v.Name).For(from, "the mount appears in the container"))
}

// ownRoot plans the mount of a hierarchy whose root is the container's group.
func (a *Assembly) ownRoot(dest string, v CgroupView, o options, from string) nsenter.Slot {
	kind := "cgroup"
	if v.V2 {
		kind = "cgroup2"
	}
	ctx, slot := a.plan.NewSlot(kind+" context"), a.plan.NewSlot("cgroup "+v.Name)
	a.child(nsenter.Call(nsenter.Child, unix.SYS_FSOPEN, nsenter.Str(kind), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On(kind).For(from, "made inside the cgroup namespace, so that the container's own group is its root"))
	for _, opt := range v.Options {
		if key, value, ok := strings.Cut(opt, "="); ok {
			a.config(ctx, nsenter.Child, key, value, from, "which hierarchy")
		} else {
			a.flag(ctx, nsenter.Child, opt, from, "which hierarchy")
		}
	}
	a.create(ctx, nsenter.Child, from)
	a.fsmount(ctx, nsenter.Child, slot, o.set, dest, from)
	return slot
}
