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
}

// Cgroups plans the mount of type cgroup: the unified hierarchy itself on a
// v2 host, else a folder with a mount for each hierarchy that the container is
// in. Hierarchies that it is not in would show it the host's groups.
func (a *Assembly) Cgroups(m specs.Mount, v2 bool, views []CgroupView, from string) error {
	o, err := parseOptions(m.Options)
	if err != nil {
		return err
	}
	if v2 {
		m.Type = "cgroup2"
		o.data = nil
		a.kernel(m, o, from)
		return nil
	}
	dest := path.Clean(m.Destination)
	ctx, slot := a.plan.NewSlot("tmpfs context"), a.plan.NewSlot(strings.TrimPrefix(dest, "/"))
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("tmpfs"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("tmpfs").For(from, "cgroup v1 has a folder for each hierarchy"))
	a.config(ctx, nsenter.Host, "mode", "755", from, "an option of tmpfs")
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, slot, o.set&^unix.MOUNT_ATTR_RDONLY, dest, from)
	a.place(dest, slot, false, nsenter.NoSlot, from)
	for _, v := range views {
		a.hierarchy(dest, slot, v, o, from)
	}
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		a.readOnly = append(a.readOnly, setattr(nsenter.Host, slot, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
			On(dest).For(from, "read-only, now that the folders are made"))
	}
	return nil
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
	a.fsmount(ctx, nsenter.Child, slot, o.set, dest+"/"+v.Name, from)
	a.child(moveMount(slot, at, dest+"/"+v.Name).For(from, "the mount appears in the container"))
}
