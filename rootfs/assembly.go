package rootfs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Assembly collects the steps of one container's file systems. The host's
// steps go to the plan at once; the child's wait until Attach.
type Assembly struct {
	// Root is the slot of the root's detached mount.
	Root nsenter.Slot

	plan     *nsenter.Plan
	trees    []tree
	attach   []nsenter.Step // child: in the order of the mounts
	readOnly []nsenter.Step // host: once every mount point is made
	dev      nsenter.Slot   // of the tmpfs at /dev, or NoSlot
	pts      nsenter.Slot   // of the devpts at /dev/pts, or NoSlot
	hold     string         // where the root is attached until Enter
}

// New starts an assembly whose steps go to p.
func New(p *nsenter.Plan) *Assembly {
	return &Assembly{plan: p, dev: nsenter.NoSlot, pts: nsenter.NoSlot, Root: nsenter.NoSlot}
}

// noPath is the empty path of calls that act on a descriptor itself.
func noPath() nsenter.Arg { return nsenter.Str("") }

// host appends a host step.
func (a *Assembly) host(s nsenter.Step) { a.plan.Add(s) }

// child keeps a child step for Attach.
func (a *Assembly) child(s nsenter.Step) { a.attach = append(a.attach, s) }

// Overlay makes the root from image layers, top layer first. upper and work
// are the folders of the writable layer. volatile skips every sync of the
// upper layer, for a container whose files are gone with it.
func (a *Assembly) Overlay(layers []string, upper, work string, volatile bool, modern bool) error {
	if len(layers) == 0 {
		return fmt.Errorf("assemble root: no layers: %w", unix.EINVAL)
	}
	a.Root = a.plan.NewSlot("root")
	a.trees = append(a.trees, tree{dest: "/", slot: a.Root})
	if !modern {
		return a.overlayByMount(layers, upper, work, volatile)
	}
	ctx := a.plan.NewSlot("overlay")
	const from = "image"
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSOPEN, nsenter.Str("overlay"), nsenter.Int(unix.FSOPEN_CLOEXEC)).
		To(ctx).On("overlay").For(from, "the root is the image's layers with a writable one on top"))
	for _, l := range layers {
		a.config(ctx, nsenter.Host, "lowerdir+", l, from, "a read-only layer of the image, the top one first")
	}
	a.config(ctx, nsenter.Host, "upperdir", unescaped(upper), from, "what the container writes goes here")
	a.config(ctx, nsenter.Host, "workdir", unescaped(work), from, "overlayfs prepares files here before they appear in the upper layer")
	if volatile {
		a.flag(ctx, nsenter.Host, "volatile", "--rm", "files that go with the container need no syncing to disk")
	}
	a.create(ctx, nsenter.Host, from)
	a.fsmount(ctx, nsenter.Host, a.Root, 0, "root", from)
	return nil
}

// unescaped writes a path so that overlayfs reads it as it is: of these two
// options, unlike of lowerdir+, it takes the backslashes out.
func unescaped(p string) string { return strings.ReplaceAll(p, `\`, `\\`) }

// config sets one option of a file system that is being made.
func (a *Assembly) config(ctx nsenter.Slot, who nsenter.Who, key, value, from, why string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_STRING),
		nsenter.Str(key), nsenter.Str(value), nsenter.Int(0)).On(key+"="+value).For(from, why))
}

// flag sets one option that has no value.
func (a *Assembly) flag(ctx nsenter.Slot, who nsenter.Who, key, from, why string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_FLAG),
		nsenter.Str(key), nsenter.Null(), nsenter.Int(0)).On(key).For(from, why))
}

// create makes the superblock.
func (a *Assembly) create(ctx nsenter.Slot, who nsenter.Who, from string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_CMD_CREATE),
		nsenter.Null(), nsenter.Null(), nsenter.Int(0)).On(a.plan.SlotName(ctx)).For(from, "the file system comes into being"))
}

// fsmount makes a detached mount of a file system.
func (a *Assembly) fsmount(ctx nsenter.Slot, who nsenter.Who, out nsenter.Slot, attrs uint64, target, from string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSMOUNT, nsenter.Fd(ctx), nsenter.Int(unix.FSMOUNT_CLOEXEC), nsenter.Int(attrs)).
		To(out).On(target).For(from, "a mount of it that no mount table shows yet"))
}

// step files a step with its side.
func (a *Assembly) step(who nsenter.Who, s nsenter.Step) {
	if who == nsenter.Child {
		a.child(s)
		return
	}
	a.host(s)
}

// Folder makes the root from a folder of the host. propagation is the spec's
// rootfsPropagation.
func (a *Assembly) Folder(dir, propagation, from string) {
	a.Root = a.plan.NewSlot("root")
	a.trees = append(a.trees, tree{dest: "/", slot: a.Root})
	a.host(a.clone(nsenter.Host, dir, true).To(a.Root).For(from, "the root is this folder, as a mount of its own"))
	// A copy is a peer of what it was copied from: where the host's mounts are
	// shared, as systemd makes them, whatever is attached to it would appear
	// on the host too.
	prop, why := uint64(unix.MS_PRIVATE), "what is mounted in it does not appear on the host"
	if asked, _, ok := propagationOf(propagation); ok && (asked == unix.MS_SLAVE || asked == unix.MS_SHARED) {
		prop, why = unix.MS_SLAVE, "the host's mounts arrive in it, and never the other way round"
	}
	a.host(setattr(nsenter.Host, a.Root, true, 0, 0, prop).On("/").For(from, why))
}

// clone returns a step that copies the mount at a host path.
func (a *Assembly) clone(who nsenter.Who, dir string, recursive bool) nsenter.Step {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return nsenter.Call(who, unix.SYS_OPEN_TREE, nsenter.Int(unix.AT_FDCWD), nsenter.Str(dir), nsenter.Int(flags)).On(dir)
}

// setattr returns a mount_setattr step on a slot's mount.
func setattr(who nsenter.Who, slot nsenter.Slot, recursive bool, set, clear, propagation uint64) nsenter.Step {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return nsenter.Call(who, unix.SYS_MOUNT_SETATTR, nsenter.Fd(slot), noPath(), nsenter.Int(flags),
		nsenter.Ptr(nsenter.MountAttr(set, clear, propagation, 0)), nsenter.Int(32))
}

// RootReadOnly makes the root read-only, after the mount points are made.
func (a *Assembly) RootReadOnly(from string) {
	a.readOnly = append(a.readOnly, setattr(nsenter.Host, a.Root, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
		On("/").For(from, "the container may not change its root"))
}

// Seal makes read-only what had to be writable until every mount point was
// made. No mount may be added after it.
func (a *Assembly) Seal() {
	a.plan.Add(a.readOnly...)
	a.readOnly = nil
}

// point appends the step that opens, and if need be makes, a mount point on
// the host side. like, when it is a slot, tells whether the mount is of a file.
// strict refuses a point that links of the image move elsewhere: programs that
// write into /proc would then write into what the image has there
// (CVE-2019-16884, CVE-2023-27561).
func (a *Assembly) point(dest string, strict bool, like nsenter.Slot, from string) nsenter.Slot {
	out := a.plan.NewSlot("mount point " + dest)
	index := len(a.trees)
	a.host(nsenter.Do("open the mount point "+dest+" in the root, make it if it is missing", func(h *nsenter.Run) error {
		isFile := false
		if like != nsenter.NoSlot {
			var err error
			if isFile, err = notFolder(h.Fd(like)); err != nil {
				return err
			}
		}
		r := resolver{h: h, trees: a.trees[:index], make: true}
		p, err := r.target(dest, isFile)
		if err != nil {
			return err
		}
		h.SetFd(out, p.fd)
		if err := sameKind(p.fd, isFile); err != nil {
			return err
		}
		if strict && p.path != dest {
			return fmt.Errorf("%s leads to %s in the image: it must be a folder, and no link may be on the way", dest, p.path)
		}
		// Later mounts resolve against the place this one really has.
		a.trees[index].dest = p.path
		return nil
	}).To(out).On(dest).For(from, "the child will attach to the descriptor and resolve no path in the image"))
	return out
}

// sameKind refuses to mount a file on a folder and the other way round.
func sameKind(fd int, file bool) error {
	isFile, err := notFolder(fd)
	if err != nil || isFile == file {
		return err
	}
	if file {
		return fmt.Errorf("mount a file on a folder: %w", unix.EISDIR)
	}
	return fmt.Errorf("mount a folder on a file: %w", unix.ENOTDIR)
}

// notFolder reports whether a descriptor is something else than a folder.
func notFolder(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, fmt.Errorf("stat mount source: %w", err)
	}
	return st.Mode&unix.S_IFMT != unix.S_IFDIR, nil
}

// place opens the mount point for the mount in slot and registers it; the
// child then attaches it there. childMade is set for a mount that only the
// child makes: its slot is empty on the host.
func (a *Assembly) place(dest string, slot nsenter.Slot, childMade bool, like nsenter.Slot, from string) {
	dest = path.Clean(dest)
	if parent, ok := a.childParent(dest); ok {
		at := a.beneath(parent, dest, unix.O_PATH|unix.O_CLOEXEC, from)
		a.trees = append(a.trees, tree{dest: dest, slot: slot, child: childMade})
		a.child(moveMount(slot, at, dest).For(from, "the mount appears in the container"))
		return
	}
	// The tree is registered before its point step exists: the step's function
	// sees only the trees before it, and corrects this one's place.
	at := a.point(dest, childMade, like, from)
	a.trees = append(a.trees, tree{dest: dest, slot: slot, child: childMade})
	a.child(moveMount(slot, at, dest).For(from, "the mount appears in the container"))
}

// moveMount attaches a mount to a mount point.
func moveMount(slot, at nsenter.Slot, target string) nsenter.Step {
	return nsenter.Call(nsenter.Child, unix.SYS_MOVE_MOUNT, nsenter.Fd(slot), noPath(), nsenter.Fd(at), noPath(),
		nsenter.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).On(target)
}

// childParent returns the child-made mount that a destination lies in, going
// by the destination's text. One that gets there by a symbolic link is refused
// when its mount point is opened.
func (a *Assembly) childParent(dest string) (tree, bool) {
	var best tree
	for _, t := range a.trees {
		if covers(t.dest, dest) {
			best = t
		}
	}
	return best, best.child
}

// beneath opens a path in a child-made mount, from that mount's own root and
// through nothing else.
func (a *Assembly) beneath(t tree, dest string, flags uint64, from string) nsenter.Slot {
	out := a.plan.NewSlot(dest)
	a.child(openBeneath(t, dest, flags).To(out).For(from, "no symbolic link and no other mount may be on the way"))
	return out
}

// openBeneath returns the openat2 step of beneath.
func openBeneath(t tree, dest string, flags uint64) nsenter.Step {
	rel := dest[len(t.dest):]
	if t.dest == "/" {
		rel = dest
	}
	for len(rel) > 0 && rel[0] == '/' {
		rel = rel[1:]
	}
	if rel == "" {
		rel = "."
	}
	how := nsenter.OpenHow(flags, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
	return nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(t.slot), nsenter.Str(rel), nsenter.Ptr(how), nsenter.Int(24)).On(dest)
}

// Add plans one mount of the spec. from is the flag or field that asked.
func (a *Assembly) Add(m specs.Mount, from string) error {
	if !path.IsAbs(m.Destination) {
		return fmt.Errorf("%s: destination %q is not an absolute path", from, m.Destination)
	}
	if path.Clean(m.Destination) == "/" {
		return fmt.Errorf("%s: a mount cannot cover the container's root", from)
	}
	o, err := parseOptions(m.Options)
	if err != nil {
		return fmt.Errorf("%s: mount %s: %w", from, m.Destination, err)
	}
	if o.copyUp {
		return fmt.Errorf("%s: mount %s: option \"tmpcopyup\" is not supported", from, m.Destination)
	}
	switch {
	case o.bind || m.Type == "bind":
		return a.bind(m, o, from)
	case m.Type == "proc" || m.Type == "sysfs" || m.Type == "mqueue" || m.Type == "cgroup2":
		a.kernel(m, o, from)
		return nil
	case m.Type == "":
		return fmt.Errorf("%s: mount %s: %w", from, m.Destination, errors.New("type is empty"))
	}
	return a.filesystem(m, o, from)
}
