package rootfs

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Kernels, as 1000*major+minor, that can do what an overlay is made with.
const (
	kernelLowerdirPlus  = 6008 // the option lowerdir+
	kernelLayersByFd    = 6015 // layers that are detached mounts
	kernelMappedOverlay = 5019 // layers whose ids are mapped
)

// Overlay makes the root from image layers, top layer first. upper and work
// are the folders of the writable layer; for a container with a user namespace
// they must have the same parent. volatile skips every sync of the upper layer,
// for a container whose files are gone with it. kernel is the host's version as
// 1000*major+minor.
//
// In a user namespace every layer is mapped, so that files have the same ids
// in the image's folders, in the upper folder and in the container.
func (a *Assembly) Overlay(layers []string, upper, work string, volatile bool, kernel int) error {
	if len(layers) == 0 {
		return fmt.Errorf("assemble root: no layers: %w", unix.EINVAL)
	}
	if a.users.on && kernel < kernelMappedOverlay {
		return fmt.Errorf("linux.uidMappings: image layers with mapped ids need Linux 5.19, this is %d.%d", kernel/1000, kernel%1000)
	}
	if a.users.on && path.Dir(upper) != path.Dir(work) {
		return fmt.Errorf("assemble root: %s and %s are in different folders: %w", upper, work, unix.EINVAL)
	}
	a.Root = a.plan.NewSlot("root")
	a.trees = append(a.trees, tree{dest: "/", slot: a.Root})
	if kernel < kernelLowerdirPlus || a.users.on && kernel < kernelLayersByFd {
		a.overlayByMount(layers, upper, work, volatile)
		return nil
	}
	ctx := a.plan.NewSlot("overlay")
	const from = "image"
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("overlay"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("overlay").For(from, "the root is the image's layers with a writable one on top"))
	if a.users.on {
		a.mappedLayers(ctx, layers, upper, work)
	} else {
		for _, l := range layers {
			a.config(ctx, nsenter.Host, "lowerdir+", l, from, "a read-only layer of the image, the top one first")
		}
		a.config(ctx, nsenter.Host, "upperdir", unescaped(upper), from, "what the container writes goes here")
		a.config(ctx, nsenter.Host, "workdir", unescaped(work), from, "overlayfs prepares files here before they appear in the upper layer")
	}
	if volatile {
		a.flag(ctx, nsenter.Host, "volatile", "--rm", "files that go with the container need no syncing to disk")
	}
	if a.label != "" {
		a.config(ctx, nsenter.Host, "context", a.label, "linux.mountLabel", "SELinux's label for every file")
	}
	a.createAsRoot(ctx, from)
	a.fsmount(ctx, nsenter.Host, a.Root, 0, "root", from)
	return nil
}

// unescaped writes a path so that overlayfs reads it as it is: of these two
// options, unlike of lowerdir+, it takes the backslashes out.
func unescaped(p string) string { return strings.ReplaceAll(p, `\`, `\\`) }

// mappedLayers gives an overlay its layers as detached mounts with mapped ids.
func (a *Assembly) mappedLayers(ctx nsenter.Slot, layers []string, upper, work string) {
	const from = "linux.uidMappings"
	for _, l := range layers {
		slot := a.plan.NewSlot("layer")
		a.host(a.clone(l, false).To(slot).For(from, "a mount of the layer of its own"))
		a.mapIDs(slot, a.users.ns, false, l, from)
		a.configFd(ctx, "lowerdir+", slot, l, "a read-only layer of the image, the top one first")
	}
	parent := a.plan.NewSlot("writable layer")
	a.host(a.clone(path.Dir(upper), false).To(parent).For(from, "a mount of the writable layer of its own"))
	a.mapIDs(parent, a.users.ns, false, path.Dir(upper), from)
	for _, x := range [][3]string{
		{"upperdir", upper, "what the container writes goes here"},
		{"workdir", work, "overlayfs prepares files here before they appear in the upper layer"},
	} {
		slot := a.plan.NewSlot(x[0])
		a.host(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(parent), nsenter.Str(path.Base(x[1])),
			nsenter.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC), nsenter.Int(0)).
			To(slot).On(x[1]).For(from, "the folder in the mapped mount"))
		a.configFd(ctx, x[0], slot, x[1], x[2])
	}
}

// configFd sets an option of a file system to a descriptor.
func (a *Assembly) configFd(ctx nsenter.Slot, key string, slot nsenter.Slot, target, why string) {
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_FD),
		nsenter.Str(key), nsenter.Null(), nsenter.Fd(slot)).On(key+"="+target).For("image", why))
}

// createAsRoot makes the superblock of an overlay. Its own files in the work
// folder are made with the ids of whoever makes the superblock, for ever.
func (a *Assembly) createAsRoot(ctx nsenter.Slot, from string) {
	if !a.users.on {
		a.create(ctx, nsenter.Host, from)
		return
	}
	a.host(nsenter.Do("make the overlay with the ids of the container's root", func(h *nsenter.Run) error {
		return a.asRoot(func() error {
			if err := unix.FsconfigCreate(h.Fd(ctx)); err != nil {
				return fmt.Errorf("fsconfig create overlay: %w", err)
			}
			return nil
		})
	}).On(a.plan.SlotName(ctx)).For(from, "the file system comes into being"))
}

// mapIDs gives a detached mount the id mapping of a user namespace.
func (a *Assembly) mapIDs(slot, ns nsenter.Slot, recursive bool, target, from string) {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	a.host(nsenter.Do("map the ids of "+target+" (mount_setattr with MOUNT_ATTR_IDMAP)", func(h *nsenter.Run) error {
		return setIDMap(h.Fd(slot), flags, h.Fd(ns))
	}).On(target).For(from, "its files belong to the container's users"))
}

func setIDMap(fd int, flags uint, ns int) error {
	err := unix.MountSetattr(fd, "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
	if err == unix.EINVAL {
		return fmt.Errorf("mount_setattr MOUNT_ATTR_IDMAP: the file system cannot map ids, or they are mapped already: %w", err)
	}
	if err != nil {
		return fmt.Errorf("mount_setattr MOUNT_ATTR_IDMAP: %w", err)
	}
	return nil
}
