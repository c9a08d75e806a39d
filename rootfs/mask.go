package rootfs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Kind is what a path of the host's /proc or /sys is. The container's own
// proc and sysfs are of the same kernel, so they have the same entries.
type Kind int

// What a path can be.
const (
	Missing Kind = iota
	File
	Dir
)

// Masker hides paths and makes paths read-only in mounts that the child makes.
type Masker struct {
	a     *Assembly
	kind  func(path string) Kind
	empty nsenter.Slot // a read-only empty folder, made for the first mask
	null  nsenter.Slot // the container's /dev/null
}

// Masks starts a Masker. kind tells what a path is on the host.
func (a *Assembly) Masks(kind func(path string) Kind) *Masker {
	return &Masker{a: a, kind: kind, empty: nsenter.NoSlot, null: nsenter.NoSlot}
}

// Hide covers a path: a file with /dev/null, a folder with an empty one. A
// path that is not absolute is one from the root.
func (m *Masker) Hide(dest string) error {
	dest = path.Clean("/" + dest)
	if dest == "/" {
		return fmt.Errorf("linux.maskedPaths: the container's root cannot be hidden")
	}
	t, ok := m.a.childParent(dest)
	if !ok {
		file, dir := m.inRoot(dest, "linux.maskedPaths")
		if m.empty == nsenter.NoSlot {
			// Whether there is such a folder shows later: the empty one must be
			// attached to be copied from all the same (see cover).
			m.a.stash = append(m.a.stash, m.emptyFolder())
		}
		if err := m.cover(file, dest, File); err != nil {
			return err
		}
		return m.cover(dir, dest, Dir)
	}
	kind := m.kindOf(t, dest)
	if kind == Missing {
		return nil
	}
	return m.cover(m.beneath(t, dest, "linux.maskedPaths"), dest, kind)
}

// kindOf tells what a path in a child-made mount is, by the host's mount of
// the same kind.
func (m *Masker) kindOf(t tree, dest string) Kind {
	if t.kernel != "" {
		return m.kind(path.Join(t.kernel, strings.TrimPrefix(dest, t.dest)))
	}
	return m.kind(dest)
}

// cover puts something with nothing in it over an open path.
func (m *Masker) cover(at nsenter.Slot, dest string, kind Kind) error {
	const from = "linux.maskedPaths"
	const why = "it tells of the host or acts on it, and is not the container's business"
	if kind == Dir && m.empty == nsenter.NoSlot {
		// The first cover is the empty folder's own mount; the others are
		// copies. Kernels before 6.15 copy attached mounts only.
		m.a.child(moveMount(m.emptyFolder(), at, dest).For(from, why))
		return nil
	}
	source := m.source(kind)
	cover := m.a.plan.NewSlot("mask")
	m.a.child(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(source), noPath(),
		nsenter.Int(uint(unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
		To(cover).On(dest).For(from, "something with nothing in it"))
	m.a.child(moveMount(cover, at, dest).For(from, why))
	return nil
}

// ReadOnly makes a path read-only. A path that is not absolute is one from the
// root.
func (m *Masker) ReadOnly(dest string) error {
	const from = "linux.readonlyPaths"
	dest = path.Clean("/" + dest)
	if dest == "/" {
		return fmt.Errorf("%s: root.readonly is what makes the root read-only", from)
	}
	at := []nsenter.Slot{}
	if t, ok := m.a.childParent(dest); !ok {
		file, dir := m.inRoot(dest, from)
		at = append(at, file, dir)
	} else if m.kindOf(t, dest) != Missing {
		at = append(at, m.beneath(t, dest, from))
	}
	for _, slot := range at {
		mount := m.a.plan.NewSlot("read-only " + dest)
		m.a.child(nsenter.Call(nsenter.Child, unix.SYS_OPEN_TREE, nsenter.Fd(slot), noPath(),
			nsenter.Int(uint(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))).
			To(mount).On(dest).For(from, "a mount of its own has its own flags"))
		m.a.child(setattr(nsenter.Child, mount, true, unix.MOUNT_ATTR_RDONLY, 0, 0).On(dest).For(from, "it may be read and not written"))
		m.a.child(moveMount(mount, slot, dest).For(from, "the read-only view covers the writable one"))
	}
	return nil
}

// beneath opens a path in the child-made mount that holds it.
func (m *Masker) beneath(t tree, dest, from string) nsenter.Slot {
	at := m.a.plan.NewSlot(dest)
	m.a.child(openBeneath(t, dest, unix.O_PATH|unix.O_CLOEXEC).To(at).
		Tolerate(unix.ENOENT, unix.EACCES, unix.ENOTDIR).For(from, "the kernel may not have it"))
	return at
}

// inRoot opens a path of the image on the host side. Whether it is a file or
// a folder shows only then: it lands in the slot of its kind, and the steps on
// the other slot are skipped, as are both when it is missing.
func (m *Masker) inRoot(dest, from string) (file, dir nsenter.Slot) {
	file, dir = m.a.plan.NewSlot(dest), m.a.plan.NewSlot(dest+"/")
	a, count := m.a, len(m.a.trees)
	a.host(nsenter.Do("open "+dest+" in the root, if it is there", func(h *nsenter.Run) error {
		h.SetValue(file, -1)
		h.SetValue(dir, -1)
		p, err := a.resolver(h, count, false).target(dest, false)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil
		}
		if err != nil {
			return err
		}
		isFile, err := notFolder(p.fd)
		if isFile {
			h.SetFd(file, p.fd)
		} else {
			h.SetFd(dir, p.fd)
		}
		return err
	}).On(dest).For(from, "the child resolves no path in the image"))
	return file, dir
}

// source returns what covers a path of a kind. An attached mount is the one
// to copy from: kernels before 6.15 do not clone detached ones.
func (m *Masker) source(kind Kind) nsenter.Slot {
	const from = "linux.maskedPaths"
	if kind == Dir {
		return m.emptyFolder()
	}
	if m.null != nsenter.NoSlot {
		return m.null
	}
	m.null = m.a.plan.NewSlot("null")
	dir := m.a.dev
	if !m.a.null {
		dir = m.ownNull()
	}
	m.a.child(nsenter.Call(nsenter.Child, unix.SYS_OPENAT, nsenter.Fd(dir), nsenter.Str("null"), nsenter.Int(unix.O_PATH|unix.O_CLOEXEC), nsenter.Int(0)).
		To(m.null).On("/dev/null").For(from, "what covers files"))
	return m.null
}

// ownNull plans a file system with nothing but a null device. It is for where
// the null of /dev is the image's or the caller's: whatever that is, it must
// not cover what is to be hidden (CVE-2025-31133). It is attached below the
// root, where entering the root leaves it behind.
func (m *Masker) ownNull() nsenter.Slot {
	const from = "linux.maskedPaths"
	a := m.a
	ctx, slot := a.plan.NewSlot("tmpfs context"), a.plan.NewSlot("folder of null")
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("tmpfs"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("tmpfs").For(from, "a null device that is nobody else's"))
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, slot, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "folder of null", from)
	a.host(nsenter.Call(nsenter.Host, unix.SYS_MKNODAT, nsenter.Fd(slot), nsenter.Str("null"), nsenter.Int(unix.S_IFCHR|0o666), nsenter.Int(unix.Mkdev(1, 3))).
		On("null").For(from, "what covers files"))
	a.stash = append(a.stash, slot)
	return slot
}

// emptyFolder plans the folder that covers folders: a read-only tmpfs.
func (m *Masker) emptyFolder() nsenter.Slot {
	if m.empty != nsenter.NoSlot {
		return m.empty
	}
	const from = "linux.maskedPaths"
	ctx := m.a.plan.NewSlot("tmpfs context")
	m.empty = m.a.plan.NewSlot("empty")
	m.a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("tmpfs"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("tmpfs").For(from, "what covers folders"))
	m.a.config(ctx, nsenter.Host, "nr_inodes", "1", from, "nothing can be made in it")
	m.a.create(ctx, nsenter.Host, from)
	m.a.fsmount(ctx, nsenter.Host, m.empty, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, "empty", from)
	return m.empty
}
